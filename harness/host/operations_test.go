package host

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

var sumA = strings.Repeat("a", 64)

type action func(context.Context, Driver) (Outcome, error)

func upgrade(o UpgradeOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Upgrade(ctx, o) }
}
func rollback(o RollbackOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Rollback(ctx, o) }
}
func deploy(o DeployOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Deploy(ctx, o) }
}
func rebase(o RebaseOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Rebase(ctx, o) }
}
func cleanup(o CleanupOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Cleanup(ctx, o) }
}
func install(o LayerOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Install(ctx, o) }
}
func uninstall(o LayerOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Uninstall(ctx, o) }
}
func override(o OverrideOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Override(ctx, o) }
}
func initramfs(o InitramfsOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Initramfs(ctx, o) }
}
func kargs(o KernelArgsOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.ChangeKernelArgs(ctx, o) }
}
func pin(index int, pinned bool) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Pin(ctx, index, pinned) }
}
func undeploy(index int) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Undeploy(ctx, index) }
}
func unlock(o UnlockOptions) action {
	return func(ctx context.Context, d Driver) (Outcome, error) { return d.Unlock(ctx, o) }
}

// TestCommands is each operation's exact command, and what its success means.
func TestCommands(t *testing.T) {
	const done = "Transaction complete; bootconfig swap: yes; bootversion: boot.0.1, deployment count change: 1\n"
	for _, c := range []struct {
		tool    Tool
		do      action
		command string
		prints  string
		changed bool
		reason  Reason
	}{
		{RPMOSTree, upgrade(UpgradeOptions{}), "rpm-ostree upgrade", done, true, ""},
		{RPMOSTree, upgrade(UpgradeOptions{}), "rpm-ostree upgrade", "1 metadata, 0 content objects fetched\nNo upgrade available.\n", false, NoUpgrade},
		{RPMOSTree, upgrade(UpgradeOptions{Check: true}), "rpm-ostree upgrade --check", "No updates available.\n", false, NoUpgrade},
		{RPMOSTree, upgrade(UpgradeOptions{Preview: true}), "rpm-ostree upgrade --preview", "AvailableUpdate:\n", false, ""},
		{RPMOSTree, upgrade(UpgradeOptions{DownloadOnly: true}), "rpm-ostree upgrade --download-only", "", true, ""},
		{RPMOSTree, upgrade(UpgradeOptions{FromDownloaded: true}), "rpm-ostree upgrade --cache-only", done, true, ""},
		{RPMOSTree, upgrade(UpgradeOptions{AllowDowngrade: true, Install: []string{"htop"}, Uninstall: []string{"vim"}}),
			"rpm-ostree upgrade --allow-downgrade --install=htop --uninstall=vim", done, true, ""},
		{RPMOSTree, rollback(RollbackOptions{}), "rpm-ostree rollback", "Moving '" + sumA + ".0' to be first deployment\n", true, ""},
		{RPMOSTree, deploy(DeployOptions{Revision: "1.2"}), "rpm-ostree deploy 1.2", done, true, ""},
		{RPMOSTree, deploy(DeployOptions{Revision: sumA}), "rpm-ostree deploy " + sumA, "No change.\n", false, NoChange},
		{RPMOSTree, deploy(DeployOptions{Revision: "1", Preview: true}), "rpm-ostree deploy --preview 1", "", false, ""},
		{RPMOSTree, deploy(DeployOptions{Revision: "1", DownloadOnly: true, Install: []string{"a"}}), "rpm-ostree deploy --download-only --install=a 1", "", true, ""},
		{RPMOSTree, rebase(RebaseOptions{Target: "r:os/next", Revision: "2"}), "rpm-ostree rebase r:os/next 2", done, true, ""},
		{RPMOSTree, rebase(RebaseOptions{Target: "r.test/os:2", Transport: "registry"}), "rpm-ostree rebase ostree-unverified-registry:r.test/os:2", done, true, ""},
		{RPMOSTree, rebase(RebaseOptions{Target: "/a.tar", Transport: "oci-archive"}), "rpm-ostree rebase ostree-unverified-image:oci-archive:/a.tar", done, true, ""},
		{RPMOSTree, cleanup(CleanupOptions{Base: true, Pending: true, Rollback: true, Metadata: true}), "rpm-ostree cleanup -b -p -r -m", "", true, ""},
		{RPMOSTree, cleanup(CleanupOptions{Pending: true}), "rpm-ostree cleanup -p", "Deployments unchanged.\n", false, NoChange},
		{RPMOSTree, install(LayerOptions{Packages: []string{"htop", "vim"}}), "rpm-ostree install htop vim", done, true, ""},
		{RPMOSTree, install(LayerOptions{Packages: []string{"htop"}, DryRun: true}), "rpm-ostree install --dry-run htop",
			"Exiting because of '--dry-run' option\n", false, ""},
		{RPMOSTree, install(LayerOptions{Packages: []string{"htop"}, AllowInactive: true, Idempotent: true}),
			"rpm-ostree install --allow-inactive --idempotent htop", "No change.\n", false, NoChange},
		{RPMOSTree, uninstall(LayerOptions{Packages: []string{"htop"}}), "rpm-ostree uninstall htop", done, true, ""},
		{RPMOSTree, override(OverrideOptions{Remove: []string{"strace"}}), "rpm-ostree override remove strace", done, true, ""},
		{RPMOSTree, override(OverrideOptions{Replace: []string{"/tmp/a.rpm"}}), "rpm-ostree override replace /tmp/a.rpm", done, true, ""},
		{RPMOSTree, override(OverrideOptions{Reset: []string{"strace"}}), "rpm-ostree override reset strace", done, true, ""},
		{RPMOSTree, override(OverrideOptions{ResetAll: true}), "rpm-ostree override reset --all", done, true, ""},
		{RPMOSTree, initramfs(InitramfsOptions{Enable: true, Args: []string{"-I", "/etc/x"}}), "rpm-ostree initramfs --enable --arg=-I --arg=/etc/x", done, true, ""},
		{RPMOSTree, initramfs(InitramfsOptions{}), "rpm-ostree initramfs --disable", done, true, ""},
		{RPMOSTree, kargs(KernelArgsOptions{Append: []string{"a=b"}, Delete: []string{"c"}}), "rpm-ostree kargs --append=a=b --delete=c", "Kernel arguments updated.\n", true, ""},
		{RPMOSTree, kargs(KernelArgsOptions{}), "rpm-ostree kargs", "No changes.\n", false, NoChange},

		{AtomicHost, upgrade(UpgradeOptions{AllowDowngrade: true}), "atomic host upgrade --allow-downgrade", "\n\nNo upgrade available.\n", false, NoUpgrade},
		{AtomicHost, upgrade(UpgradeOptions{Preview: true}), "atomic host upgrade --check-diff", "", false, ""},
		{AtomicHost, rollback(RollbackOptions{}), "atomic host rollback", done, true, ""},
		{AtomicHost, deploy(DeployOptions{Revision: "1", Preview: true}), "atomic host deploy --preview 1", "", false, ""},
		{AtomicHost, rebase(RebaseOptions{Target: "r:x", Revision: "1"}), "atomic host rebase r:x 1", done, true, ""},
		{AtomicHost, install(LayerOptions{Packages: []string{"a"}, DryRun: true, AllowInactive: true}), "atomic host install a --dry-run --allow-inactive", "", false, ""},
		{AtomicHost, uninstall(LayerOptions{Packages: []string{"a"}}), "atomic host uninstall a", done, true, ""},
		{AtomicHost, unlock(UnlockOptions{Hotfix: true}), "atomic host unlock --hotfix", "", true, ""},

		{Bootc, upgrade(UpgradeOptions{}), "bootc upgrade", "Queued for next boot: r.test/os:1\n  Version: 2\n  Digest: sha256:b\n", true, ""},
		{Bootc, upgrade(UpgradeOptions{}), "bootc upgrade", "No changes in r.test/os:1 => sha256:a\nNo update available.\n", false, NoUpgrade},
		{Bootc, upgrade(UpgradeOptions{}), "bootc upgrade", "Staged update present, not changed\n", false, NoChange},
		{Bootc, upgrade(UpgradeOptions{Check: true}), "bootc upgrade --check", "No changes in: docker://r.test/os:1\n", false, NoUpgrade},
		{Bootc, upgrade(UpgradeOptions{DownloadOnly: true}), "bootc upgrade --download-only", "Image downloaded, but will not be applied on reboot\n", true, ""},
		{Bootc, upgrade(UpgradeOptions{FromDownloaded: true}), "bootc upgrade --from-downloaded", "Staged deployment will now be applied on reboot\n", true, ""},
		{Bootc, upgrade(UpgradeOptions{SoftReboot: true}), "bootc upgrade --soft-reboot=required", "Staged deployment is soft-reboot capable, preparing for soft-reboot...\n", true, ""},
		{Bootc, rollback(RollbackOptions{}), "bootc rollback", "Next boot: rollback deployment\n", true, ""},
		{Bootc, rebase(RebaseOptions{Target: "r.test/os:2"}), "bootc switch r.test/os:2", "Queued for next boot: r.test/os:2\n", true, ""},
		{Bootc, rebase(RebaseOptions{Target: "r.test/os:2", Transport: "registry"}), "bootc switch r.test/os:2", "Image specification is unchanged.\n", false, NoChange},
		{Bootc, rebase(RebaseOptions{Target: "/x", Transport: "oci"}), "bootc switch --transport=oci /x", "", true, ""},
		{Bootc, unlock(UnlockOptions{}), "bootc usr-overlay", "", true, ""},

		{OSTree, upgrade(UpgradeOptions{}), "ostree admin upgrade", "No update available.\n", false, NoUpgrade},
		{OSTree, upgrade(UpgradeOptions{DownloadOnly: true}), "ostree admin upgrade --pull-only", "", true, ""},
		{OSTree, upgrade(UpgradeOptions{FromDownloaded: true, AllowDowngrade: true}), "ostree admin upgrade --deploy-only --allow-downgrade", done, true, ""},
		{OSTree, deploy(DeployOptions{Revision: sumA}), "ostree admin upgrade --override-commit=" + sumA + " --allow-downgrade", done, true, ""},
		{OSTree, rebase(RebaseOptions{Target: "r:os/next"}), "ostree admin switch r:os/next", done, true, ""},
		{OSTree, cleanup(CleanupOptions{Base: true}), "ostree admin cleanup", "", true, ""},
		{OSTree, pin(1, true), "ostree admin pin 1", "Deployment 1 is now pinned\n", true, ""},
		{OSTree, pin(1, false), "ostree admin pin --unpin 1", "Deployment 1 is already unpinned\n", false, NoChange},
		{OSTree, undeploy(2), "ostree admin undeploy 2", "", true, ""},
		{OSTree, unlock(UnlockOptions{Transient: true}), "ostree admin unlock --transient", "", true, ""},
	} {
		g := guesttest.New(t)
		g.On(strings.Fields(c.command)...).As("").Prints(c.prints)
		o, err := c.do(t.Context(), New(c.tool, g))
		if err != nil || o.Changed != c.changed || o.Reason != c.reason || o.Tool != c.tool || strings.Join(o.Args, " ") != c.command || o.Rebooting {
			t.Errorf("%s: %+v, %v", c.command, o, err)
		}
	}
}

func TestReboot(t *testing.T) {
	lost := &guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("connection reset")}
	for command, c := range map[string]struct {
		tool Tool
		do   action
	}{
		"rpm-ostree upgrade --reboot":          {RPMOSTree, upgrade(UpgradeOptions{Reboot: true})},
		"rpm-ostree install --reboot htop":     {RPMOSTree, install(LayerOptions{Packages: []string{"htop"}, Reboot: true})},
		"rpm-ostree kargs --append=a --reboot": {RPMOSTree, kargs(KernelArgsOptions{Append: []string{"a"}, Reboot: true})},
		"atomic host rollback --reboot":        {AtomicHost, rollback(RollbackOptions{Reboot: true})},
		"atomic host rebase r:x --reboot":      {AtomicHost, rebase(RebaseOptions{Target: "r:x", Reboot: true})},
		"atomic host install htop --reboot":    {AtomicHost, install(LayerOptions{Packages: []string{"htop"}, Reboot: true})},
		"bootc upgrade --apply":                {Bootc, upgrade(UpgradeOptions{Reboot: true})},
		"bootc rollback --apply":               {Bootc, rollback(RollbackOptions{Reboot: true})},
		"ostree admin switch --reboot r:x":     {OSTree, rebase(RebaseOptions{Target: "r:x", Reboot: true})},
	} {
		g := guesttest.New(t)
		p := g.On(strings.Fields(command)...).Fails(lost).Then().Dies("TERM").Then().Exits(143).Then().Prints("No change.\nNo update available.\n").Then().Says("error: no\n").Exits(1)
		d := New(c.tool, g)
		for range 3 {
			if o, err := c.do(t.Context(), d); err != nil || !o.Rebooting || !o.Changed {
				t.Errorf("%s: %+v, %v", command, o, err)
			}
		}
		if o, err := c.do(t.Context(), d); err != nil || o.Rebooting || o.Changed {
			t.Errorf("%s, nothing to do: %+v, %v", command, o, err)
		}
		if o, err := c.do(t.Context(), d); err == nil || o.Rebooting {
			t.Errorf("%s, refused: %+v", command, o)
		}
		// Nobody asked for a reboot, or nobody waits any more: the guest is lost.
		p.Fails(lost)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.do(ctx, d); err == nil {
			t.Errorf("%s: an ended context is no reboot", command)
		}
	}
	g := guesttest.New(t)
	g.On("rpm-ostree", "upgrade").Fails(lost)
	if _, err := New(RPMOSTree, g).Upgrade(t.Context(), UpgradeOptions{}); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

// TestUnsupported: what a tool does not have runs nothing (the fake has no plan).
func TestUnsupported(t *testing.T) {
	diff := func(ctx context.Context, d Driver) (Outcome, error) {
		_, err := d.Diff(ctx, "", "")
		return Outcome{}, err
	}
	args := func(ctx context.Context, d Driver) (Outcome, error) {
		_, err := d.KernelArgs(ctx)
		return Outcome{}, err
	}
	for tool, all := range map[Tool][]action{
		RPMOSTree: {pin(0, true), undeploy(0), unlock(UnlockOptions{})},
		AtomicHost: {upgrade(UpgradeOptions{Check: true}), upgrade(UpgradeOptions{DownloadOnly: true}), upgrade(UpgradeOptions{FromDownloaded: true}),
			upgrade(UpgradeOptions{Install: []string{"a"}}), deploy(DeployOptions{Revision: "1", DownloadOnly: true}), deploy(DeployOptions{Revision: "1", Install: []string{"a"}}),
			rebase(RebaseOptions{Target: "a", Transport: "oci"}), unlock(UnlockOptions{Transient: true}), cleanup(CleanupOptions{}), override(OverrideOptions{}),
			initramfs(InitramfsOptions{}), kargs(KernelArgsOptions{}), args, diff, pin(0, true), undeploy(0)},
		Bootc: {upgrade(UpgradeOptions{Preview: true}), upgrade(UpgradeOptions{AllowDowngrade: true}), upgrade(UpgradeOptions{Install: []string{"a"}}),
			deploy(DeployOptions{Revision: "1"}), rebase(RebaseOptions{Target: "a", Revision: "1"}), cleanup(CleanupOptions{}), install(LayerOptions{}),
			uninstall(LayerOptions{}), override(OverrideOptions{}), initramfs(InitramfsOptions{}), kargs(KernelArgsOptions{}), args, diff, pin(0, true),
			undeploy(0), unlock(UnlockOptions{Hotfix: true})},
		OSTree: {upgrade(UpgradeOptions{Check: true}), upgrade(UpgradeOptions{Preview: true}), upgrade(UpgradeOptions{Uninstall: []string{"a"}}),
			deploy(DeployOptions{Revision: "1.2"}), deploy(DeployOptions{Revision: sumA, Preview: true}), deploy(DeployOptions{Revision: sumA, Install: []string{"a"}}),
			rebase(RebaseOptions{Target: "a", Transport: "oci"}), rebase(RebaseOptions{Target: "a", Revision: "1"}), rollback(RollbackOptions{Reboot: true}),
			cleanup(CleanupOptions{Metadata: true}), install(LayerOptions{}), uninstall(LayerOptions{}), override(OverrideOptions{}),
			initramfs(InitramfsOptions{}), kargs(KernelArgsOptions{}), diff},
	} {
		for i, do := range all {
			_, err := do(t.Context(), New(tool, guesttest.New(t)))
			var lacks *UnsupportedError
			if !errors.As(err, &lacks) || lacks.Tool != tool || lacks.Operation == "" {
				t.Errorf("%s, %d: %v", tool, i, err)
			}
		}
	}
}

func TestNoOptionsFromOutside(t *testing.T) {
	for i, do := range []action{
		deploy(DeployOptions{Revision: "--os=x"}), rebase(RebaseOptions{Target: "-r"}), rebase(RebaseOptions{Target: "a", Revision: "--x"}),
		install(LayerOptions{Packages: []string{"a", "--x"}}), uninstall(LayerOptions{Packages: []string{"-y"}}), override(OverrideOptions{Remove: []string{"-x"}}),
		func(ctx context.Context, d Driver) (Outcome, error) {
			_, err := d.Diff(ctx, "a", "-x")
			return Outcome{}, err
		},
	} {
		if _, err := do(t.Context(), New(RPMOSTree, guesttest.New(t))); err == nil {
			t.Errorf("%d: an option was passed on", i)
		}
	}
	for _, d := range []Driver{New(AtomicHost, guesttest.New(t)), New(Bootc, guesttest.New(t)), New(OSTree, guesttest.New(t))} {
		if _, err := d.Rebase(t.Context(), RebaseOptions{Target: "--x"}); err == nil {
			t.Errorf("%s: an option was passed on", d.Tool())
		}
	}
}

// TestRefusals is what the tools say when they refuse, each with its reason.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		tool   Tool
		do     action
		says   string
		reason Reason
	}{
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: Transaction in progress: upgrade\n You can cancel it\n", Busy},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: This command requires root privileges\n", NotPrivileged},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: rpmostreed OS operation Upgrade not allowed for user\n", NotPrivileged}, // polkit's answer, since 2017.8
		{RPMOSTree, install(LayerOptions{}), "error: Packages not found: nosuch\n", UnknownPackage},
		{RPMOSTree, install(LayerOptions{}), "error: No package matches 'nosuch'\n", UnknownPackage},
		{RPMOSTree, install(LayerOptions{}), "error: Package/capability 'htop' is already requested\n", AlreadyLayered},
		{RPMOSTree, install(LayerOptions{}), "error: \"bash\" is already provided by: bash-5-1. Use --allow-inactive to explicitly require it.\n", InactiveRequest},
		{RPMOSTree, uninstall(LayerOptions{}), "error: Package/capability 'x' is not currently requested\n", NotRequested},
		{RPMOSTree, install(LayerOptions{}), "error: Could not depsolve transaction; 1 problem detected:\n Problem: conflicting requests\n", Conflict},
		{RPMOSTree, install(LayerOptions{}), "error: package a cannot be verified and repo local is GPG enabled: /var/x.rpm could not be verified.\n", Unsigned},
		{RPMOSTree, install(LayerOptions{}), "error: Checkout b-1-1: Hardlinking 71/ab.file to x: File exists\n", Conflict},
		{RPMOSTree, install(LayerOptions{}), "error: Running %post for b: bwrap(/bin/sh): Child process exited with code 1\n", ScriptFailed},
		{RPMOSTree, initramfs(InitramfsOptions{}), "error: initramfs regeneration state is already disabled\n", NoChange},
		{RPMOSTree, override(OverrideOptions{}), "error: Override already exists for package 'x'\n", NoChange},
		{RPMOSTree, kargs(KernelArgsOptions{}), "error: No karg 'x' found\n", NotRequested},
		{RPMOSTree, install(LayerOptions{}), "error: Cannot operate; `LockLayering=true` in configuration.\n", Locked},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: min-free-space-percent '3%' would be exceeded, at least 9.0 MB requested\n", NoSpace},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: fallocate: No space left on device\n", NoSpace},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: Commit abc: GPG verification enabled, but no signatures found (use gpg-verify=false)\n", Unsigned},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: Upgrade target revision 'a' with timestamp 'x' is chronologically older than current revision 'b'\n", Older},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: While pulling os: Connection refused\n", Unreachable},
		{RPMOSTree, deploy(DeployOptions{Revision: "9"}), "error: Version 9 not found in r:os\n", UnknownVersion},
		{RPMOSTree, deploy(DeployOptions{Revision: "9"}), "error: Checksum 9 not found in r:os\n", UnknownVersion},
		{RPMOSTree, rebase(RebaseOptions{Target: "r:x"}), "error: Old and new refs are equal: r:x\n", NoChange},
		{RPMOSTree, rollback(RollbackOptions{}), "error: No rollback deployment found\n", NoRollback},
		{RPMOSTree, rollback(RollbackOptions{}), "error: Staged deployment (remove with cleanup -p)\n", StagedFirst},
		{RPMOSTree, override(OverrideOptions{}), "error: Package \"nosuch\" not found\n", NotInstalled},
		{RPMOSTree, override(OverrideOptions{ResetAll: true}), "error: No overrides for package 'x'\n", NotRequested},
		{RPMOSTree, upgrade(UpgradeOptions{}), "error: the moon is full\n", ""},
		{AtomicHost, upgrade(UpgradeOptions{}), "error: Not currently booted into an OSTree system\n", NotDeployed},
		{Bootc, upgrade(UpgradeOptions{}), "error: Upgrading: Deployment contains local rpm-ostree modifications; cannot upgrade via bootc\n", LocalModifications},
		{Bootc, upgrade(UpgradeOptions{SoftReboot: true}), "error: Upgrading: Handling staged soft reboot: Soft reboot was required but staged deployment is not soft-reboot capable\n", WholeReboot},
		{Bootc, upgrade(UpgradeOptions{SoftReboot: true}), "error: Cannot soft-reboot to deployment with a different kernel state\n", WholeReboot},
		{Bootc, rollback(RollbackOptions{}), "error: Rolling back: No rollback available\n", NoRollback},
		{Bootc, upgrade(UpgradeOptions{}), "ERROR Upgrading: Creating importer: Insufficient free space for layers\n", NoSpace},
		{Bootc, rebase(RebaseOptions{Target: "x"}), "error: Switching: Pulling: reading manifest 9 in r.test/os: manifest unknown\n", UnknownImage},
		{Bootc, upgrade(UpgradeOptions{}), "error: Querying root privilege: This command must be executed as the root user\n", NotPrivileged},
		{Bootc, rebase(RebaseOptions{Target: "x"}), "error: Switching: Staging: Merge conflicts found in etc: a file conflicts with a directory\n", EtcConflict},
		{OSTree, upgrade(UpgradeOptions{}), "error: GPG signatures found, but none are in trusted keyring\n", Unsigned},
		{OSTree, rebase(RebaseOptions{Target: "r:no"}), "error: No such branch 'no' in repository summary\n", UnknownVersion},
		{OSTree, unlock(UnlockOptions{}), "error: Deployment is already in unlocked state: development\n", Unlocked},
		{OSTree, upgrade(UpgradeOptions{}), "error: Modified config file newly defaults to directory 'x', cannot merge\n", EtcConflict},
	} {
		g := guesttest.New(t)
		g.SetScale(1e-6)
		first := strings.Fields(string(c.tool))[0]
		g.On(first, guesttest.Rest).Says(c.says).Exits(1)
		o, err := c.do(t.Context(), New(c.tool, g))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != c.reason || o.Reason != c.reason || refused.Tool != c.tool || refused.Result.Exit != 1 || o.Changed {
			t.Errorf("%q: %+v, %v", c.says, o, err)
			continue
		}
		line, _, _ := strings.Cut(c.says, "\n")
		if !strings.Contains(refused.Error(), line) || !strings.Contains(refused.Error(), first) {
			t.Errorf("%q: says %q", c.says, refused)
		}
	}
}

// A tool that is too old for an option lacks it; what a tool's own helper does
// not know is the tool's failure.
func TestTooOld(t *testing.T) {
	for _, c := range []struct {
		tool   Tool
		do     action
		says   string
		lacked bool
	}{
		{RPMOSTree, install(LayerOptions{Packages: []string{"a"}, AllowInactive: true}), "error: Unknown option --allow-inactive\n", true},
		{RPMOSTree, kargs(KernelArgsOptions{Append: []string{"a"}}), "error: Unknown command 'kargs'\n", true},
		{RPMOSTree, install(LayerOptions{Packages: []string{"a"}}), "error: Unknown option --helper\n", false},
		{AtomicHost, unlock(UnlockOptions{}), "usage: atomic host\natomic host: error: invalid choice: 'unlock' (choose from 'status')\n", false},
		{Bootc, upgrade(UpgradeOptions{DownloadOnly: true}), "error: unexpected argument '--download-only' found\n", true},
		{RPMOSTree, override(OverrideOptions{Replace: []string{"a"}}), "error: Non-local replacement overrides not implemented yet\n", true},
		{Bootc, unlock(UnlockOptions{}), "error: unrecognized subcommand 'usr-overlay'\n", true},
		{OSTree, unlock(UnlockOptions{Transient: true}), "error: Unknown option --transient\n", true},
		{OSTree, unlock(UnlockOptions{Hotfix: true}), "error: No such file or directory\n", false},
		{Bootc, upgrade(UpgradeOptions{SoftReboot: true}), "error: Upgrading: Soft rebooting: System does not support soft reboots\n", true},
		{Bootc, upgrade(UpgradeOptions{SoftReboot: true}), "error: Upgrading: Preparing soft reboot: Failed to prepare soft-reboot: soft reboot not supported\n", true},
		{OSTree, upgrade(UpgradeOptions{}), "error: 'ostree_repo_pull_with_options': GPG feature is disabled at build time\n", true},
		{OSTree, upgrade(UpgradeOptions{}), "error: Commit 1: GPG feature is disabled in a build time\n", true},
		{OSTree, upgrade(UpgradeOptions{}), "error: GPG verification enabled, but no signatures found\n", false},
		{OSTree, pin(0, true), "Usage: x\n\nerror: Unknown \"admin\" subcommand 'pin'\n", true},
	} {
		g := guesttest.New(t)
		g.On(strings.Fields(string(c.tool))[0], guesttest.Rest).Says(c.says).Exits(1)
		_, err := c.do(t.Context(), New(c.tool, g))
		var lacks *UnsupportedError
		if errors.As(err, &lacks) != c.lacked {
			t.Errorf("%q: %v", c.says, err)
		}
	}
}

func TestWhatCheckTells(t *testing.T) {
	g := guesttest.New(t)
	g.On("rpm-ostree", "upgrade", "--preview").Prints("1 metadata objects fetched\nAvailableUpdate:\n        Version: 2.0 (2026-11-01T02:03:04Z)\n" +
		"         Commit: " + sumA + "\n       Upgraded: bash 5.1-1 -> 5.2-1\n                 zlib 1-1 -> 1-2\n          Added: htop-3-1.x86_64\n")
	o, err := New(RPMOSTree, g).Upgrade(t.Context(), UpgradeOptions{Preview: true})
	want := Diff{Upgraded: []Replacement{{"bash", "5.1-1", "5.2-1"}, {"zlib", "1-1", "1-2"}}, Added: []string{"htop-3-1.x86_64"}}
	if err != nil || o.Update == nil || o.Update.Version != "2.0" || o.Update.Checksum != sumA || o.Update.Timestamp.Year() != 2026 || !reflect.DeepEqual(o.Update.Diff, want) || o.Changed {
		t.Errorf("%+v, %v", o, err)
	}
	// Without an update rpm-ostree exits with 77.
	g.On("rpm-ostree", "upgrade", "--check").Prints("").Exits(77)
	if o, err := New(RPMOSTree, g).Upgrade(t.Context(), UpgradeOptions{Check: true}); err != nil || o.Reason != NoUpgrade || o.Update != nil {
		t.Errorf("%+v, %v", o, err)
	}
	g.On("atomic", "host", "upgrade", "--check-diff").Prints("+gawk-4-1.x86_64\n-sed-1-1.x86_64\n!bash-5-1.x86_64\n")
	if o, err := New(AtomicHost, g).Upgrade(t.Context(), UpgradeOptions{Preview: true}); err != nil || o.Update == nil || len(o.Diff.Added) != 1 || len(o.Diff.Removed) != 1 || len(o.Diff.Changed) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	g.On("bootc", "upgrade", "--check").Prints("Update available for: docker://r.test/os:1\n  Version: 2\n  Digest: sha256:b\nTotal new layers: 7    Size: 9 MB\n")
	if o, err := New(Bootc, g).Upgrade(t.Context(), UpgradeOptions{Check: true}); err != nil || o.Update == nil || o.Update.Version != "2" || o.Update.Digest != "sha256:b" || o.Changed {
		t.Errorf("%+v, %v", o, err)
	}
	// A progress bar stands before the words, on their line.
	g.On("bootc", "upgrade").Prints("No changes in r.test/os:1 => sha256:b\n  Deploying: done (2 seconds)   Queued for next boot: oci:/os\n  Version: 2\n  Digest: sha256:b\n")
	if o, err := New(Bootc, g).Upgrade(t.Context(), UpgradeOptions{}); err != nil || !o.Changed || o.Queued == nil || *o.Queued != (Image{Name: "/os", Transport: "oci", Digest: "sha256:b"}) {
		t.Errorf("%+v, %v", o.Queued, err)
	}
	g.On("rpm-ostree", "uninstall", "--dry-run", "a").Prints("Removed:\n  a-1-1.x86_64\nExiting because of '--dry-run' option\n")
	if o, err := New(RPMOSTree, g).Uninstall(t.Context(), LayerOptions{Packages: []string{"a"}, DryRun: true}); err != nil || o.Update != nil || len(o.Diff.Removed) != 1 || o.Changed {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestOSTreeRollback(t *testing.T) {
	other := strings.Repeat("b", 64)
	deployment := func(mark, sum string) string { return mark + " os " + sum + ".0\n" }
	for _, c := range []struct{ name, status, index string }{
		{"upgraded", deployment("*", sumA) + deployment(" ", other), "1"},
		{"pending and rollback", deployment(" ", other) + deployment("*", sumA) + deployment(" ", other), "2"},
		{"rolled back already", deployment(" ", other) + deployment("*", sumA), "1"},
	} {
		g := guesttest.New(t)
		g.On("sh", "-c", ostreeStatusScript).Prints(c.status)
		g.On("ostree", "admin", "set-default", c.index)
		if o, err := New(OSTree, g).Rollback(t.Context(), RollbackOptions{}); err != nil || !o.Changed {
			t.Errorf("%s: %+v, %v", c.name, o, err)
		}
	}
	g := guesttest.New(t)
	g.On("sh", "-c", ostreeStatusScript).Prints(deployment("*", sumA))
	var refused *RefusedError
	if _, err := New(OSTree, g).Rollback(t.Context(), RollbackOptions{}); !errors.As(err, &refused) || refused.Reason != NoRollback {
		t.Errorf("got %v", err)
	}
}

func TestOSTreeCleanup(t *testing.T) {
	status := " " + " os " + sumA + ".1\n* os " + sumA + ".0\n  os " + sumA + ".2\n  os " + sumA + ".3\n    Pinned: yes\n"
	g := guesttest.New(t)
	g.On("sh", "-c", ostreeStatusScript).Prints(status)
	var order []string
	g.On("ostree", "admin", "undeploy", guesttest.Any).Does(func(c guesttest.Call) (guest.Result, error) {
		order = append(order, c.Args[3])
		return guest.Result{}, nil
	})
	g.On("ostree", "admin", "cleanup")
	o, err := New(OSTree, g).Cleanup(t.Context(), CleanupOptions{Base: true, Pending: true, Rollback: true})
	if err != nil || !o.Changed || strings.Join(order, " ") != "2 0" {
		t.Errorf("undeployed %v: %+v, %v", order, o, err)
	}
	g.AssertAllUsed()
	g = guesttest.New(t)
	g.On("sh", "-c", ostreeStatusScript).Prints("* os " + sumA + ".0\n")
	if o, err := New(OSTree, g).Cleanup(t.Context(), CleanupOptions{Pending: true}); err != nil || o.Changed || o.Reason != NoChange {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestAsUser(t *testing.T) {
	for _, tool := range Tools {
		g := guesttest.New(t)
		first := strings.Fields(string(tool))[0]
		g.On(first, guesttest.Rest).As("core").Says("error: This command requires root privileges\n").Exits(1)
		var refused *RefusedError
		if _, err := New(tool, g).As("core").Upgrade(t.Context(), UpgradeOptions{}); !errors.As(err, &refused) || refused.Reason != NotPrivileged {
			t.Errorf("%s: %v", tool, err)
		}
	}
}

func TestKernelArgs(t *testing.T) {
	g := guesttest.New(t)
	g.On("rpm-ostree", "kargs").Prints("The kernel arguments are:\nroot=/dev/x quiet\n").Then().Prints("root=/dev/x quiet\n").Then().Says("error: no\n").Exits(1).Then().Prints("\n")
	g.On("sh", "-c", guesttest.Containing("/boot/loader/entries")).Prints("root=/dev/x quiet\n").Then().Exits(1).Then()
	for range 2 {
		if got, err := New(RPMOSTree, g).KernelArgs(t.Context()); err != nil || strings.Join(got, " ") != "root=/dev/x quiet" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, err := New(OSTree, g).KernelArgs(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
	for _, tool := range []Tool{RPMOSTree, OSTree} {
		var refused *RefusedError
		if _, err := New(tool, g).KernelArgs(t.Context()); !errors.As(err, &refused) {
			t.Errorf("%s: %v", tool, err)
		}
		if got, err := New(tool, g).KernelArgs(t.Context()); err == nil {
			t.Errorf("%s: no arguments give %q", tool, got)
		}
	}
}

func TestDiff(t *testing.T) {
	g := guesttest.New(t)
	g.On("rpm-ostree", "db", "diff").Prints("ostree diff commit from: booted deployment (" + sumA + ")\nostree diff commit to:   pending deployment (" + sumA + ")\nDowngraded:\n  bash 2-1 -> 1-1\n")
	g.On("rpm-ostree", "db", "diff", "a", "b").Says("error: Refspec 'a' not found\n").Exits(1)
	if d, err := New(RPMOSTree, g).Diff(t.Context(), "", ""); err != nil || d.From != sumA || d.To != sumA || len(d.Downgraded) != 1 || d.Empty() {
		t.Errorf("%+v, %v", d, err)
	}
	var refused *RefusedError
	if _, err := New(RPMOSTree, g).Diff(t.Context(), "a", "b"); !errors.As(err, &refused) || refused.Reason != UnknownVersion {
		t.Errorf("got %v", err)
	}
}

func TestDetect(t *testing.T) {
	for out, want := range map[string]string{
		"": "|",
		"rpm-ostree\natomic host\nostree admin\natomic\n":        "rpm-ostree atomic host ostree admin|atomic",
		"bootc\nostree admin\nquadlet\n":                         "bootc ostree admin|quadlet",
		"quadlet\nostree admin\nrpm-ostree\nsomething\natomic\n": "rpm-ostree ostree admin|atomic quadlet",
	} {
		g := guesttest.New(t)
		g.On("sh", "-c", detectScript).Prints(out)
		f, err := Detect(t.Context(), g)
		var drivers, containers []string
		for _, d := range f.Drivers {
			drivers = append(drivers, string(d.Tool()))
		}
		for _, c := range f.Containers {
			containers = append(containers, string(c.Tool()))
		}
		if got := strings.Join(drivers, " ") + "|" + strings.Join(containers, " "); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", out, got, err, want)
		}
		if len(g.Calls()) != 1 {
			t.Errorf("%d commands; want one", len(g.Calls()))
		}
	}
	g := guesttest.New(t)
	g.On("sh", "-c", detectScript).Says("sh: out of memory\n").Exits(2)
	var failed *guest.CommandError
	if _, err := Detect(t.Context(), g); !errors.As(err, &failed) {
		t.Errorf("got %v", err)
	}
}

// A tool that is busy is asked again, and refuses at last.
func TestBusy(t *testing.T) {
	const busy = "error: Transaction in progress: upgrade\n"
	g := guesttest.New(t)
	g.On("rpm-ostree", "upgrade").Says(busy).Exits(1).Then().Prints("Staging deployment...done\n")
	g.SetScale(1e-3) // the limit is 120 ms, the pause 1 ms
	if o, err := New(RPMOSTree, g).Upgrade(t.Context(), UpgradeOptions{}); err != nil || !o.Changed {
		t.Errorf("%+v, %v", o, err)
	}
	g.SetScale(1e-6)
	p := g.On("rpm-ostree", "rollback").Says(busy).Exits(1)
	var refused *RefusedError
	if _, err := New(RPMOSTree, g).Rollback(t.Context(), RollbackOptions{}); !errors.As(err, &refused) || refused.Reason != Busy {
		t.Errorf("got %v", err)
	}
	if p.Used() == 0 {
		t.Error("it was not asked")
	}
}

// TestUpdateDriver: an agent that drives updates is passed by, once.
func TestUpdateDriver(t *testing.T) {
	const said = "error: Updates and deployments are driven by Zincati (zincati.service)\nSee Zincati's documentation at https://coreos.github.io/zincati/\n" +
		"Use --bypass-driver to bypass Zincati and perform the operation anyways\n"
	for name, c := range map[string]struct {
		do    action
		words []string
	}{
		"upgrade": {upgrade(UpgradeOptions{Reboot: true}), []string{"upgrade", "--reboot"}},
		"deploy":  {deploy(DeployOptions{Revision: "1.2"}), []string{"deploy", "1.2"}},
		"rebase":  {rebase(RebaseOptions{Target: "os/next"}), []string{"rebase", "os/next"}},
	} {
		g := guesttest.New(t)
		g.On(append([]string{"rpm-ostree"}, c.words...)...).Exits(1).Says(said)
		g.On(append([]string{"rpm-ostree", c.words[0], "--bypass-driver"}, c.words[1:]...)...).Prints("Staging deployment... done\n")
		o, err := c.do(context.Background(), New(RPMOSTree, g))
		if err != nil || !o.Changed {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		g.AssertAllUsed()
	}
	g := guesttest.New(t)
	g.On("rpm-ostree", "upgrade").Exits(1).Says(said).Times(1)
	g.On("rpm-ostree", "upgrade", "--bypass-driver").Exits(1).Says("error: no\n").Times(1)
	var refused *RefusedError
	if _, err := New(RPMOSTree, g).Upgrade(context.Background(), UpgradeOptions{}); !errors.As(err, &refused) || refused.Said() != "error: no" {
		t.Errorf("a refusal past the driver: %v", err)
	}
}
