package host

import (
	"context"
	"errors"
	"slices"
	"strings"

	"assay/harness/guest"
)

// rpmOSTree is rpm-ostree. Its client asks a daemon, so an operation whose
// client is killed may go on.
type rpmOSTree struct{ lacking }

func (d rpmOSTree) As(user string) Driver { d.user = user; return d }

// unchanged is rpm-ostree's exit status for "nothing newer" of --check and
// --preview, and of --unchanged-exit-77.
const unchanged = 77

func (d rpmOSTree) Status(ctx context.Context) (Status, error) {
	return roStatusOf(ctx, d.cli, "rpm-ostree")
}

// roStatusOf asks for JSON, and takes the text of a tool that does not know
// the option (rpm-ostree before 2016).
func roStatusOf(ctx context.Context, c cli, command ...string) (Status, error) {
	args := append(command, "status", "--json")
	r, err := c.ask(ctx, args...)
	if err != nil {
		return Status{}, err
	}
	var s Status
	switch {
	case r.OK():
		s, err = ParseRPMOSTreeJSON([]byte(r.Stdout))
	case !knows(args, r.Stderr):
		args = args[:len(args)-1]
		if r, err = c.ask(ctx, args...); err != nil {
			return Status{}, err
		}
		if r.OK() {
			s, err = ParseRPMOSTreeText(r.Stdout)
		}
	}
	if err == nil && !r.OK() {
		err = c.refused(args, r)
	}
	s.Tool = c.tool
	return s, err
}

func (d rpmOSTree) Upgrade(ctx context.Context, o UpgradeOptions) (Outcome, error) {
	if o.SoftReboot {
		return Outcome{}, d.lacks("upgrade for a soft reboot")
	}
	if o.FromDownloaded {
		// What was downloaded is deployed without asking a server.
		return d.do(ctx, true, o.Reboot, flags("rpm-ostree upgrade", o.AllowDowngrade, "--allow-downgrade", true, "--cache-only", o.Reboot, "--reboot")...)
	}
	args := flags("rpm-ostree upgrade", o.Check, "--check", o.Preview, "--preview", o.DownloadOnly, "--download-only",
		o.AllowDowngrade, "--allow-downgrade", o.Reboot, "--reboot")
	return d.do(ctx, !o.Check && !o.Preview, o.Reboot, layers(args, o.Install, o.Uninstall)...)
}

func (d rpmOSTree) Rollback(ctx context.Context, o RollbackOptions) (Outcome, error) {
	return d.do(ctx, true, o.Reboot, flags("rpm-ostree rollback", o.Reboot, "--reboot")...)
}

func (d rpmOSTree) Deploy(ctx context.Context, o DeployOptions) (Outcome, error) {
	if err := operands(o.Revision); err != nil {
		return Outcome{}, err
	}
	args := flags("rpm-ostree deploy", o.Preview, "--preview", o.DownloadOnly, "--download-only", o.Reboot, "--reboot")
	return d.do(ctx, !o.Preview, o.Reboot, append(layers(args, o.Install, o.Uninstall), o.Revision)...)
}

func (d rpmOSTree) Rebase(ctx context.Context, o RebaseOptions) (Outcome, error) {
	target := o.Target
	if o.Transport != "" {
		target = Image{Name: o.Target, Transport: o.Transport}.Reference()
	}
	args := append(flags("rpm-ostree rebase", o.Reboot, "--reboot"), target)
	if o.Revision != "" {
		args = append(args, o.Revision)
	}
	if err := operands(target, o.Revision); err != nil {
		return Outcome{}, err
	}
	return d.do(ctx, true, o.Reboot, args...)
}

func (d rpmOSTree) Cleanup(ctx context.Context, o CleanupOptions) (Outcome, error) {
	return d.do(ctx, true, false, flags("rpm-ostree cleanup", o.Base, "-b", o.Pending, "-p", o.Rollback, "-r", o.Metadata, "-m")...)
}

func (d rpmOSTree) Install(ctx context.Context, o LayerOptions) (Outcome, error) {
	return d.layer(ctx, "rpm-ostree install", o)
}

func (d rpmOSTree) Uninstall(ctx context.Context, o LayerOptions) (Outcome, error) {
	return d.layer(ctx, "rpm-ostree uninstall", o)
}

func (d rpmOSTree) layer(ctx context.Context, command string, o LayerOptions) (Outcome, error) {
	if err := operands(o.Packages...); err != nil {
		return Outcome{}, err
	}
	args := flags(command, o.DryRun, "--dry-run", o.AllowInactive, "--allow-inactive", o.Idempotent, "--idempotent", o.Reboot, "--reboot")
	return d.do(ctx, !o.DryRun, o.Reboot, append(args, o.Packages...)...)
}

func (d rpmOSTree) Override(ctx context.Context, o OverrideOptions) (Outcome, error) {
	verb, names := "remove", o.Remove
	switch {
	case len(o.Replace) > 0:
		verb, names = "replace", o.Replace
	case len(o.Reset) > 0 || o.ResetAll:
		verb, names = "reset", o.Reset
	}
	args := flags("rpm-ostree override "+verb, o.ResetAll, "--all", o.Reboot, "--reboot")
	if err := operands(names...); err != nil {
		return Outcome{}, err
	}
	return d.do(ctx, true, o.Reboot, append(args, names...)...)
}

func (d rpmOSTree) Initramfs(ctx context.Context, o InitramfsOptions) (Outcome, error) {
	args := flags("rpm-ostree initramfs", o.Enable, "--enable", !o.Enable, "--disable", o.Reboot, "--reboot")
	for _, a := range o.Args {
		args = append(args, "--arg="+a)
	}
	return d.do(ctx, true, o.Reboot, args...)
}

func (d rpmOSTree) KernelArgs(ctx context.Context) ([]string, error) {
	args := []string{"rpm-ostree", "kargs"}
	r, err := d.ask(ctx, args...)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, d.refused(args, r)
	}
	return parseKernelArgs(r.Stdout)
}

// parseKernelArgs reads the arguments; in 2018 a line stood before them. None
// is an error: a deployment has at least its own ostree=.
func parseKernelArgs(text string) ([]string, error) {
	_, after, ok := strings.Cut(text, "The kernel arguments are:")
	if ok {
		text = after
	}
	args := strings.Fields(text)
	if len(args) == 0 {
		return nil, errors.New("cannot read the kernel arguments: there are none")
	}
	return args, nil
}

func (d rpmOSTree) ChangeKernelArgs(ctx context.Context, o KernelArgsOptions) (Outcome, error) {
	args := []string{"rpm-ostree", "kargs"}
	for _, a := range o.Append {
		args = append(args, "--append="+a)
	}
	for _, a := range o.Delete {
		args = append(args, "--delete="+a)
	}
	if o.Reboot {
		args = append(args, "--reboot")
	}
	return d.do(ctx, true, o.Reboot, args...)
}

func (d rpmOSTree) Diff(ctx context.Context, from, to string) (Diff, error) {
	args := []string{"rpm-ostree", "db", "diff"}
	if err := operands(from, to); err != nil {
		return Diff{}, err
	}
	for _, a := range []string{from, to} {
		if a != "" {
			args = append(args, a)
		}
	}
	r, err := d.ask(ctx, args...)
	if err != nil {
		return Diff{}, err
	}
	if !r.OK() {
		return Diff{}, d.refused(args, r)
	}
	return ParseDiff(r.Stdout)
}

// driven is how rpm-ostree refuses an upgrade, a deploy and a rebase on a host
// that something else keeps updated by itself (Zincati on Fedora CoreOS).
const driven = "Updates and deployments are driven by"

// do runs an operation. An agent that drives updates is passed by: what it does
// by itself is not asked here.
func (d rpmOSTree) do(ctx context.Context, changes, reboot bool, args ...string) (Outcome, error) {
	o, err := roDo(ctx, d.cli, changes, reboot, args...)
	var refused *RefusedError
	if errors.As(err, &refused) && strings.Contains(refused.Result.Stderr, driven) {
		return roDo(ctx, d.cli, changes, reboot, slices.Insert(slices.Clone(args), 2, "--bypass-driver")...)
	}
	return o, err
}

// roDo runs an operation of rpm-ostree, also through atomic host, and reads
// what it said; changes is whether success changes anything.
func roDo(ctx context.Context, c cli, changes, reboot bool, args ...string) (Outcome, error) {
	o, r, err := c.change(ctx, reboot, args...)
	if err != nil || o.Rebooting {
		return o, err
	}
	return roOutcome(c, o, r, changes, reboot)
}

// roOutcome reads what rpm-ostree said.
func roOutcome(c cli, o Outcome, r guest.Result, changes, reboot bool) (Outcome, error) {
	if !r.OK() && r.Exit != unchanged {
		return o, c.failed(&o, r)
	}
	o.Diff = readDiff(r.Stdout)
	o.Reason = nothingIn(r.Stdout)
	if o.Reason == "" && r.Exit == unchanged {
		o.Reason = NoUpgrade
	}
	if _, update, ok := strings.Cut(r.Stdout, "AvailableUpdate:\n"); ok {
		o.Update = &Update{Diff: o.Diff}
		for _, line := range lines(update) {
			if m := keyLine.FindStringSubmatch(line); m != nil {
				o.Update.set(m[2], m[3])
			}
		}
	}
	// Until 2018 a check told the packages and nothing else.
	if !changes && o.Update == nil && !o.Diff.Empty() && !slices.Contains(o.Args, "--dry-run") {
		o.Update = &Update{Diff: o.Diff}
	}
	o.Changed = changes && o.Reason == ""
	o.Rebooting = reboot && o.Changed
	return o, nil
}

// flags are the words of command and then each option whose condition, before
// it, holds.
func flags(command string, pairs ...any) []string {
	args := strings.Fields(command)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].(bool) {
			args = append(args, pairs[i+1].(string))
		}
	}
	return args
}

func layers(args, install, uninstall []string) []string {
	for _, p := range install {
		args = append(args, "--install="+p)
	}
	for _, p := range uninstall {
		args = append(args, "--uninstall="+p)
	}
	return args
}
