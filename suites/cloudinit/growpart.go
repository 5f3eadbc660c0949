package cloudinit

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "growpart", Title: "cloud-init's growpart and resizefs modules succeed", Run: growpart,
})

// growScript prints how the two modules ended. "finish:" lines end in SUCCESS,
// WARN or FAIL.
const growScript = need + `
grep -h -E 'finish: [^ ]*/config-(growpart|resizefs)|cc_(growpart|resizefs)\.py\[(WARNING|ERROR|CRITICAL)\]|growpart found|(growpart|resizefs).*(failed|FAIL)' /var/log/cloud-init.log 2>/dev/null | tail -n 50
exit 0`

func growpart(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "cloud-init", growScript)
	if err != nil {
		return err
	}
	ran := false
	for _, l := range probe.Lines(out) {
		switch {
		case strings.Contains(l, "finish: ") && strings.Contains(l, ": SUCCESS"):
			ran = true
		case isBenign(l):
			t.Log("passed over: %s", probe.OneLine(l))
		case strings.Contains(l, "[WARNING]"), strings.Contains(l, "[ERROR]"), strings.Contains(l, "[CRITICAL]"),
			strings.Contains(l, ": FAIL"), strings.Contains(l, ": WARN"):
			return check.FailWith(out, "growing the disk failed: %s", probe.OneLine(l))
		}
	}
	if !ran {
		return check.Skipf("the image does not grow its disk with cloud-init")
	}
	return nil
}
