package deploy

import (
	"context"
	"slices"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "pin", Title: "a pinned deployment is told as pinned, until it is unpinned",
	State: check.Upgraded, Isolated: true, Limit: 5 * time.Minute, Run: deployments.ForEach(pin),
}, check.Check{
	Name: "undeploy", Title: "a deployment that is undeployed is gone, and no other",
	State: check.Upgraded, Isolated: true, Limit: 5 * time.Minute, Run: deployments.ForEach(undeploy),
})

// rollbackIndex is where the rollback deployment stands in boot order, or a skip.
func rollbackIndex(s host.Status) (int, error) {
	i := slices.IndexFunc(s.Deployments, func(d host.Deployment) bool { return d.Rollback })
	if i < 0 {
		return i, check.Skipf("there is no rollback deployment")
	}
	return i, nil
}

func pin(ctx context.Context, _ *check.T, h deployments.Host) error {
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	i, err := rollbackIndex(before)
	if err != nil {
		return err
	}
	if _, err := h.Pin(ctx, i, true); err != nil {
		return err
	}
	s, err := h.Status(ctx)
	if err != nil {
		return err
	}
	if len(s.Deployments) <= i || !s.Deployments[i].Pinned {
		return check.FailWith(deployments.List(s), "%s pinned deployment %d, and does not tell that it is pinned", h.Tool(), i)
	}
	if _, err := h.Pin(ctx, i, false); err != nil {
		return err
	}
	return h.Unchanged(ctx, before, "pinning and unpinning by "+string(h.Tool()))
}

func undeploy(ctx context.Context, _ *check.T, h deployments.Host) error {
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	i, err := rollbackIndex(before)
	if err != nil {
		return err
	}
	if _, err := h.Undeploy(ctx, i); err != nil {
		return err
	}
	before.Deployments = slices.Delete(before.Deployments, i, i+1)
	return h.Unchanged(ctx, before, "undeploying the rollback by "+string(h.Tool()))
}
