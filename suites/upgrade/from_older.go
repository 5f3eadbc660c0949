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
	Run: deployments.FromRepo(func(ctx context.Context, t *check.T, h deployments.Host) error {
		tree, err := deployments.Older(t, 0)
		if err != nil {
			return err
		}
		return fromOlder(ctx, t, h, tree)
	}),
}, check.Check{
	Name: "from-oldest", Title: "the oldest release that is served upgrades to the new tree",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: 25 * time.Minute,
	Run: deployments.FromRepo(func(ctx context.Context, t *check.T, h deployments.Host) error {
		trees, err := deployments.Trees(t)
		if err != nil {
			return err
		}
		if trees.Derived || len(trees.Older) < 2 {
			return check.Skipf("no release that is older than the previous one is served")
		}
		return fromOlder(ctx, t, h, trees.Older[len(trees.Older)-1])
	}),
})

// changedDefault is what the user makes of a default file, whose content is
// another in each derived tree.
const changedDefault = "changed by the administrator"

// fromOlder sets the host to an older tree and upgrades it from there.
func fromOlder(ctx context.Context, t *check.T, h deployments.Host, old check.Tree) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if err := h.Follow(ctx, trees.URL, false); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if _, err := h.Deploy(ctx, host.DeployOptions{Revision: old.Commit}); err != nil {
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
	if trees.Derived {
		if err := t.WriteFile(ctx, check.DerivedEtc, strings.NewReader(changedDefault+"\n"), 0o644); err != nil {
			return err
		}
	}
	if before, _, err = h.Booted(ctx); err != nil {
		return err
	}
	if _, err := h.Update(ctx); err != nil {
		return err
	}
	if err := h.Pending(ctx, before, trees.Newer); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	if _, err := h.Switched(ctx, before, trees.Newer); err != nil {
		return err
	}
	if !trees.Derived {
		return nil
	}
	text, err := readDefault(ctx, t)
	if err != nil {
		return err
	}
	if text != changedDefault {
		return check.Failf("%s was changed before an upgrade that brings another default, and holds %q after it", check.DerivedEtc, text)
	}
	return nil
}
