package layering

import (
	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, refusal{
	name: "file-clash", title: "two packages that have the same file with other content are refused",
	what: "two packages that have the same file with other content", purposes: []string{hello, clashing},
	reasons: []host.Reason{host.Conflict}, names: packages(hello), ask: installing(hello, clashing),
}.check())
