package rollback

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "twice", Title: "a second rollback, without a reboot in between, undoes the first",
	State: check.Upgraded, Isolated: true, Limit: 5 * time.Minute, Run: deployments.ForEach(twice),
}, check.Check{
	Name: "of-a-rollback", Title: "a rollback of a rollback returns to the newer deployment, with its /etc",
	State: check.Upgraded, Isolated: true, Labels: []string{"reboot", "slow"}, Limit: 20 * time.Minute, Run: deployments.With(ofARollback),
})

func twice(ctx context.Context, _ *check.T, h deployments.Host) error {
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	want, err := target(before)
	if err != nil {
		return err
	}
	if _, err := h.Rollback(ctx, host.RollbackOptions{}); err != nil {
		return err
	}
	if err := returning(ctx, h, want); err != nil {
		return err
	}
	if _, err := h.Rollback(ctx, host.RollbackOptions{}); err != nil {
		return err
	}
	return h.Unchanged(ctx, before, describe("two rollbacks", h))
}

func ofARollback(ctx context.Context, t *check.T, h deployments.Host) error {
	before, newer, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	older, err := target(before)
	if err != nil {
		return err
	}
	if _, err := probe.Output(ctx, t, "sh", makeAfterScript, etcAfter, varAfter); err != nil {
		return err
	}
	for _, want := range []host.Deployment{older, newer} {
		if before, _, err = h.Booted(ctx); err != nil {
			return err
		}
		if _, err := h.Rollback(ctx, host.RollbackOptions{}); err != nil {
			return err
		}
		if err := h.Reboot(ctx); err != nil {
			return err
		}
		if err := returned(ctx, h, before, want); err != nil {
			return err
		}
	}
	return left(ctx, t, true)
}
