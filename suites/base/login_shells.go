package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "login-shells", Title: "the shells of root and of people's accounts are there and run", Run: loginShells,
})

// shellScript prints accounts whose shell does not run: root's and those of
// people. System accounts have what is no shell.
const shellScript = `
command -v getent >/dev/null 2>&1 || exit 127
getent passwd | while IFS=: read -r name _ id _ _ _ shell; do
	[ "$id" = 0 ] || { [ "$id" -ge 1000 ] && [ "$id" -lt 60000 ]; } 2>/dev/null || continue
	case $shell in */nologin|*/false) continue ;; esac
	"${shell:-/bin/sh}" -c 'exit 0' </dev/null >/dev/null 2>&1 || echo "$name ${shell:-/bin/sh}"
done
exit 0`

func loginShells(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "getent", shellScript)
	if err != nil {
		return err
	}
	var bad []string
	for _, l := range probe.Lines(out) {
		name, shell, _ := strings.Cut(l, " ")
		bad = append(bad, "account "+name+" cannot log in: its shell "+shell+" does not run")
	}
	if len(bad) > 0 {
		return check.FailWith(out, "%s", probe.Some(bad))
	}
	return nil
}
