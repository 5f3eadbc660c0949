package layering

import (
	"context"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, refusal{
	name: "not-requested", title: "the uninstall of a package that is not layered is refused",
	what: "to uninstall a package that is not layered", reasons: []host.Reason{host.NotRequested, host.NotInstalled, host.UnknownPackage},
	names: func(*layer) []string { return []string{nowhere} },
	ask: func(ctx context.Context, l *layer) (host.Outcome, error) {
		return l.d.Uninstall(ctx, host.LayerOptions{Packages: []string{nowhere}})
	},
}.check())
