package layering

import (
	"context"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, refusal{
	name: "non-root", title: "an ordinary user cannot layer a package",
	what: "a package that an ordinary user asks for", purposes: []string{hello}, reasons: []host.Reason{host.NotPrivileged},
	ask: func(ctx context.Context, l *layer) (host.Outcome, error) {
		return l.d.As(l.t.Env.User).Install(ctx, host.LayerOptions{Packages: l.names([]string{hello})})
	},
}.check())
