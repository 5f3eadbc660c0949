package layering

import (
	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, refusal{
	name: "conflicting", title: "two packages that conflict are refused",
	what: "two packages that conflict with each other", purposes: []string{hello, conflicting},
	reasons: []host.Reason{host.Conflict}, names: packages(conflicting), ask: installing(hello, conflicting),
}.check())
