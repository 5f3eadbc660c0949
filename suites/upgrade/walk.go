package upgrade

import (
	"context"
	"slices"
	"time"

	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "walk", Title: "from the oldest release that is served each older one leads to the next, and the last to the new tree",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: 45 * time.Minute, Run: deployments.With(walk),
})

// longestWalk bounds the releases that are booted one after the other.
const longestWalk = 8

func walk(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if h.Derived() {
		return check.Skipf("no release is served but one derived from the image's own")
	}
	var way []check.Tree
	for n := range longestWalk {
		tree, err := h.Older(n)
		if err != nil {
			break // there are no more
		}
		way = append(way, tree)
	}
	if len(way) < 2 {
		return check.Skipf("%d older releases are served, fewer than a walk needs", len(way))
	}
	slices.Reverse(way)
	if err := h.Follow(ctx); err != nil {
		return err
	}
	for _, tree := range append(way, h.Newer()) {
		before, _, err := h.Booted(ctx)
		if err != nil {
			return err
		}
		if err := h.SetTo(ctx, tree); err != nil {
			return err
		}
		if err := h.Reboot(ctx); err != nil {
			return err
		}
		if _, err := h.Switched(ctx, before, tree); err != nil {
			return err
		}
		state, failed, err := deployments.System(ctx, t)
		if err != nil {
			return err
		}
		t.Log("%s is %s", deployments.DescribeTree(tree), state)
		if tree == h.Newer() && state != "running" {
			return check.FailWith(failed, "the system is %q in the new tree after a walk through %d releases", state, len(way))
		}
	}
	return nil
}
