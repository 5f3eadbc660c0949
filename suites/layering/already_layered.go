package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "already-layered", Title: "a package that is layered already is refused, and accepted with --idempotent",
	Isolated: true, Limit: 8 * time.Minute, Run: alreadyLayered,
})

func alreadyLayered(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, hello)
	if err != nil {
		return err
	}
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	if err := l.install(ctx, hello); err != nil {
		return err
	}
	err = refusal{
		what: "a package that is layered already", reasons: []host.Reason{host.AlreadyLayered, host.NoChange},
		names: packages(hello), ask: installing(hello),
	}.judge(ctx, l)
	if err != nil {
		return err
	}
	o, err := l.d.Install(ctx, host.LayerOptions{Packages: l.names([]string{hello}), Idempotent: true})
	if err == nil {
		o.Changed = true // "No change." is as good
	}
	return l.did("take a repeated request with --idempotent", o, err)
}
