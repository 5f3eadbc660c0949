package host

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"assay/harness/guest"
)

// ostreeAdmin is plain `ostree admin`.
type ostreeAdmin struct{ lacking }

func (d ostreeAdmin) As(user string) Driver { d.user = user; return d }

// ErrNoOSTree means that the guest was not booted from an ostree deployment.
var ErrNoOSTree = errors.New("the guest was not booted from an ostree deployment")

// noOSTree is an exit status of our own script that ostree does not use.
const noOSTree = 100

// An image can ship the program without being deployed by it. --json is known
// since 2025; until then it is refused before anything is printed.
const ostreeStatusScript = `[ -e /run/ostree-booted ] || exit 100
out=$(ostree admin status --json 2>/dev/null) && printf '%s\n' "$out" && exit 0
exec ostree admin status`

// Status is ErrNoOSTree on a guest that was not booted from ostree.
func (d ostreeAdmin) Status(ctx context.Context) (Status, error) {
	r, err := d.ask(ctx, "sh", "-c", ostreeStatusScript)
	switch {
	case err != nil:
		return Status{}, err
	case r.Exit == noOSTree || r.Exit == 127:
		return Status{}, ErrNoOSTree
	case !r.OK():
		return Status{}, d.refused([]string{"ostree", "admin", "status"}, r)
	}
	return ParseOSTree(r.Stdout)
}

func (d ostreeAdmin) Upgrade(ctx context.Context, o UpgradeOptions) (Outcome, error) {
	switch {
	case o.SoftReboot:
		return Outcome{}, d.lacks("upgrade for a soft reboot")
	case o.Check:
		return Outcome{}, d.lacks("upgrade --check")
	case o.Preview:
		return Outcome{}, d.lacks("upgrade --preview")
	case len(o.Install)+len(o.Uninstall) > 0:
		return Outcome{}, d.lacks("upgrade --install")
	}
	return d.do(ctx, o.Reboot, flags("ostree admin upgrade", o.DownloadOnly, "--pull-only", o.FromDownloaded, "--deploy-only",
		o.AllowDowngrade, "--allow-downgrade", o.Reboot, "--reboot")...)
}

// Rollback is set-default of the rollback deployment. Without one, and with
// another pending than the booted one, that puts the booted one back on top,
// as rpm-ostree does.
func (d ostreeAdmin) Rollback(ctx context.Context, o RollbackOptions) (Outcome, error) {
	if o.Reboot {
		return Outcome{}, d.lacks("rollback --reboot")
	}
	s, err := d.Status(ctx)
	if err != nil {
		return Outcome{}, err
	}
	target := slices.IndexFunc(s.Deployments, func(d Deployment) bool { return d.Rollback })
	if _, pending := s.Pending(); target < 0 && pending {
		target = slices.IndexFunc(s.Deployments, func(d Deployment) bool { return d.Booted })
	}
	args := []string{"ostree", "admin", "set-default"}
	if target < 0 {
		// ostree is not asked what it has no words for.
		return Outcome{Tool: d.tool, Reason: NoRollback}, &RefusedError{Tool: d.tool, Args: args, Reason: NoRollback,
			Result: guest.Result{Exit: 1, Stderr: "error: No rollback deployment found"}}
	}
	return d.do(ctx, false, append(args, strconv.Itoa(target))...)
}

// Deploy takes a checksum; ostree looks up no versions. It pulls the commit of
// the origin's remote and keeps the origin.
func (d ostreeAdmin) Deploy(ctx context.Context, o DeployOptions) (Outcome, error) {
	switch {
	case o.Preview:
		return Outcome{}, d.lacks("deploy --preview")
	case len(o.Install)+len(o.Uninstall) > 0:
		return Outcome{}, d.lacks("deploy --install")
	case !isChecksum(o.Revision):
		return Outcome{}, d.lacks("deploy by version")
	}
	args := flags("ostree admin upgrade", true, "--override-commit="+o.Revision, true, "--allow-downgrade",
		o.DownloadOnly, "--pull-only", o.Reboot, "--reboot")
	out, err := d.do(ctx, o.Reboot, args...)
	if name, ok := unknownRefspec(err); ok {
		// ostree looks up what the origin names even when it is told a commit, and
		// a host that has never pulled from there does not know it.
		remote, ref, _ := strings.Cut(name, ":")
		if _, err := d.do(ctx, false, "ostree", "pull", "--commit-metadata-only", remote, ref); err != nil {
			return out, err
		}
		return d.do(ctx, o.Reboot, args...)
	}
	return out, err
}

var refspecNotFound = regexp.MustCompile(`Refspec '([A-Za-z0-9_][A-Za-z0-9_.-]*:[A-Za-z0-9_][A-Za-z0-9_./-]*)' not found`)

// unknownRefspec is the remote and ref that ostree does not know.
func unknownRefspec(err error) (string, bool) {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return "", false
	}
	m := refspecNotFound.FindStringSubmatch(refused.Result.Stderr)
	if m == nil {
		return "", false
	}
	return m[1], true
}

var safeRefspec = regexp.MustCompile(`^(?:[A-Za-z0-9_][A-Za-z0-9_.-]*:)?[A-Za-z0-9_][A-Za-z0-9_./-]*$`)

// Rebase is switch, to a refspec.
func (d ostreeAdmin) Rebase(ctx context.Context, o RebaseOptions) (Outcome, error) {
	switch {
	case o.Transport != "":
		return Outcome{}, d.lacks("switch to a container image")
	case o.Revision != "":
		return Outcome{}, d.lacks("switch to a revision")
	case !safeRefspec.MatchString(o.Target):
		return Outcome{}, fmt.Errorf("cannot switch to %q: it is no ostree refspec", o.Target)
	}
	return d.do(ctx, o.Reboot, append(flags("ostree admin switch", o.Reboot, "--reboot"), o.Target)...)
}

// Cleanup takes away what is unused; pending and rollback go by Undeploy.
func (d ostreeAdmin) Cleanup(ctx context.Context, o CleanupOptions) (Outcome, error) {
	switch {
	case o.Metadata:
		return Outcome{}, d.lacks("cleanup of package metadata")
	case o.Pending || o.Rollback:
		return d.undeployBoth(ctx, o)
	}
	return d.do(ctx, false, "ostree", "admin", "cleanup")
}

// undeployBoth undeploys the rollback first: indices count from the top.
func (d ostreeAdmin) undeployBoth(ctx context.Context, o CleanupOptions) (Outcome, error) {
	s, err := d.Status(ctx)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Tool: d.tool, Reason: NoChange}
	for i, dep := range slices.Backward(s.Deployments) {
		if dep.Booted || dep.Pinned || !(o.Pending && dep.Pending || o.Rollback && dep.Rollback) {
			continue
		}
		if out, err = d.Undeploy(ctx, i); err != nil {
			return out, err
		}
	}
	if o.Base {
		return d.do(ctx, false, "ostree", "admin", "cleanup")
	}
	return out, nil
}

// bootEntryScript prints the arguments of the boot entry that is next to boot:
// ostree gives it the highest number.
const bootEntryScript = `for f in $(ls /boot/loader/entries/*.conf 2>/dev/null | sort -rV); do sed -n 's/^options //p' "$f"; exit; done; exit 1`

func (d ostreeAdmin) KernelArgs(ctx context.Context) ([]string, error) {
	r, err := d.ask(ctx, "sh", "-c", bootEntryScript)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, d.refused([]string{"ls", "/boot/loader/entries"}, r)
	}
	return parseKernelArgs(r.Stdout)
}

func (d ostreeAdmin) Pin(ctx context.Context, index int, pinned bool) (Outcome, error) {
	return d.do(ctx, false, append(flags("ostree admin pin", !pinned, "--unpin"), strconv.Itoa(index))...)
}

func (d ostreeAdmin) Undeploy(ctx context.Context, index int) (Outcome, error) {
	return d.do(ctx, false, "ostree", "admin", "undeploy", strconv.Itoa(index))
}

func (d ostreeAdmin) Unlock(ctx context.Context, o UnlockOptions) (Outcome, error) {
	return d.do(ctx, false, flags("ostree admin unlock", o.Hotfix, "--hotfix", o.Transient, "--transient")...)
}

func (d ostreeAdmin) do(ctx context.Context, reboot bool, args ...string) (Outcome, error) {
	o, r, err := d.change(ctx, reboot, args...)
	if err != nil || o.Rebooting {
		return o, err
	}
	if !r.OK() {
		return o, d.failed(&o, r)
	}
	o.Reason = nothingIn(r.Stdout)
	o.Changed = o.Reason == ""
	o.Rebooting = reboot && o.Changed
	return o, nil
}
