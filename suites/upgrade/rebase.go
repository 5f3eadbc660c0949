package upgrade

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "rebase", Title: "%s rebases to the branch of another remote: its tree boots, and the host follows it from then on",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute,
}, rebase, host.RPMOSTree, host.AtomicHost, host.OSTree)...)

// remoteScript makes the remote $1 at $2, of which rpm-ostree's daemon must be told.
const remoteScript = `
ostree remote delete --if-exists "$1" || exit
ostree remote add --set=gpg-verify=false "$1" "$2" || exit
! command -v rpm-ostree >/dev/null || rpm-ostree reload`

const otherRemote = "assay-other"

func rebase(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if _, err := probe.Output(ctx, t, "ostree", remoteScript, otherRemote, trees.URL); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	target := otherRemote + ":" + trees.Ref
	out, err := h.Rebase(ctx, host.RebaseOptions{Target: target})
	if err != nil {
		return err
	}
	if !out.Changed {
		return check.FailWith(out.Output, "%s was asked to rebase to %s and changes nothing", h.Tool(), target)
	}
	if err := h.Pending(ctx, before, h.Newer()); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	booted, err := h.Switched(ctx, before, h.Newer())
	if err != nil {
		return err
	}
	if got := deployments.Origin(booted); got != target {
		return check.Failf("after a rebase by %s the deployment follows %q, want %q", h.Tool(), got, target)
	}
	return nil
}
