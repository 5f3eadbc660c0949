package layering

import (
	"context"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "live-apply", Title: "a layered package can be applied to the running system, where that is offered",
	Isolated: true, Limit: 8 * time.Minute, Run: liveApply,
})

// liveScript prints the words of the command that applies the pending
// deployment, by which version of rpm-ostree it is.
const liveScript = `if rpm-ostree --help 2>&1 | grep -q '^  *apply-live '; then echo apply-live
elif rpm-ostree ex --help 2>&1 | grep -q '^  *livefs '; then
	if rpm-ostree ex livefs --help 2>&1 | grep -q i-like-danger; then echo ex livefs --i-like-danger; else echo ex livefs; fi
fi`

func liveApply(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders, hello)
	if err != nil {
		return err
	}
	out, err := probe.Output(ctx, t, "rpm-ostree", liveScript)
	if err != nil {
		return err
	}
	command := strings.Fields(out)
	if len(command) == 0 {
		return check.Skipf("this rpm-ostree applies nothing to the running system")
	}
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	if err := l.install(ctx, hello); err != nil {
		return err
	}
	r, err := t.Run(ctx, guest.Command{Args: append([]string{"rpm-ostree"}, command...), Limit: 3 * time.Minute})
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.FailWith(r.Stdout+r.Stderr, "rpm-ostree %s fails with one more package pending: %s", strings.Join(command, " "), probe.OneLine(r.Said()))
	}
	if err := l.runs(ctx, l.name(hello), "hello"); err != nil {
		return err
	}
	now, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if now.LiveCommit == "" {
		return check.Failf("packages were applied to the running system, and %s status does not tell of it", l.d.Tool())
	}
	return nil
}
