package layering

import (
	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, refusal{
	name: "unsigned", title: "an unsigned package from a repository with gpgcheck=1 is refused",
	what: "an unsigned package from a repository with gpgcheck=1", purposes: []string{unsigned},
	reasons: []host.Reason{host.Unsigned}, names: packages(unsigned), ask: installing(unsigned),
}.check())
