package upgrade

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Title:    "%s upgrades to a new tree: pending until a reboot, booted after it, with its version and origin, the old tree kept",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute,
}, byTool)...)

func byTool(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
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
	booted, err := h.Switched(ctx, before, trees.Newer)
	if err != nil {
		return err
	}
	origin := booted.Origin
	if booted.Image != nil {
		origin = booted.Image.Name
	}
	if origin != h.Origin() {
		return check.Failf("after an upgrade by %s the deployment follows %q, want %q", h.Tool(), origin, h.Origin())
	}
	return nil
}
