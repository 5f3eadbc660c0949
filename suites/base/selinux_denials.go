package base

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "selinux-denials", Title: "SELinux denied nothing", Run: selinuxDenials,
})

// auditScript prints denials from the audit daemon's own log, which keeps what
// the journal may not get.
const auditScript = `grep -h 'avc: *denied' /var/log/audit/audit.log 2>/dev/null | tail -n 200; exit 0`

var denied = regexp.MustCompile(`avc:\s+denied`)

var denial = regexp.MustCompile(`avc:\s+denied\s+\{ ([^}]+) \}.*?(?:comm="?([^" ]+)"?)?(?:.*? (?:path|name)="?([^" ]+)"?)?.* scontext=(\S+) tcontext=(\S+) tclass=(\S+)`)

func selinuxDenials(ctx context.Context, t *check.T) error {
	mode, _, err := selinuxMode(ctx, t)
	if err != nil {
		return err
	}
	if mode == "Disabled" {
		return check.Skipf("SELinux is disabled")
	}
	var lines []string
	entries, err := probe.Search(ctx, t, guest.JournalQuery{}, denied)
	if err != nil {
		return err
	}
	for _, e := range entries {
		lines = append(lines, e.Message)
	}
	out, err := probe.Output(ctx, t, "sh", auditScript)
	if err != nil {
		return err
	}
	lines = append(lines, probe.Lines(out)...)
	if mode == "Enforcing" {
		// What a policy still tries out (a permissive domain) is told and allowed.
		all := len(lines)
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, " permissive=1") })
		if tried := all - len(lines); tried > 0 {
			t.Log("passed over %d lines about permissive domains, which were denied nothing", tried)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	var kinds []string
	for _, l := range lines {
		kinds = appendNew(kinds, describeDenial(l))
	}
	details := ""
	for _, l := range lines {
		details += l + "\n"
	}
	return check.FailWith(probe.Clip(details, 8000), "SELinux denied %s", probe.Some(kinds))
}

// describeDenial says who was denied what: "sshd_t { read } on file of shadow_t (sshd)".
func describeDenial(line string) string {
	m := denial.FindStringSubmatch(line)
	if m == nil {
		return probe.OneLine(line)
	}
	s := fmt.Sprintf("%s { %s } on %s of %s", contextType(m[4]), m[1], m[6], contextType(m[5]))
	if m[2] != "" {
		s += " (process " + m[2]
		if m[3] != "" {
			s += ", " + m[3]
		}
		s += ")"
	}
	return s
}
