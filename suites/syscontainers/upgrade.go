package syscontainers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "upgrade", Title: "a system container runs again after an upgrade of the host",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 12 * time.Minute,
}, upgrade)...)

var _ = check.Register(suite, perTool(check.Check{
	Name: "install-upgraded", Title: "a system container can be installed on an upgraded host, and answers",
	State: check.Upgraded, Isolated: true, Limit: 6 * time.Minute,
}, func(ctx context.Context, b *box) error { return b.run(ctx, "foo") })...)

func upgrade(ctx context.Context, b *box) error {
	if _, err := deployments.Trees(b.t); err != nil {
		return err
	}
	h, err := deployments.Preferred(ctx, b.t)
	if err != nil {
		return err
	}
	if err := b.run(ctx, "foo"); err != nil {
		return err
	}
	if _, err := h.UpdateAndReboot(ctx); err != nil {
		return err
	}
	return b.greets(ctx, "foo", "after an upgrade")
}
