package syscontainers

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "update", Title: "an update of a setting changes the answer, and a rollback brings the old one back",
	Isolated: true, Limit: 8 * time.Minute,
}, update)...)

func update(ctx context.Context, b *box) error {
	if err := b.run(ctx, "foo"); err != nil {
		return err
	}
	o, err := b.c.Update(ctx, host.ContainerOptions{Name: b.name, Set: map[string]string{"RECEIVER": "bar"}})
	if err != nil {
		return err
	}
	if !o.Changed {
		return check.FailWith(o.Output, "%s changes nothing when it is to update a setting of %s", b.c.Tool(), b.name)
	}
	if err := b.greets(ctx, "bar", "after an update of its setting"); err != nil {
		return err
	}
	if o, err = b.c.Rollback(ctx, b.name); err != nil {
		return err
	}
	if !o.Changed {
		return check.FailWith(o.Output, "%s changes nothing when it is to roll %s back", b.c.Tool(), b.name)
	}
	return b.greets(ctx, "foo", "after a rollback of its update")
}
