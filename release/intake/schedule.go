package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// ScheduleConfig is a compose command that is run each day, as YAML has it. Its
// name is the machine that is recorded where the command fails; what it makes, the
// folder's announces.
type ScheduleConfig struct {
	Stream release.Stream `yaml:"stream"`
	// At is a time of day, as "01:30", in Zone (UTC when empty).
	At   string `yaml:"at"`
	Zone string `yaml:"zone"`
	// Packages is a command that prints the packages a compose would have now, one a
	// line; where they are those of the last compose, there is none. May be left out.
	Packages []string `yaml:"packages"`
	// Command makes the images and BuildFile in its working folder, which is new,
	// and is $ASSAY_COMPOSE_DIR, too. $ASSAY_COMPOSE is the compose's name. No shell
	// is in between.
	Command []string `yaml:"command"`
	// Timeout bounds each command; six hours when 0.
	Timeout time.Duration `yaml:"timeout"`
	// Into is a folder that is under folders; Work one that lasts, for what was run
	// last and the output of commands. Both absolute.
	Into string `yaml:"into"`
	Work string `yaml:"work"`

	hour, minute int
	zone         *time.Location
}

// Schedule runs a compose command. It is for one goroutine.
type Schedule struct {
	in     *Intake
	config ScheduleConfig
	now    func() time.Time
	busy   bool // and it was told of
}

// ran is what a schedule remembers.
type ran struct {
	// Day is the last that has had its turn; Packages the digest of the packages of
	// the last compose.
	Day      string `json:"day"`
	Packages string `json:"packages,omitempty"`
}

// NewSchedule checks the configuration of the schedule called name. It runs
// nothing.
func NewSchedule(name string, c ScheduleConfig, now func() time.Time, o Options) (*Schedule, error) {
	in, err := newRecorder(name, c.Stream, o)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run composes for %.40q: %w", name, err)
	}
	return &Schedule{in: in, config: c, now: now}, nil
}

func (c *ScheduleConfig) check() error {
	at, err := time.Parse("15:04", c.At)
	if err != nil {
		return fmt.Errorf("at %.20q: want a time of day, as 01:30", c.At)
	}
	c.hour, c.minute = at.Hour(), at.Minute()
	if c.zone, err = time.LoadLocation(cmp.Or(c.Zone, "UTC")); err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	c.Timeout = cmp.Or(c.Timeout, 6*time.Hour)
	switch {
	case len(c.Command) == 0 || c.Command[0] == "" || c.Packages != nil && (len(c.Packages) == 0 || c.Packages[0] == ""):
		return errors.New("command: want a program and its arguments, as [/usr/bin/make-images, --nightly]")
	case c.Timeout < 0 || c.Timeout > 23*time.Hour:
		return fmt.Errorf("timeout: want a duration of less than a day, not %s", c.Timeout)
	}
	for what, dir := range map[string]string{"into": c.Into, "work": c.Work} {
		if st, err := os.Stat(dir); !filepath.IsAbs(dir) || err != nil || !st.IsDir() {
			return fmt.Errorf("%s %.200q: want an absolute path of a folder that is there", what, dir)
		}
	}
	return nil
}

// Run does what is due until ctx ends.
func (s *Schedule) Run(ctx context.Context) {
	every(ctx, 30*time.Second, func() {
		if err := s.Poll(ctx); err != nil && ctx.Err() == nil {
			s.in.o.Tell("%s: %v", s.in.name, err)
		}
	})
}

// turn is the last day whose time has come.
func (s *Schedule) turn(now time.Time) time.Time {
	now = now.In(s.config.zone)
	t := time.Date(now.Year(), now.Month(), now.Day(), s.config.hour, s.config.minute, 0, 0, s.config.zone)
	if t.After(now) {
		t = time.Date(now.Year(), now.Month(), now.Day()-1, s.config.hour, s.config.minute, 0, 0, s.config.zone)
	}
	return t
}

// Poll runs the command if a day's time has come that has not had its turn: of
// several days that were slept through the last alone. The first time there is
// nothing to catch up with. A clock that is set back runs nothing twice; one that
// was days ahead and is right again is believed.
func (s *Schedule) Poll(ctx context.Context) (err error) {
	turn := s.turn(s.now())
	day := turn.Format("20060102")
	last, err := s.last()
	switch {
	case err != nil:
		return fmt.Errorf("cannot see what was run last: %w", err)
	case last.Day == "" || last.Day > turn.AddDate(0, 0, 2).Format("20060102"):
		last.Day = day
		return s.remember(last)
	case last.Day >= day:
		return nil
	}
	// Commands hold the lock, too: one that outlives a service that was killed is
	// still at work.
	lock, err := os.OpenFile(filepath.Join(s.config.Work, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if !s.busy {
			s.in.o.Tell("%s: the command before is still at work: %s waits for it", s.in.name, day)
		}
		s.busy = true
		return nil
	}
	s.busy = false
	return s.compose(ctx, lock, last, turn)
}

func (s *Schedule) compose(ctx context.Context, lock *os.File, last ran, turn time.Time) error {
	day := turn.Format("20060102")
	name := fmt.Sprintf("%s-%s.n.0", s.config.Stream, day)
	now := ran{Day: day, Packages: last.Packages}
	packages := ""
	if s.config.Packages != nil {
		list, err := s.run(ctx, lock, s.config.Packages, s.config.Work, name+"-packages", true)
		if ctx.Err() != nil {
			return ctx.Err() // and this day has its turn later
		}
		if err != nil {
			return s.failed(ctx, now, name, fmt.Errorf("cannot list packages: %w", err))
		}
		lines := strings.Fields(string(list))
		slices.Sort(lines)
		if packages = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n")))); len(lines) > 0 && packages == last.Packages {
			s.in.o.Tell("%s: no compose of %s: its packages are those of the last", s.in.name, day)
			return s.remember(now)
		}
	}
	// Its name keeps it from being taken for a build before it is whole.
	dir, place := filepath.Join(s.config.Into, ".new-"+name), filepath.Join(s.config.Into, name)
	if _, err := os.Lstat(place); err == nil { // from before a crash
		now.Packages = cmp.Or(packages, now.Packages)
		return s.remember(now)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	_, err := s.run(ctx, lock, s.config.Command, dir, name, false)
	if err == nil {
		var d dropped
		if d, _, _, err = readDropped(dir); err == nil && d.Compose != name {
			err = fmt.Errorf("%s is of compose %.100q, not of %s", BuildFile, d.Compose, name)
		}
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(dir))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.failed(ctx, now, name, err)
	}
	if err := os.Rename(dir, place); err != nil {
		return err
	}
	now.Packages = packages
	s.in.o.Tell("%s: composed %s", s.in.name, name)
	return s.remember(now)
}

// failed has it recorded that a day's compose made nothing. Whatever comes of
// that, the day has had its turn.
func (s *Schedule) failed(ctx context.Context, now ran, name string, why error) error {
	at := s.now().UTC()
	s.in.o.Tell("%s: compose %s failed: %v", s.in.name, name, why)
	return errors.Join(s.remember(now), s.in.record(ctx, news{stream: s.config.Stream, day: at,
		failed: &release.BuildFailed{Compose: name, Status: "FAILED", Ended: at, Reason: reports.Line(why.Error(), 1000), Log: filepath.Join(s.config.Work, name+".log")}}))
}

// maxOutput bounds what a list of packages may be, in bytes.
const maxOutput = 4 << 20

// run runs a command with its output in a log; keep returns that, too. It and its
// children end with ctx.
func (s *Schedule) run(ctx context.Context, lock *os.File, argv []string, dir, name string, keep bool) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, fmt.Errorf("%s took more than %s", argv[0], s.config.Timeout))
	defer cancel()
	log, err := os.Create(filepath.Join(s.config.Work, name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Stdout, c.Stderr, c.ExtraFiles = dir, log, log, []*os.File{lock}
	c.Env = append(os.Environ(), "ASSAY_COMPOSE="+name, "ASSAY_COMPOSE_DIR="+dir)
	if keep { // what it warns of is no package
		warnings, err := os.Create(filepath.Join(s.config.Work, name+"-warnings.log"))
		if err != nil {
			return nil, err
		}
		defer func() { _ = warnings.Close() }()
		c.Stderr = warnings
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) } // its own group
	err = c.Run()
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

func (s *Schedule) last() (r ran, err error) {
	raw, err := readSmall(filepath.Join(s.config.Work, "last.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(raw)).Decode(&r)
	}
	return r, err
}

// remember puts it on stable storage.
func (s *Schedule) remember(r ran) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := filepath.Join(s.config.Work, "last.json")
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
