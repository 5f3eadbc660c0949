package layering

import (
	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, refusal{
	name: "failing-script", title: "a package whose script fails is refused",
	what: "a package whose script fails", purposes: []string{failing}, reasons: []host.Reason{host.ScriptFailed},
	names: packages(failing), ask: installing(failing),
}.check())
