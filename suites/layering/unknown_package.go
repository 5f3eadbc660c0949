package layering

import (
	"context"

	"assay/harness/host"
	"assay/suites/check"
)

// nowhere is a package that no repository has.
const nowhere = "assay-no-such-package"

var _ = check.Register(suite, refusal{
	name: "unknown-package", title: "a package that no repository has is refused by its name",
	what: "a package that no repository has", purposes: []string{hello}, reasons: []host.Reason{host.UnknownPackage},
	names: func(*layer) []string { return []string{nowhere} },
	ask: func(ctx context.Context, l *layer) (host.Outcome, error) {
		return l.d.Install(ctx, host.LayerOptions{Packages: []string{nowhere}})
	},
}.check())
