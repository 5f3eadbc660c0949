package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "rollback-removes", Title: "a rollback takes a layered package away",
	State: check.Layered, Isolated: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: rollbackRemoves,
})

func rollbackRemoves(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, friend)
	if err != nil {
		return err
	}
	if err := l.layered(ctx, friend); err != nil {
		return err
	}
	s, _, err := l.status(ctx)
	if err != nil {
		return err
	}
	was, ok := s.Rollback()
	if !ok {
		return check.Failf("packages were layered, and %s status has no deployment to roll back to", l.d.Tool())
	}
	o, err := l.d.Rollback(ctx, host.RollbackOptions{})
	if err := l.did("roll back", o, err); err != nil {
		return err
	}
	now, err := l.reboot(ctx, was)
	if err != nil {
		return err
	}
	if err := l.bare("booted", now, was.Checksum); err != nil {
		return err
	}
	return l.absent(ctx, "after a rollback and a reboot", l.name(friend), l.name(hello))
}
