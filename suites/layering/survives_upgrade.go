package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "survives-upgrade", Title: "a layered package is layered again on the tree of an upgrade",
	State: check.Layered, Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 20 * time.Minute, Run: survivesUpgrade,
})

func survivesUpgrade(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, friend)
	if err != nil {
		return err
	}
	if _, err := l.upgradable(ctx); err != nil {
		return err
	}
	trees := t.Env.Trees
	if err := l.layered(ctx, friend); err != nil {
		return err
	}
	if err := host.Follow(ctx, t, trees.URL, trees.Ref, false); err != nil {
		return err
	}
	o, err := l.d.Upgrade(ctx, host.UpgradeOptions{})
	if err := l.did("upgrade a host with a layered package", o, err); err != nil {
		return err
	}
	next, err := l.pending(ctx, "upgraded the host")
	if err != nil {
		return err
	}
	now, err := l.reboot(ctx, next)
	if err != nil {
		return err
	}
	if err := l.onTop("upgraded", now, trees.Newer.Commit, l.name(friend)); err != nil {
		return err
	}
	if err := l.present(ctx, l.name(friend)); err != nil {
		return err
	}
	return l.runs(ctx, l.name(friend), "hello")
}
