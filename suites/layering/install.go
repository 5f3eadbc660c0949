package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, byTool(check.Check{
	Name: "install", Title: "a layered package is there after the reboot and not before",
	Isolated: true, Labels: []string{"reboot"}, Limit: 8 * time.Minute,
}, install)...)

var _ = check.Register(suite, byTool(check.Check{
	Name: "install-upgraded", Title: "a package can be layered on an upgraded host",
	State: check.Upgraded, Isolated: true, Labels: []string{"reboot"}, Limit: 8 * time.Minute,
}, install)...)

func install(ctx context.Context, t *check.T, among []host.Tool) error {
	l, err := begin(ctx, t, among, hello)
	if err != nil {
		return err
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	if err := l.install(ctx, hello); err != nil {
		return err
	}
	next, err := l.pending(ctx, "layered "+l.name(hello))
	if err != nil {
		return err
	}
	if err := l.onTop("pending", next, was.BaseChecksum, l.name(hello)); err != nil {
		return err
	}
	if err := l.absent(ctx, "before the reboot", l.name(hello)); err != nil {
		return err
	}
	now, err := l.reboot(ctx, next)
	if err != nil {
		return err
	}
	if err := l.onTop("booted", now, was.BaseChecksum, l.name(hello)); err != nil {
		return err
	}
	if err := l.present(ctx, l.name(hello)); err != nil {
		return err
	}
	return l.runs(ctx, l.name(hello), "hello")
}
