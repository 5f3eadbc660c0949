package upgrade

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "download-only", Title: "%s downloads an update that no reboot boots, and deploys it when told to",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 12 * time.Minute,
}, downloadOnly, host.RPMOSTree, host.OSTree, host.Bootc)...)

func downloadOnly(ctx context.Context, t *check.T, h deployments.Host) error {
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
	if err := download(ctx, h); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	s, now, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if !deployments.Same(now, was) {
		return check.FailWith(deployments.List(s), "%s was to download an update only, and a reboot boots %s", h.Tool(), deployments.Describe(now))
	}
	// bootc forgets with a reboot what it downloaded; for the others there is little left to do.
	if err := download(ctx, h); err != nil {
		return err
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

// download fetches the update, after which nothing else is to be booted than before.
func download(ctx context.Context, h deployments.Host) error {
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
	return nil
}
