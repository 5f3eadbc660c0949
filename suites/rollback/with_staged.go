package rollback

import (
	"context"
	"errors"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "with-staged", Title: "a rollback while another tree waits for the next boot keeps that tree from booting",
	State: check.Upgraded, Isolated: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: deployments.With(withStaged),
})

func withStaged(ctx context.Context, _ *check.T, h deployments.Host) error {
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	want, err := target(before)
	if err != nil {
		return err
	}
	staged, err := another(ctx, h)
	if err != nil {
		return err
	}
	if err := h.Pending(ctx, before, staged); err != nil {
		return err
	}
	if err := rollbackOrCleanup(ctx, h); err != nil {
		return err
	}
	s, was, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	// Some tools return to the booted deployment first, others to the one of
	// before at once.
	next := was
	if d, ok := s.Pending(); ok {
		next = d
	}
	if differences(next, was) != "" && differences(next, want) != "" {
		return check.FailWith(deployments.List(s), "after a rollback by %s with %s staged, %s boots next", h.Tool(), deployments.DescribeTree(staged), deployments.Describe(next))
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if diff := differences(booted, next); diff != "" {
		return check.FailWith(deployments.List(s), "after a rollback by %s with %s staged, another deployment booted than was announced: %s", h.Tool(), deployments.DescribeTree(staged), diff)
	}
	return nil
}

// rollbackOrCleanup rolls back. A tool that refuses to while a tree is staged, and
// says so, keeps that from booting as it tells its users to: by a cleanup.
func rollbackOrCleanup(ctx context.Context, h deployments.Host) error {
	_, err := h.Rollback(ctx, host.RollbackOptions{})
	var refused *host.RefusedError
	if !errors.As(err, &refused) || refused.Reason != host.StagedFirst {
		return err
	}
	if _, err := h.Cleanup(ctx, host.CleanupOptions{Pending: true}); err != nil {
		return err
	}
	_, err = h.Rollback(ctx, host.RollbackOptions{})
	return err
}

// another makes a tree the next to boot that is neither the booted one nor that
// of the rollback.
func another(ctx context.Context, h deployments.Host) (check.Tree, error) {
	tree, err := h.Older(0)
	if err != nil {
		return tree, err
	}
	return tree, h.SetTo(ctx, tree)
}
