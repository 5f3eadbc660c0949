package deploy

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Title:    "%s deploys another version by its checksum, or as an image, on a fresh host, boots it, and makes the first the next to boot again",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute,
}, onFresh)...)

func onFresh(ctx context.Context, _ *check.T, h deployments.Host) error {
	older, err := h.Older(0)
	if err != nil {
		return err
	}
	if err := h.Follow(ctx); err != nil {
		return err
	}
	_, first, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if err := there(ctx, h, older); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if _, err := h.Rollback(ctx, host.RollbackOptions{}); err != nil {
		return err
	}
	return h.Pending(ctx, before, check.Tree{Commit: first.Checksum, Version: first.Version})
}

// there deploys a version and boots it.
func there(ctx context.Context, h deployments.Host, tree check.Tree) error {
	before, was, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if err := h.SetTo(ctx, tree); err != nil {
		return err
	}
	if err := h.Pending(ctx, before, tree); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	booted, err := h.Switched(ctx, before, tree)
	if err != nil {
		return err
	}
	if booted.Image == nil && booted.Origin != was.Origin {
		return check.Failf("a version deployed by %s follows %q, want %q as before", h.Tool(), booted.Origin, was.Origin)
	}
	return nil
}
