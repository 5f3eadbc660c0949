package layering

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "upgrade-with-install", Title: "an upgrade layers a package in the same step, and a deploy of another version drops it in the same step",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: upgradeWithInstall,
})

func upgradeWithInstall(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders, hello)
	if err != nil {
		return err
	}
	if _, err := l.upgradable(ctx); err != nil {
		return err
	}
	trees := t.Env.Trees
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	if err := host.Follow(ctx, t, trees.URL, trees.Ref, false); err != nil {
		return err
	}
	name := l.name(hello)
	o, err := l.d.Upgrade(ctx, host.UpgradeOptions{Install: []string{name}})
	if err := l.did("upgrade with --install="+name, o, err); err != nil {
		return err
	}
	next, err := l.pending(ctx, "upgraded the host and layered "+name)
	if err != nil {
		return err
	}
	now, err := l.reboot(ctx, next)
	if err != nil {
		return err
	}
	if err := l.onTop("upgraded", now, trees.Newer.Commit, name); err != nil {
		return err
	}
	if err := l.present(ctx, name); err != nil {
		return err
	}
	if len(trees.Older) == 0 {
		t.Log("no older version is served: none was deployed")
		return nil
	}
	return l.deployWithout(ctx, trees.Older[0], name)
}

// deployWithout deploys another version and drops the package in the same step.
func (l *layer) deployWithout(ctx context.Context, tree check.Tree, name string) error {
	o, err := l.d.Deploy(ctx, host.DeployOptions{Revision: tree.Commit, Uninstall: []string{name}})
	if err := l.did("deploy "+short(tree.Commit)+" with --uninstall="+name, o, err); err != nil {
		return err
	}
	next, err := l.pending(ctx, "deployed another version without "+name)
	if err != nil {
		return err
	}
	if slices.Contains(next.Layered, name) {
		return check.Failf("%s was to deploy %s with --uninstall=%s, and the pending deployment layers %q", l.d.Tool(), short(tree.Commit), name, strings.Join(next.Layered, " "))
	}
	return l.bare("pending", next, tree.Commit)
}
