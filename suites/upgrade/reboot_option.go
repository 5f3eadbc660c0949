package upgrade

import (
	"context"
	"errors"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "reboot-option", Title: "an upgrade that is asked to reboots the system into the new tree",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: deployments.With(rebootOption),
})

func rebootOption(ctx context.Context, t *check.T, h deployments.Host) error {
	if err := h.Follow(ctx); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	boot := t.BootID()
	out, err := h.Upgrade(ctx, host.UpgradeOptions{Reboot: true})
	if err != nil {
		return err
	}
	if !out.Rebooting {
		return check.FailWith(out.Output, "%s finds nothing to upgrade to, though %s is served", h.Tool(), deployments.DescribeTree(h.Newer()))
	}
	err = t.AwaitReboot(ctx, boot)
	if errors.Is(err, guest.ErrRebootNotSeen) {
		return check.FailWith(out.Output, "%s was asked to reboot after the upgrade, and the system stays up", h.Tool())
	}
	if err != nil {
		return err
	}
	_, err = h.Switched(ctx, before, h.Newer())
	return err
}
