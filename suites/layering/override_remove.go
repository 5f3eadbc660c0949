package layering

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "override-remove", Title: "a package of the base can be removed, and a reset brings it back",
	Isolated: true, Labels: []string{"reboot"}, Limit: 8 * time.Minute, Run: overrideRemove,
})

// overriders are the tools that override packages of the base.
var overriders = []host.Tool{host.RPMOSTree}

// leafScript prints the first of these packages that the base has and that no
// other package needs for what it provides. `rpm --erase --test` would say it
// better, but may want to write to its database.
const leafScript = `needed() {
	rpm -q --queryformat '[%{PROVIDENAME}\n]' "$1" | while read -r cap; do rpm -q --whatrequires --queryformat '%{NAME}\n' "$cap"; done |
		grep -v '^no package requires' | grep -qvxF "$1"
}
for p; do
	rpm -q "$p" >/dev/null 2>&1 && ! needed "$p" && echo "$p" && exit 0
done
exit 0`

// leaves are packages that hosts ship and that can be missed.
var leaves = []string{"reference-greeting", "nano-default-editor", "nano", "strace", "tree", "tmux", "zip", "bash-completion"}

func overrideRemove(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders)
	if err != nil {
		return err
	}
	out, err := probe.OutputWithin(ctx, t, time.Minute, "rpm", leafScript, leaves...)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(out)
	if name == "" {
		return check.Skipf("the base has none of the packages that can be missed: %s", strings.Join(leaves, ", "))
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	o, err := l.d.Override(ctx, host.OverrideOptions{Remove: []string{name}})
	if err := l.did("remove "+name+" of the base", o, err); err != nil {
		return err
	}
	now, err := l.overridden(ctx, was, "removed "+name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(now.Removed, func(n string) bool { return n == name || strings.HasPrefix(n, name+"-") }) {
		return check.Failf("%s status does not list %s as removed from the base, only %q", l.d.Tool(), name, strings.Join(now.Removed, " "))
	}
	if err := l.absent(ctx, "after its removal from the base and a reboot", name); err != nil {
		return err
	}
	return l.reset(ctx, was, host.OverrideOptions{Reset: []string{name}})
}

// overridden boots the deployment with overrides and makes sure that it is the
// same base with something changed.
func (l *layer) overridden(ctx context.Context, was host.Deployment, done string) (host.Deployment, error) {
	next, err := l.pending(ctx, done)
	if err != nil {
		return next, err
	}
	now, err := l.reboot(ctx, next)
	if err != nil {
		return now, err
	}
	return now, l.onTop("booted", now, was.BaseChecksum)
}

// reset takes overrides back; the deployment for the next boot must be the base.
func (l *layer) reset(ctx context.Context, was host.Deployment, options host.OverrideOptions) error {
	o, err := l.d.Override(ctx, options)
	if err := l.did("reset the override", o, err); err != nil {
		return err
	}
	next, err := l.pending(ctx, "reset the override")
	if err != nil {
		return err
	}
	if len(next.Removed)+len(next.Replaced) > 0 {
		return check.Failf("%s says it reset the override, and the pending deployment still has %d removed and %d replaced packages",
			l.d.Tool(), len(next.Removed), len(next.Replaced))
	}
	return l.bare("pending", next, was.BaseChecksum)
}
