package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"assay/release"
	"assay/reports"
)

func (s *Schedule) nameOf(day string) string { return fmt.Sprintf("%s-%s.n.0", s.config.Stream, day) }

// compose gives a day its turn. That it has begun is written before anything runs:
// where that cannot be written, nothing does.
func (s *Schedule) compose(ctx context.Context, lock *os.File, last ran, turn time.Time) error {
	day := dayOf(turn)
	name := s.nameOf(day)
	// Its name keeps it from being taken for a build before it is whole.
	dir, place := filepath.Join(s.config.Into, ".new-"+name), filepath.Join(s.config.Into, name)
	done := func() error {
		last.Day, last.Begun, last.BegunPackages, last.Waits = day, "", "", ""
		return s.memory.keep(last)
	}
	if _, err := os.Lstat(place); err == nil { // from before a crash
		if last.Begun == day {
			last.Packages = cmp.Or(last.BegunPackages, last.Packages)
		}
		return done()
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	last.Begun, last.BegunPackages, last.Waits = day, "", ""
	if err := s.memory.keep(last); err != nil {
		return err
	}
	err := s.make(ctx, lock, &last, name, dir)
	if err == nil {
		err = os.Rename(dir, place)
	}
	if err == nil {
		last.Packages = last.BegunPackages
		s.in.o.Tell("%s: composed %s", s.in.name, name)
		return done()
	}
	left := os.RemoveAll(dir)
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // and this day has its turn later
	case errors.Is(err, errSame):
		s.in.o.Tell("%s: no compose of %s: its packages are those of the last", s.in.name, day)
		return errors.Join(left, done())
	}
	return s.fail(ctx, last, day, errors.Join(err, left))
}

// errSame says that there is nothing to compose.
var errSame = errors.New("the packages are those of the last compose")

// make has a compose made in dir, whole, so that the folder takes it.
func (s *Schedule) make(ctx context.Context, lock *os.File, last *ran, name, dir string) error {
	if s.config.Packages != nil {
		list, err := s.run(ctx, lock, s.config.Packages, s.config.Work, name+"-packages", true)
		if err != nil {
			return fmt.Errorf("cannot list packages: %w", err)
		}
		lines := strings.Fields(string(list))
		slices.Sort(lines)
		last.BegunPackages = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n"))))
		if len(lines) > 0 && last.BegunPackages == last.Packages {
			return errSame
		}
		if err := s.memory.keep(*last); err != nil {
			return err
		}
	}
	if _, err := s.run(ctx, lock, s.config.Command, dir, name, false); err != nil {
		return err
	}
	d, seen, _, err := readDropped(dir)
	switch {
	case err != nil:
		return err
	case d.Compose != name:
		return fmt.Errorf("%s is of compose %.100q, not of %s", BuildFile, d.Compose, name)
	case d.Created.After(s.now().Add(24 * time.Hour)):
		return fmt.Errorf("%s says it was created at %s, which is to come", BuildFile, d.Created.UTC().Format(time.RFC3339))
	}
	if err := isAnnounceable(seen); err != nil {
		return err
	}
	digests, err := d.hash(ctx, dir)
	if err != nil {
		return err
	}
	return d.fill(seen, digests)
}

// fail has it recorded that a day's compose made nothing. Whatever comes of that,
// the day has had its turn.
func (s *Schedule) fail(ctx context.Context, last ran, day string, why error) error {
	at, name := s.now().UTC(), s.nameOf(day)
	s.in.o.Tell("%s: compose %s failed: %v", s.in.name, name, why)
	last.Day, last.Begun, last.BegunPackages, last.Waits = day, "", "", ""
	last.Failures = append(slices.Clone(last.Failures), &release.BuildFailed{Compose: name, Status: "FAILED", Ended: at, Reason: reports.Line(why.Error(), 1000), Log: filepath.Join(s.config.Work, name+".log")})
	return errors.Join(s.memory.keep(last), s.report(ctx))
}

// report has those failures recorded that the history has not got. What it
// refuses it would refuse again.
func (s *Schedule) report(ctx context.Context) error {
	last, err := s.memory.recall()
	var open []*release.BuildFailed
	var errs []error
	for _, f := range last.Failures {
		err := s.in.record(ctx, news{stream: s.config.Stream, day: f.Ended, failed: f})
		switch {
		case errors.Is(err, errRefused):
			s.in.o.Tell("%s: that compose %s failed is not recorded: %v", s.in.name, f.Compose, err)
		case err != nil:
			errs, open = append(errs, err), append(open, f)
		}
	}
	if len(open) == len(last.Failures) {
		return errors.Join(errs...) // what recall says is told where it counts
	}
	last.Failures = open
	return errors.Join(errors.Join(errs...), err, s.memory.keep(last))
}

// maxOutput bounds what a list of packages may be, in bytes.
const maxOutput = 4 << 20

// run runs a command with its output in a log; keep returns that, too. It ends
// with ctx, and what it has started in its process group with it.
func (s *Schedule) run(ctx context.Context, lock *os.File, argv []string, dir, name string, keep bool) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, fmt.Errorf("%s took more than %s", argv[0], s.config.Timeout))
	defer cancel()
	log, err := s.log(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Stdout, c.Stderr, c.ExtraFiles = dir, log, log, []*os.File{lock}
	c.Env = append(passedOn(os.Environ()), "ASSAY_COMPOSE="+name, "ASSAY_COMPOSE_DIR="+dir)
	if keep { // what it warns of is no package
		warnings, err := s.log(name + "-warnings")
		if err != nil {
			return nil, err
		}
		defer func() { _ = warnings.Close() }()
		c.Stderr = warnings
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	killGroup := func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.Cancel = killGroup
	err = c.Run()
	if c.Process != nil {
		// Whatever it left at work would hold the lock, and so each compose to come.
		_ = killGroup()
	}
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	if !keep {
		return nil, nil
	}
	st, err := log.Stat()
	if err == nil && st.Size() > maxOutput {
		err = fmt.Errorf("%s says more than %d bytes", argv[0], maxOutput)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(log.Name())
}

// log begins one. What a command says may be for few to read.
func (s *Schedule) log(name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(s.config.Work, name+".log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil { // it was there
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// passedOn is what a command has of the service's environment. The rest may hold
// passwords and tokens, which are the service's alone.
func passedOn(environ []string) (out []string) {
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains([]string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"}, name) || strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "ASSAY_COMPOSE") {
			out = append(out, v)
		}
	}
	return out
}
