package runtime

import (
	"strings"

	"assay/suites/probe"
)

// unitState is one line of unitsScript.
type unitState struct {
	enabled, active, result string
}

// units reads what unitsScript prints: "docker.service=enabled active success".
func units(out string) map[string]unitState {
	all := map[string]unitState{}
	for name, v := range probe.Pairs(out) {
		f := strings.Fields(v)
		for len(f) < 3 {
			f = append(f, "")
		}
		all[name] = unitState{f[0], f[1], f[2]}
	}
	return all
}
