package base

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "boot-time", Title: "the first boot is within its time budget", Advisory: true, Run: bootTime,
})

// bootBudget is for kernel, initrd and userspace of a first boot on a KVM host,
// cloud-init's work included. Three times what a cloud image takes.
const bootBudget = 60 * time.Second

func bootTime(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "systemd-analyze", "systemd-analyze time 2>&1 || exit "+missing)
	if err != nil {
		return err
	}
	total, ok := analyzeTotal(out)
	if !ok {
		return check.Skipf("systemd-analyze gives no total: %s", probe.Clip(strings.TrimSpace(firstLine(out)), 200))
	}
	budget := t.Scaled(bootBudget)
	if total <= budget {
		return nil
	}
	blame, err := guest.Ask(ctx, t, "systemd-analyze", "blame", "--no-pager")
	if err != nil {
		return err
	}
	return check.FailWith(probe.Clip(blame.Stdout, 2000), "the first boot took %s, more than %s; the slowest unit was %s",
		total.Round(time.Second), budget.Round(time.Second), strings.Join(strings.Fields(firstLine(strings.TrimSpace(blame.Stdout))), " "))
}

var (
	analyzeSum  = regexp.MustCompile(`=\s*((?:[\d.]+(?:h|min|ms|s)\s*)+)`)
	analyzePart = regexp.MustCompile(`([\d.]+)(h|min|ms|s)`)
)

// analyzeTotal reads the sum of systemd-analyze time: "... = 1min 2.345s".
func analyzeTotal(s string) (time.Duration, bool) {
	m := analyzeSum.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	units := map[string]time.Duration{"h": time.Hour, "min": time.Minute, "s": time.Second, "ms": time.Millisecond}
	var total time.Duration
	for _, p := range analyzePart.FindAllStringSubmatch(m[1], -1) {
		n, err := strconv.ParseFloat(p[1], 64)
		if err != nil {
			return 0, false
		}
		total += time.Duration(n * float64(units[p[2]]))
	}
	return total, total > 0
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
