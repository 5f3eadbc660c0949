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
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if err := h.Follow(ctx); err != nil {
		return err
	}
	before, was, err := h.Booted(ctx)
	if err != nil {
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
	booted, err := h.Switched(ctx, before, h.Newer())
	if err != nil {
		return err
	}
	if got, want := deployments.Origin(booted), deployments.Origin(was); got != want {
		return check.Failf("after an upgrade by %s the deployment follows %q, want %q as before", h.Tool(), got, want)
	}
	return nil
}
