package usercheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
)

const (
	// skipStatus is how automake, autopkgtest and others say "skipped".
	skipStatus = 77
	// rebootLimit is how many reboots one check may ask for: more is a loop.
	rebootLimit = 10
	// markLimit bounds a mark, in bytes.
	markLimit = 256
	// copyLimit is for unpacking a check in the guest, on a KVM host.
	copyLimit = 50 * time.Second
)

// markShape keeps a mark fit for an environment variable and one line of a log.
var markShape = regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,256}$`)

// runner is what a check.Check's Run does with this check.
func (c Check) runner(output string) func(context.Context, *check.T) error {
	return func(ctx context.Context, t *check.T) error {
		user := c.User
		if user == ordinaryUser {
			if user = t.Env.User; user == "" {
				return check.Skipf("the seed makes no ordinary user")
			}
		}
		if err := c.hasNeeds(ctx, t, user); err != nil {
			return err
		}
		out, err := openOutput(output, c.ID())
		if err != nil {
			return check.Infraf("%w", err)
		}
		defer out.close()
		if err := c.place(ctx, t, user); err != nil {
			return err
		}
		return c.run(ctx, t, user, out)
	}
}

// places are folders in the guest: of checks, and of the links to the programs
// for reboots.
type places struct{ checks, links string }

func (c Check) where() places {
	if c.places != nil {
		return *c.places
	}
	return places{checks: guestFolder, links: linkFolder}
}

// dir is the check's folder in the guest.
func (c Check) dir() string { return c.where().checks + string(c.ID()) }

// hasNeeds skips a check whose needs the guest does not meet.
func (c Check) hasNeeds(ctx context.Context, t *check.T, user string) error {
	if c.Needs.Trees && t.Env.Trees == nil {
		why := t.Env.NoTrees
		if why == "" {
			why = "none are served"
		}
		return check.Skipf("it needs trees to upgrade to: %s", why)
	}
	if m := t.Env.MemoryMiB; c.Needs.Memory > m {
		return check.Skipf("it needs a guest with %d MiB of memory, and this one has %d (--memory)", c.Needs.Memory, m)
	}
	var pairs []string
	if user != "" {
		pairs = append(pairs, "user", user)
	}
	for _, need := range []struct {
		kind  string
		names []string
	}{{"package", c.Needs.Packages}, {"command", c.Needs.Commands}, {"file", c.Needs.Files}} {
		for _, v := range need.names {
			pairs = append(pairs, need.kind, v)
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	missing, err := guest.Output(ctx, t, append([]string{"sh", "-c", needsScript, "sh"}, pairs...)...)
	if err != nil {
		return err
	}
	if missing = strings.TrimSpace(missing); missing != "" {
		return check.Skipf("the image has no %s", strings.ReplaceAll(missing, "\n", ", no "))
	}
	return nil
}

// place copies the check into the guest.
func (c Check) place(ctx context.Context, t *check.T, user string) error {
	bundle, err := os.Open(c.Bundle)
	if err != nil {
		return check.Infraf("cannot copy the check %s into the guest: %w", c.ID(), err)
	}
	defer bundle.Close()
	if user == "" {
		user = "root"
	}
	r, err := t.Run(ctx, guest.Command{Args: []string{"sh", "-c", placeScript, "sh", c.dir(), user}, Stdin: bundle, Limit: copyLimit})
	switch {
	case err != nil:
		return err
	case r.Exit == noTar:
		return check.Skipf("the image ships no tar, with which your own checks are unpacked")
	case !r.OK():
		return check.Infraf("cannot copy the check %s into the guest: %s", c.ID(), r.Said())
	}
	return nil
}

// run starts the check, again after each reboot that it asks for, and judges its end.
func (c Check) run(ctx context.Context, t *check.T, user string, out *output) error {
	began, mark := time.Now(), ""
	for reboots := 0; ; reboots++ {
		// The limit is for all starts and reboots together.
		left := c.Limit - time.Duration(float64(time.Since(began))/t.Scale())
		if left <= 0 {
			return &guest.TimeoutError{Guest: t.Name(), Op: "the check " + string(c.ID()),
				Limit: time.Duration(float64(c.Limit) * t.Scale()), Last: fmt.Sprintf("rebooted for mark %q", mark)}
		}
		r, err := guest.Ask(ctx, t, "sh", "-c", beginScript, "sh", c.dir(), c.where().links)
		if err != nil {
			return err
		}
		if !r.OK() {
			return check.Infraf("cannot start the check %s in the guest: %s", c.ID(), r.Said())
		}
		was := t.BootID()
		r, err = t.Run(ctx, guest.Command{Args: []string{"sh", "-c", startScript, "sh", c.dir(), c.File}, User: user,
			Env: c.environment(t, mark), Stdout: out, Limit: left})
		next, done, err := c.nextMark(ctx, t, was, r, err)
		if err != nil {
			return err
		}
		if next == "" {
			return judge(r, out)
		}
		if reboots == rebootLimit {
			return fmt.Errorf("it asks for more than %d reboots, the last one with mark %q", rebootLimit, next)
		}
		mark = next
		out.note("reboot; the check goes on with mark %q", mark)
		if !done {
			if err := t.Reboot(ctx); err != nil {
				return err
			}
		}
	}
}

// nextMark returns the mark of the reboot that a check wants, and whether it has
// made the reboot itself. r and err are how the check ended in the boot was.
func (c Check) nextMark(ctx context.Context, t *check.T, was string, r guest.Result, err error) (mark string, done bool, _ error) {
	if err == nil {
		mark, err = c.readMark(ctx, t, preparedFile)
		if err == nil && mark != "" {
			return mark, true, c.mayReboot(t.AwaitReboot(ctx, was))
		}
	}
	var lost *guest.TransportError
	switch {
	case err == nil:
	case c.Shared || !errors.As(err, &lost) || ctx.Err() != nil:
		return "", false, err
	default:
		// The guest was lost: by a reboot that the check announced?
		if t.AwaitReboot(ctx, was) != nil {
			return "", false, err
		}
		announced, merr := c.readMark(ctx, t, preparedFile)
		if merr == nil && announced == "" {
			merr = err
		}
		return announced, true, merr
	}
	// The program that asks for a reboot kills the check.
	if r.Signal != "KILL" && r.Exit != 128+9 {
		return "", false, nil
	}
	mark, err = c.readMark(ctx, t, markFile)
	if err == nil && mark != "" {
		err = c.mayReboot(nil)
	}
	return mark, false, err
}

// mayReboot is err, or why the check should not have asked for a reboot.
func (c Check) mayReboot(err error) error {
	if c.Shared {
		return errors.New("it wants a reboot of a guest that others use, too; take \"exclusive: false\" out of its header")
	}
	return err
}

// readMark reads the file with a mark; empty when there is none.
func (c Check) readMark(ctx context.Context, t *check.T, file string) (mark string, err error) {
	b, err := t.ReadFile(ctx, c.dir()+"/"+file, markLimit)
	var large *guest.TooLargeError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.As(err, &large):
		return "", fmt.Errorf("the mark of the reboot it wants is longer than %d bytes", markLimit)
	case err != nil:
		return "", err
	case !markShape.Match(b):
		return "", fmt.Errorf("the mark %.40q of the reboot it wants is no line of text", b)
	}
	return string(b), nil
}

// judge is what the end of a check means.
func judge(r guest.Result, out *output) error {
	last, text := out.lastLine(), out.tail()
	if last == "" && strings.TrimSpace(r.Stderr) != "" {
		last = r.Said() // not the check's words: its own errors are in its output
	}
	switch {
	case r.OK():
		return nil
	case r.Exit == skipStatus:
		if last == "" {
			last = "it gives no reason"
		}
		return check.Skipf("%s", last)
	case r.Exit == noStart, r.Exit == noStart+1:
		if last == "" {
			last = "no output"
		}
		return fmt.Errorf("it could not be carried out (exit status %d): %s", r.Exit, last)
	case r.Signal != "" || r.Exit > 128:
		how := "signal " + r.Signal
		if r.Signal == "" {
			how = fmt.Sprintf("exit status %d", r.Exit)
		}
		if last == "" {
			return check.FailWith(text, "it ended with %s and said nothing", how)
		}
		return check.FailWith(text, "it ended with %s: %s", how, last)
	case last == "":
		return check.FailWith(text, "exit status %d, no output", r.Exit)
	}
	return check.FailWith(text, "%s", last)
}
