package host

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/harness/guest"
)

// cli is the command line of one tool of one guest.
type cli struct {
	tool Tool
	g    guest.Guest
	user string
}

func (c cli) Tool() Tool { return c.tool }

// lacks is the error for an operation that the tool does not have.
func (c cli) lacks(op Operation) error {
	return &UnsupportedError{Tool: c.tool, Operation: op}
}

// Limits of operations on a KVM host. Under emulation, from a server beside the
// guest, an upgrade took 17 s; a real tool that layers packages makes its
// initramfs anew, which takes minutes there.
const (
	changeLimit = 5 * time.Minute
	askLimit    = 30 * time.Second
)

// ask runs a command that only looks. An answer that was cut short is none.
func (c cli) ask(ctx context.Context, args ...string) (guest.Result, error) {
	r, err := c.g.Run(ctx, guest.Command{Args: args, User: c.user, Limit: askLimit})
	if err == nil && r.Truncated {
		err = fmt.Errorf("cannot read what %q says: it is more than %d bytes", strings.Join(args, " "), guest.DefaultMaxOutput)
	}
	return r, err
}

// operands refuses names that the tool would take for options.
func operands(names ...string) error {
	for _, n := range names {
		if strings.HasPrefix(n, "-") {
			return fmt.Errorf("cannot pass %q on: it begins with a dash, as options do", n)
		}
	}
	return nil
}

// change runs a command that changes the host, and puts what it said into an
// Outcome. With reboot, a connection that broke, or a command that was killed,
// is the reboot at work. A tool that is busy is asked again until it is not.
func (c cli) change(ctx context.Context, reboot bool, args ...string) (Outcome, guest.Result, error) {
	r, err := c.whenIdle(ctx, guest.Command{Args: args, User: c.user, Limit: changeLimit})
	o := Outcome{Tool: c.tool, Args: args, Exit: r.Exit, Output: r.Stdout + r.Stderr, Took: r.Took}
	var broken *guest.TransportError
	killed := err == nil && (r.Signal != "" || r.Exit > 128)
	if reboot && ctx.Err() == nil && (killed || errors.As(err, &broken)) {
		o.Exit, o.Rebooting, o.Changed = 0, true, true
		return o, guest.Result{}, nil
	}
	return o, r, err
}

// A host that updates by itself is busy after its boot, for as long as an
// upgrade takes.
const (
	busyLimit = 2 * time.Minute
	busyPause = time.Second
)

// whenIdle runs a command again and again, within busyLimit, while the tool
// refuses it because of another transaction: it then has done nothing.
func (c cli) whenIdle(ctx context.Context, cmd guest.Command) (guest.Result, error) {
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * c.g.Scale()) }
	limit := time.NewTimer(scaled(busyLimit))
	defer limit.Stop()
	pause := time.NewTicker(max(1, scaled(busyPause)))
	defer pause.Stop()
	for {
		r, err := c.g.Run(ctx, cmd)
		if err != nil || r.OK() || ReasonOf(r.Stdout+r.Stderr) != Busy {
			return r, err
		}
		select {
		case <-pause.C:
		case <-limit.C:
			return r, nil
		case <-ctx.Done():
			return r, nil
		}
	}
}

// The words of GLib, of Python's argparse and of clap for an option or a
// command that they do not know.
var notKnown = regexp.MustCompile(`(?m)^(?:\S+: )?error: (?:Unknown option|[Uu]nrecognized arguments?:|unexpected argument|` +
	`Unknown (?:command|"\w+" subcommand)|unrecognized subcommand|.*invalid choice:) ['"]?([A-Za-z-]+)`)

// knows reports whether the tool knows what it was asked with args. It counts
// only what stands in args: a program that the tool runs may be asked wrongly,
// and that is the tool's failure.
func knows(args []string, said string) bool {
	m := notKnown.FindStringSubmatch(said)
	return m == nil || !slices.ContainsFunc(args, func(a string) bool { return a == m[1] || strings.HasPrefix(a, m[1]+"=") })
}

// notYet is how tools speak of what they do not have.
var notYet = regexp.MustCompile(`(?m)^(?:\S+: )?[Ee][Rr][Rr][Oo][Rr]:? .*(?:not implemented yet|not yet supported|not yet implemented|` +
	// ostree that was built without them or runs without composefs, bootc where
	// systemd has none, and ostree that was built without GPG.
	`[Ss]oft reboot not supported|does not support soft reboots|GPG (?:feature is|has been) disabled (?:at|in a) build time)`)

// failed is the error for an operation that failed: an *UnsupportedError where
// the tool is too old for it, or says itself that it does not have it yet.
func (c cli) failed(o *Outcome, r guest.Result) error {
	if !knows(o.Args, r.Stderr) || notYet.MatchString(r.Stderr) {
		return c.lacks(Operation(strings.TrimPrefix(strings.Join(o.Args, " "), string(c.tool)+" ")))
	}
	o.Reason = ReasonOf(o.Output)
	return c.refused(o.Args, r)
}

// refused is the error for a command that failed.
func (c cli) refused(args []string, r guest.Result) error {
	return &RefusedError{Tool: c.tool, Args: args, Reason: ReasonOf(r.Stdout + r.Stderr), Result: r}
}

// lacking is a driver that can do nothing; drivers embed it and do more.
type lacking struct{ cli }

func (l lacking) Upgrade(context.Context, UpgradeOptions) (Outcome, error) {
	return Outcome{}, l.lacks("upgrade")
}
func (l lacking) Rollback(context.Context, RollbackOptions) (Outcome, error) {
	return Outcome{}, l.lacks("rollback")
}
func (l lacking) Deploy(context.Context, DeployOptions) (Outcome, error) {
	return Outcome{}, l.lacks("deploy")
}
func (l lacking) Rebase(context.Context, RebaseOptions) (Outcome, error) {
	return Outcome{}, l.lacks("rebase")
}
func (l lacking) Cleanup(context.Context, CleanupOptions) (Outcome, error) {
	return Outcome{}, l.lacks("cleanup")
}
func (l lacking) Install(context.Context, LayerOptions) (Outcome, error) {
	return Outcome{}, l.lacks("install")
}
func (l lacking) Uninstall(context.Context, LayerOptions) (Outcome, error) {
	return Outcome{}, l.lacks("uninstall")
}
func (l lacking) Override(context.Context, OverrideOptions) (Outcome, error) {
	return Outcome{}, l.lacks("override")
}
func (l lacking) Initramfs(context.Context, InitramfsOptions) (Outcome, error) {
	return Outcome{}, l.lacks("initramfs")
}
func (l lacking) KernelArgs(context.Context) ([]string, error) {
	return nil, l.lacks("kargs")
}
func (l lacking) ChangeKernelArgs(context.Context, KernelArgsOptions) (Outcome, error) {
	return Outcome{}, l.lacks("kargs")
}
func (l lacking) Diff(context.Context, string, string) (Diff, error) {
	return Diff{}, l.lacks("db diff")
}
func (l lacking) Pin(context.Context, int, bool) (Outcome, error) {
	return Outcome{}, l.lacks("pin")
}
func (l lacking) Undeploy(context.Context, int) (Outcome, error) {
	return Outcome{}, l.lacks("undeploy")
}
func (l lacking) Unlock(context.Context, UnlockOptions) (Outcome, error) {
	return Outcome{}, l.lacks("unlock")
}
