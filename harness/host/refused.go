package host

import (
	"fmt"
	"strings"

	"assay/harness/guest"
)

// Operation is a verb of Driver or SystemContainers, with the option that
// matters: "upgrade", "upgrade --preview".
type Operation string

// UnsupportedError means that the tool has no such operation, or not with these
// options. Suites skip for it.
type UnsupportedError struct {
	Tool      Tool
	Operation Operation
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s has no %s", e.Tool, e.Operation)
}

// Reason is why a tool did nothing or refused, as far as its words are known.
type Reason string

// The reasons that are recognised.
const (
	// NoUpgrade: there is nothing newer than what is deployed.
	NoUpgrade Reason = "no-upgrade"
	// NoChange: what was asked for is so already.
	NoChange Reason = "no-change"
	// UnknownPackage: no repository has a package of that name.
	UnknownPackage Reason = "unknown-package"
	// AlreadyLayered: the package is requested already.
	AlreadyLayered Reason = "already-layered"
	// InactiveRequest: the base has the package already.
	InactiveRequest Reason = "inactive-request"
	// NotRequested: the package to drop is not layered, or the override not there.
	NotRequested Reason = "not-requested"
	// NotInstalled: the package to override is not in the base.
	NotInstalled Reason = "not-installed"
	// Conflict: the packages cannot be installed together, or bring the same file.
	Conflict Reason = "conflict"
	// ScriptFailed: a package's script failed.
	ScriptFailed Reason = "script-failed"
	// Unsigned: a package, commit or image has no signature that is trusted.
	Unsigned Reason = "unsigned"
	// NoSpace: the disk is full, or would be.
	NoSpace Reason = "no-space"
	// UnknownVersion: no such version, commit, ref or image.
	UnknownVersion Reason = "unknown-version"
	// Older: the new tree is older than the booted one.
	Older Reason = "older"
	// NoRollback: there is no deployment to go back to.
	NoRollback Reason = "no-rollback"
	// StagedFirst: a staged deployment stands in the way; a cleanup takes it away.
	StagedFirst Reason = "staged-first"
	// EtcConflict: changes under /etc cannot be carried over.
	EtcConflict Reason = "etc-conflict"
	// NotPrivileged: the user may not.
	NotPrivileged Reason = "not-privileged"
	// Busy: another transaction is under way.
	Busy Reason = "busy"
	// LocalModifications: layered packages keep bootc from upgrading.
	LocalModifications Reason = "local-modifications"
	// Locked: layering is switched off in the configuration.
	Locked Reason = "locked"
	// Unlocked: the deployment is unlocked already.
	Unlocked Reason = "unlocked"
	// WholeReboot: the tree is not one that a soft reboot can go into.
	WholeReboot Reason = "whole-reboot"
	// Unreachable: the server does not answer; with the harness's own servers
	// that is no fault of the image.
	Unreachable Reason = "unreachable"
	// NotDeployed: the host was not booted by this tool.
	NotDeployed Reason = "not-deployed"
	// UnknownContainer: no system container of that name.
	UnknownContainer Reason = "unknown-container"
	// MissingSetting: a setting that the image's templates need has no value.
	MissingSetting Reason = "missing-setting"
	// UnknownImage: no such image, on the host or where it was to come from.
	UnknownImage Reason = "unknown-image"
)

// RefusedError is an operation that the tool refused or failed.
type RefusedError struct {
	Tool Tool
	Args []string
	// Reason is empty when the tool's words are not known.
	Reason Reason
	Result guest.Result
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%q failed (exit %d): %s", strings.Join(e.Args, " "), e.Result.Exit, e.Said())
}

// Said is the telling line of what the tool said: the first that begins with
// "error:", else the last.
func (e *RefusedError) Said() string {
	for _, l := range strings.Split(e.Result.Stderr+"\n"+e.Result.Stdout, "\n") {
		l = strings.TrimSpace(l)
		if len(l) >= 6 && strings.EqualFold(l[:6], "error:") {
			return l
		}
	}
	return e.Result.Said()
}
