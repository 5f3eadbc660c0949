package deploy

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "from-upgraded", Title: "an upgraded host deploys an older version, boots it, and comes back to the newest",
	State: check.Upgraded, Isolated: true, Labels: []string{"reboot", "slow"}, Limit: 25 * time.Minute,
	Run: deployments.With(fromUpgraded),
})

func fromUpgraded(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	older, err := h.Older(0)
	if err != nil {
		return err
	}
	if err := h.Follow(ctx); err != nil {
		return err
	}
	if err := there(ctx, h, older); err != nil {
		return err
	}
	return there(ctx, h, h.Newer())
}
