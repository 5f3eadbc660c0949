package base

import (
	"context"
	"fmt"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "tmp-mode", Title: "/tmp and /var/tmp are open to all and sticky (1777)", Run: tmpMode,
})

const tmpScript = `for d in /tmp /var/tmp; do stat -L -c '%a %U %F|%n' "$d" 2>/dev/null || echo "absent|$d"; done`

func tmpMode(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "stat", tmpScript)
	if err != nil {
		return err
	}
	var bad []string
	for _, l := range probe.Lines(out) {
		got, dir, _ := strings.Cut(l, "|")
		switch {
		case got == "absent":
			bad = append(bad, dir+" does not exist")
		case got != "1777 root directory":
			bad = append(bad, fmt.Sprintf("%s is %s, not 1777 root directory", dir, got))
		}
	}
	if len(bad) > 0 {
		return check.Failf("%s", strings.Join(bad, "; "))
	}
	return nil
}
