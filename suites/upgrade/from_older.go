package upgrade

import (
	"context"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "from-previous", Title: "the release before upgrades to the new tree, and a default that was changed in /etc keeps its change",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: 25 * time.Minute,
	Run: deployments.With(func(ctx context.Context, t *check.T, h deployments.Host) error {
		if _, err := deployments.Trees(t); err != nil {
			return err
		}
		tree, err := h.Older(0)
		if err != nil {
			return err
		}
		return fromOlder(ctx, t, h, tree)
	}),
}, check.Check{
	Name: "from-oldest", Title: "the oldest release that is served upgrades to the new tree",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: 25 * time.Minute,
	Run: deployments.With(func(ctx context.Context, t *check.T, h deployments.Host) error {
		trees, err := deployments.Trees(t)
		if err != nil {
			return err
		}
		if h.Derived() {
			return check.Skipf("no release is served but one derived from the image's own")
		}
		n := len(trees.Older)
		if h.Tool() == host.Bootc {
			n = len(trees.OlderImages)
		}
		if n < 2 {
			return check.Skipf("no release that is older than the previous one is served")
		}
		tree, err := h.Older(n - 1)
		if err != nil {
			return err
		}
		return fromOlder(ctx, t, h, tree)
	}),
})

// changedDefault is what the user makes of a default file, whose content is
// another in each derived tree.
const changedDefault = "changed by the administrator"

// fromOlder sets the host to an older tree and upgrades it from there.
func fromOlder(ctx context.Context, t *check.T, h deployments.Host, old check.Tree) error {
	if err := h.Follow(ctx); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if err := h.SetTo(ctx, old); err != nil {
		return err
	}
	if err := h.Pending(ctx, before, old); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	if _, err := h.Switched(ctx, before, old); err != nil {
		return err
	}
	if h.Derived() {
		if err := t.WriteFile(ctx, check.DerivedEtc, strings.NewReader(changedDefault+"\n"), 0o644); err != nil {
			return err
		}
	}
	if before, _, err = h.Booted(ctx); err != nil {
		return err
	}
	if err := h.Update(ctx); err != nil {
		return err
	}
	if err := h.Pending(ctx, before, h.Newer()); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	if _, err := h.Switched(ctx, before, h.Newer()); err != nil {
		return err
	}
	if !h.Derived() {
		return nil
	}
	text, err := readDefault(ctx, t)
	if err != nil {
		return err
	}
	if text != changedDefault {
		if err := deployments.EtcKept(ctx, t); err != nil {
			return err
		}
		return check.Failf("%s was changed before an upgrade that brings another default, and holds %q after it", check.DerivedEtc, text)
	}
	return nil
}
