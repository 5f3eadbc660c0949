package host

import (
	"context"

	"assay/harness/guest"
)

// Driver is one tool of one guest. Its commands run as root unless As says
// otherwise.
//
// Operations wait for the tool to end. An operation that the tool does not
// have, or not with these options, is an *UnsupportedError and runs nothing.
// One that the tool refused or failed is a *RefusedError, with the Outcome so
// far. "Nothing to do", said plainly, is no error: Outcome.Changed is false.
// Other errors mean that the question was not answered (see guest.Guest) or
// the answer could not be read.
type Driver interface {
	Tool() Tool
	// As is the same tool run by that user; "" is root.
	As(user string) Driver
	Status(ctx context.Context) (Status, error)
	Upgrade(ctx context.Context, o UpgradeOptions) (Outcome, error)
	Rollback(ctx context.Context, o RollbackOptions) (Outcome, error)
	Deploy(ctx context.Context, o DeployOptions) (Outcome, error)
	// Rebase follows another origin: rebase, switch.
	Rebase(ctx context.Context, o RebaseOptions) (Outcome, error)
	Cleanup(ctx context.Context, o CleanupOptions) (Outcome, error)
	Install(ctx context.Context, o LayerOptions) (Outcome, error)
	Uninstall(ctx context.Context, o LayerOptions) (Outcome, error)
	Override(ctx context.Context, o OverrideOptions) (Outcome, error)
	Initramfs(ctx context.Context, o InitramfsOptions) (Outcome, error)
	// KernelArgs are those of the deployment that boots next.
	KernelArgs(ctx context.Context) ([]string, error)
	ChangeKernelArgs(ctx context.Context, o KernelArgsOptions) (Outcome, error)
	// Diff compares the packages of two commits, refs or deployments; empty
	// names are the tool's default (the booted and the next one).
	Diff(ctx context.Context, from, to string) (Diff, error)
	// Pin and Undeploy take the deployment's index in boot order.
	Pin(ctx context.Context, index int, pinned bool) (Outcome, error)
	Undeploy(ctx context.Context, index int) (Outcome, error)
	Unlock(ctx context.Context, o UnlockOptions) (Outcome, error)
}

// New is the driver for a tool of g, whether g has it or not. Unknown tools
// panic: they are a mistake of the caller.
func New(tool Tool, g guest.Guest) Driver {
	switch tool {
	case RPMOSTree:
		return rpmOSTree{lacking{cli{tool: tool, g: g}}}
	case AtomicHost:
		return atomicHost{lacking{cli{tool: tool, g: g}}}
	case Bootc:
		return bootc{lacking{cli{tool: tool, g: g}}}
	case OSTree:
		return ostreeAdmin{lacking{cli{tool: tool, g: g}}}
	}
	panic("host: unknown tool " + string(tool))
}

// UpgradeOptions say how to upgrade; the zero value makes the newest tree of
// the origin the next to boot.
type UpgradeOptions struct {
	// Check only asks whether there is one (Outcome.Update); Preview also tells
	// the packages that would change.
	Check, Preview bool
	// DownloadOnly fetches and deploys nothing; FromDownloaded deploys what was
	// fetched and asks no server.
	DownloadOnly, FromDownloaded bool
	// AllowDowngrade permits a tree that is older than the booted one.
	AllowDowngrade bool
	// Install and Uninstall change the layered packages in the same step.
	Install, Uninstall []string
	// Reboot lets the tool reboot the guest (see Outcome.Rebooting).
	Reboot bool
	// SoftReboot makes the new tree the root of the next soft reboot, which is
	// left to be ordered. A tree that wants a whole one is refused.
	SoftReboot bool
}

// RollbackOptions say how to roll back.
type RollbackOptions struct{ Reboot bool }

// DeployOptions say which tree of the origin to deploy.
type DeployOptions struct {
	// Revision is a commit's checksum or a version.
	Revision string
	// Preview only tells what would change; DownloadOnly only fetches.
	Preview, DownloadOnly bool
	Install, Uninstall    []string
	Reboot                bool
}

// RebaseOptions say what to follow from now on.
type RebaseOptions struct {
	// Target is a refspec, or an image's name when Transport is set.
	Target string
	// Transport is that of Image; bootc takes "registry" for none.
	Transport string
	// Revision, when set, is the commit or version of Target to deploy.
	Revision string
	Reboot   bool
}

// CleanupOptions say what to take away.
type CleanupOptions struct {
	// Base is temporary files and caches, Metadata that of package repositories.
	Base, Pending, Rollback, Metadata bool
}

// LayerOptions name packages to layer or to drop.
type LayerOptions struct {
	// Packages are names, NEVRA or, to install, paths of files in the guest.
	Packages []string
	DryRun   bool
	// AllowInactive permits to ask for what the base has already; Idempotent
	// to ask again for what is layered.
	AllowInactive, Idempotent bool
	Reboot                    bool
}

// OverrideOptions change packages of the base. One of the lists at a time.
type OverrideOptions struct {
	Remove []string
	// Replace are paths of package files in the guest, or URLs.
	Replace []string
	Reset   []string
	// ResetAll resets every override.
	ResetAll bool
	Reboot   bool
}

// InitramfsOptions switch the making of the initramfs on the host.
type InitramfsOptions struct {
	Enable bool
	// Args are dracut's, when enabled.
	Args   []string
	Reboot bool
}

// KernelArgsOptions change kernel arguments of the next deployment.
type KernelArgsOptions struct {
	Append, Delete []string
	Reboot         bool
}

// UnlockOptions say how /usr becomes writable: until the next boot, or with
// Hotfix in a deployment of its own that stays.
type UnlockOptions struct{ Hotfix, Transient bool }
