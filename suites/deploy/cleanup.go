package deploy

import (
	"context"
	"errors"
	"slices"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "cleanup-pending", Title: "%s takes the pending deployment away, and no other",
	State: check.Upgraded, Isolated: true, Limit: 6 * time.Minute,
}, cleanupPending, host.RPMOSTree, host.OSTree)...)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "cleanup-rollback", Title: "%s takes the rollback deployment away, and a cleanup of everything leaves the booted one alone",
	State: check.Upgraded, Isolated: true, Limit: 8 * time.Minute,
}, cleanupRollback, host.RPMOSTree, host.OSTree)...)

func cleanupPending(ctx context.Context, _ *check.T, h deployments.Host) error {
	s, err := pending(ctx, h)
	if err != nil {
		return err
	}
	if err := clean(ctx, h, host.CleanupOptions{Pending: true}); err != nil {
		return err
	}
	s.Deployments = slices.DeleteFunc(s.Deployments, func(d host.Deployment) bool { return d.Pending })
	return h.Unchanged(ctx, s, "a cleanup of the pending deployment by "+string(h.Tool()))
}

func cleanupRollback(ctx context.Context, _ *check.T, h deployments.Host) error {
	before, err := pending(ctx, h)
	if err != nil {
		return err
	}
	if _, ok := before.Rollback(); !ok {
		return check.Skipf("%s keeps no rollback beside a pending deployment", h.Tool())
	}
	if err := clean(ctx, h, host.CleanupOptions{Rollback: true}); err != nil {
		return err
	}
	s, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	_, still := s.Rollback()
	_, waits := s.Pending()
	if still || !waits || len(s.Deployments) != len(before.Deployments)-1 {
		return check.FailWith(deployments.List(s), "a cleanup of the rollback by %s leaves %d deployments of %d, want all but the rollback", h.Tool(), len(s.Deployments), len(before.Deployments))
	}
	// What is cleaned up with nothing left of it is no error.
	all := host.CleanupOptions{Pending: true, Rollback: true, Base: true, Metadata: h.Tool() == host.RPMOSTree}
	if err := clean(ctx, h, all); err != nil {
		return err
	}
	if s, _, err = h.Booted(ctx); err != nil {
		return err
	}
	if len(s.Deployments) != 1 {
		return check.FailWith(deployments.List(s), "a cleanup of everything by %s leaves %d deployments, want the booted one", h.Tool(), len(s.Deployments))
	}
	return nil
}

// pending makes an older tree the next to boot, and returns the status of then:
// plain ostree, which stages nothing, drops the rollback at once.
func pending(ctx context.Context, h deployments.Host) (host.Status, error) {
	older, err := h.Older(0)
	if err != nil {
		return host.Status{}, err
	}
	if err := h.Follow(ctx); err != nil {
		return host.Status{}, err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return before, err
	}
	if err := h.SetTo(ctx, older); err != nil {
		return before, err
	}
	if err := h.Pending(ctx, before, older); err != nil {
		return before, err
	}
	s, _, err := h.Booted(ctx)
	return s, err
}

// clean cleans up; that there is nothing to do is fine.
func clean(ctx context.Context, h deployments.Host, o host.CleanupOptions) error {
	_, err := h.Cleanup(ctx, o)
	var refused *host.RefusedError
	if errors.As(err, &refused) && refused.Reason == host.NoChange {
		return nil
	}
	return err
}
