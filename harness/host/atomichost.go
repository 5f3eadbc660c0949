package host

import "context"

// atomicHost is `atomic host`, which runs rpm-ostree with the verbs and options
// that it knows itself (Atomic/host.py).
type atomicHost struct{ lacking }

func (d atomicHost) As(user string) Driver { d.user = user; return d }

func (d atomicHost) Status(ctx context.Context) (Status, error) {
	return roStatusOf(ctx, d.cli, "atomic", "host")
}

func (d atomicHost) Upgrade(ctx context.Context, o UpgradeOptions) (Outcome, error) {
	switch {
	case o.SoftReboot:
		return Outcome{}, d.lacks("upgrade for a soft reboot")
	case o.Check:
		return Outcome{}, d.lacks("upgrade --check")
	case o.DownloadOnly, o.FromDownloaded:
		return Outcome{}, d.lacks("upgrade --download-only")
	case len(o.Install)+len(o.Uninstall) > 0:
		return Outcome{}, d.lacks("upgrade --install")
	}
	return d.do(ctx, !o.Preview, o.Reboot, flags("atomic host upgrade", o.Preview, "--check-diff",
		o.AllowDowngrade, "--allow-downgrade", o.Reboot, "--reboot")...)
}

func (d atomicHost) Rollback(ctx context.Context, o RollbackOptions) (Outcome, error) {
	return d.do(ctx, true, o.Reboot, flags("atomic host rollback", o.Reboot, "--reboot")...)
}

func (d atomicHost) Deploy(ctx context.Context, o DeployOptions) (Outcome, error) {
	switch {
	case o.DownloadOnly:
		return Outcome{}, d.lacks("deploy --download-only")
	case len(o.Install)+len(o.Uninstall) > 0:
		return Outcome{}, d.lacks("deploy --install")
	}
	if err := operands(o.Revision); err != nil {
		return Outcome{}, err
	}
	args := flags("atomic host deploy", o.Preview, "--preview", o.Reboot, "--reboot")
	return d.do(ctx, !o.Preview, o.Reboot, append(args, o.Revision)...)
}

func (d atomicHost) Rebase(ctx context.Context, o RebaseOptions) (Outcome, error) {
	if o.Transport != "" {
		return Outcome{}, d.lacks("rebase to a container image")
	}
	if err := operands(o.Target, o.Revision); err != nil {
		return Outcome{}, err
	}
	args := []string{"atomic", "host", "rebase", o.Target}
	// What stands after the refspec goes to rpm-ostree as it is.
	if o.Revision != "" {
		args = append(args, o.Revision)
	}
	if o.Reboot {
		args = append(args, "--reboot")
	}
	return d.do(ctx, true, o.Reboot, args...)
}

func (d atomicHost) Install(ctx context.Context, o LayerOptions) (Outcome, error) {
	return d.layer(ctx, "install", o)
}

func (d atomicHost) Uninstall(ctx context.Context, o LayerOptions) (Outcome, error) {
	return d.layer(ctx, "uninstall", o)
}

// layer puts the options after the packages: all of it goes to rpm-ostree.
func (d atomicHost) layer(ctx context.Context, verb string, o LayerOptions) (Outcome, error) {
	if err := operands(o.Packages...); err != nil {
		return Outcome{}, err
	}
	args := append([]string{"atomic", "host", verb}, o.Packages...)
	args = append(args, flags("", o.DryRun, "--dry-run", o.AllowInactive, "--allow-inactive", o.Idempotent, "--idempotent", o.Reboot, "--reboot")...)
	return d.do(ctx, !o.DryRun, o.Reboot, args...)
}

func (d atomicHost) Unlock(ctx context.Context, o UnlockOptions) (Outcome, error) {
	if o.Transient {
		return Outcome{}, d.lacks("unlock --transient")
	}
	return d.do(ctx, true, false, flags("atomic host unlock", o.Hotfix, "--hotfix")...)
}

func (d atomicHost) do(ctx context.Context, changes, reboot bool, args ...string) (Outcome, error) {
	return roDo(ctx, d.cli, changes, reboot, args...)
}
