package upgrade

import (
	"context"
	"errors"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "unsigned", Title: "a tree without a signature is refused where the remote checks signatures",
	Isolated: true, NeedsTrees: true, Limit: 8 * time.Minute, Run: deployments.ForEach(unsigned),
})

func unsigned(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if trees.Signed {
		return check.Skipf("the update that was given is signed")
	}
	// The state before and after is asked where nothing is verified: ostree tells no
	// status of an unsigned deployment whose remote wants signatures.
	if err := h.FollowAt(ctx, trees.URL, false); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if err := h.FollowAt(ctx, trees.URL, true); err != nil {
		return err
	}
	_, err = h.Upgrade(ctx, host.UpgradeOptions{})
	var lacks *host.UnsupportedError
	if errors.As(err, &lacks) {
		return check.Skipf("%s upgrades without options, and not from a remote that checks GPG signatures: its ostree was built without GPG", h.Tool())
	}
	if err := h.Refused(err, "upgrade to an unsigned tree from a remote that checks signatures", host.Unsigned); err != nil {
		return err
	}
	if err := h.FollowAt(ctx, trees.URL, false); err != nil {
		return err
	}
	return h.Unchanged(ctx, before, "an upgrade to an unsigned tree by "+string(h.Tool()))
}
