package upgrade

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "download-only", Title: "%s downloads an update without making it the next to boot, and deploys it later",
	Isolated: true, NeedsTrees: true, Limit: 8 * time.Minute,
}, downloadOnly, host.RPMOSTree, host.OSTree)...)

func downloadOnly(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if err := h.Follow(ctx); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if _, err := h.Upgrade(ctx, host.UpgradeOptions{DownloadOnly: true}); err != nil {
		return err
	}
	s, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if d, ok := s.Pending(); ok {
		return check.FailWith(deployments.List(s), "%s was to download an update only, and makes %s the next to boot", h.Tool(), deployments.Describe(d))
	}
	out, err := h.Upgrade(ctx, host.UpgradeOptions{FromDownloaded: true})
	if err != nil {
		return err
	}
	if !out.Changed {
		return check.FailWith(out.Output, "%s finds nothing to deploy in what it downloaded before", h.Tool())
	}
	return h.Pending(ctx, before, h.Newer())
}
