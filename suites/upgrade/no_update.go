package upgrade

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "no-update", Title: "on the newest tree each tool says plainly that there is no update, and changes nothing",
	State: check.Upgraded, Limit: 5 * time.Minute, Run: deployments.ForEach(noUpdate),
})

func noUpdate(ctx context.Context, _ *check.T, h deployments.Host) error {
	before, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if booted.Image == nil && booted.Origin == "" {
		return check.Skipf("the host follows nothing that %s knows", h.Tool())
	}
	out, err := h.Upgrade(ctx, host.UpgradeOptions{})
	if err != nil {
		return err
	}
	if out.Changed {
		return check.FailWith(out.Output, "%s runs on the newest tree and does not say that there is no update", h.Tool())
	}
	return h.Unchanged(ctx, before, "an upgrade by "+string(h.Tool())+" without an update")
}
