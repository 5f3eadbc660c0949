package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, byTool(check.Check{
	Name: "reboot-option", Title: "an install with --reboot boots into the layered package by itself",
	Isolated: true, Labels: []string{"reboot"}, Limit: 8 * time.Minute,
}, rebootOption)...)

func rebootOption(ctx context.Context, t *check.T, among []host.Tool) error {
	l, err := begin(ctx, t, among, hello)
	if err != nil {
		return err
	}
	base, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	was := t.BootID()
	o, err := l.d.Install(ctx, host.LayerOptions{Packages: l.names([]string{hello}), Reboot: true})
	if err := l.did("layer "+l.name(hello)+" and reboot", o, err); err != nil {
		return err
	}
	if err := t.AwaitReboot(ctx, was); err != nil {
		return orNeverDown(err, string(l.d.Tool())+" was to layer a package and reboot")
	}
	now, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if err := l.onTop("booted", now, base.BaseChecksum, l.name(hello)); err != nil {
		return err
	}
	return l.present(ctx, l.name(hello))
}
