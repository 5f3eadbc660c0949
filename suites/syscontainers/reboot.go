package syscontainers

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, rebooted()...)

// rebooted are checks of a container that was started before a reboot which
// all suites share.
func rebooted() []check.Check {
	all := perTool(check.Check{
		Name: "reboot", Title: "a system container runs again after a reboot", State: check.Rebooted, Labels: []string{"reboot"}, Limit: 6 * time.Minute,
	}, func(ctx context.Context, b *box) error { return b.greets(ctx, "foo", "after a reboot") })
	for i, tool := range tools {
		all[i].Prepare = func(ctx context.Context, t *check.T) (any, error) { return nil, prepare(ctx, t, tool) }
	}
	return all
}

func prepare(ctx context.Context, t *check.T, tool host.Tool) error {
	b, err := with(ctx, t, tool)
	if err != nil {
		return err
	}
	return deployments.Judge(b.run(ctx, "foo"))
}
