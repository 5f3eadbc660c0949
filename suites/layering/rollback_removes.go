package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "rollback-removes", Title: "a rollback takes a layered package away",
	Isolated: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: rollbackRemoves,
})

func rollbackRemoves(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, hello)
	if err != nil {
		return err
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if _, err := l.layered(ctx, was, hello); err != nil {
		return err
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
	return l.absent(ctx, "after a rollback and a reboot", l.name(hello))
}

// layered layers packages on the booted deployment and boots the result.
func (l *layer) layered(ctx context.Context, was host.Deployment, purposes ...string) (host.Deployment, error) {
	if err := l.repository(ctx, fromSigned); err != nil {
		return host.Deployment{}, err
	}
	if err := l.install(ctx, purposes...); err != nil {
		return host.Deployment{}, err
	}
	next, err := l.pending(ctx, "layered packages")
	if err != nil {
		return host.Deployment{}, err
	}
	now, err := l.reboot(ctx, next)
	if err != nil {
		return now, err
	}
	if err := l.onTop("booted", now, was.BaseChecksum, l.names(purposes)...); err != nil {
		return now, err
	}
	return now, l.present(ctx, l.names(purposes)...)
}
