package base

import (
	"fmt"
	"regexp"
	"strings"

	"assay/suites/probe"
)

// sudoRule is a line of sudo's list: whom the account may become, and what
// follows: "(ALL : ALL) NOPASSWD: ALL".
var sudoRule = regexp.MustCompile(`^\(([^)]*)\) (.*)$`)

// sudoForAll are rules that hold for everybody: without a password, or for every
// command. With targetpw or rootpw, as openSUSE has it, who calls must know
// another's password, and the second kind gives nothing away.
func sudoForAll(lines []string) (bad []string) {
	settings, rules, _ := strings.Cut(strings.Join(lines, "\n"), "may run the following commands")
	guarded := strings.Contains(settings, "targetpw") || strings.Contains(settings, "rootpw")
	for _, l := range probe.Lines(rules) {
		m := sudoRule.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		if free := strings.Contains(m[2], "NOPASSWD:"); free || !guarded && (m[2] == "ALL" || strings.HasSuffix(m[2], ": ALL")) {
			bad = append(bad, fmt.Sprintf("sudo lets every account run commands as another (%s); name the users or the group", l))
		}
	}
	return bad
}
