package base

import (
	"context"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "sudoers", Title: "the sudo configuration parses", Run: sudoers,
})

const sudoersScript = `
for v in visudo /usr/sbin/visudo; do command -v "$v" >/dev/null 2>&1 && break; v=; done
[ -n "$v" ] || exit 127
LC_ALL=C "$v" -c 2>&1; [ $? -eq 0 ] || echo "FAILED"; exit 0`

func sudoers(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "visudo", sudoersScript)
	if err != nil {
		return err
	}
	lines := probe.Lines(out)
	if len(lines) > 0 && lines[len(lines)-1] == "FAILED" {
		return check.FailWith(out, "visudo -c: %s", probe.OneLine(firstLine(out)))
	}
	return nil
}
