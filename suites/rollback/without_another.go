package rollback

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "without-another", Title: "a rollback on a host with one deployment is refused plainly",
	Isolated: true, NeedsTrees: true, Tools: []host.Tool{host.RPMOSTree, host.AtomicHost, host.Bootc}, Limit: 3 * time.Minute,
	Run: deployments.ForEach(withoutAnother),
})

func withoutAnother(ctx context.Context, _ *check.T, h deployments.Host) error {
	if h.Tool() == host.OSTree {
		return check.Skipf("it has no rollback of its own, only a choice of the next deployment to boot")
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if n := len(before.Deployments); n != 1 {
		return check.Skipf("the image has %d deployments", n)
	}
	_, err = h.Rollback(ctx, host.RollbackOptions{})
	if err := h.Refused(err, "roll back without another deployment", host.NoRollback); err != nil {
		return err
	}
	return h.Unchanged(ctx, before, describe("a rollback without another deployment", h))
}
