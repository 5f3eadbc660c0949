package layering

import (
	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, refusal{
	name: "needy", title: "a package that needs what no repository has is refused",
	what: "a package that needs what no repository has", purposes: []string{needy},
	reasons: []host.Reason{host.Conflict}, names: packages(needy), ask: installing(needy),
}.check())
