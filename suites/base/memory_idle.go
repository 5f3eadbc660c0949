package base

import (
	"context"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "memory-idle", Title: "an idle system leaves memory to its user", Advisory: true, Run: memoryIdle,
})

// idleBudget is what an idle host may hold, in bytes: twice what a minimal
// container host takes.
const idleBudget = 512 << 20

const memoryScript = `sed -n 's/^\(MemTotal\|MemAvailable\): *\([0-9]*\) kB/\1=\2/p' /proc/meminfo
ps -eo rss=,comm= --sort=-rss 2>/dev/null | head -n 5 | sed 's/^/top /'`

func memoryIdle(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sed", memoryScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	total, available := number(p["MemTotal"])<<10, number(p["MemAvailable"])<<10
	if total == 0 || available == 0 {
		return check.Skipf("the kernel does not say how much memory is available")
	}
	used := total - available
	t.Log("%s of %s are in use", size(used), size(total))
	if used > idleBudget {
		return check.FailWith(out, "%s of memory are in use on an idle system, more than %s", size(used), size(idleBudget))
	}
	return nil
}
