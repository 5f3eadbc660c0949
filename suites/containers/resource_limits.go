package containers

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "resource-limits", Title: "limits on memory, processors and processes hold in the container's cgroup", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, resourceLimits) },
})

// cgroupScript prints what the kernel enforces on the container it runs in, by
// the file names of cgroup version 2 and 1, and the size of /dev/shm.
const cgroupScript = `
cd /sys/fs/cgroup
for f in memory.max memory.low memory.swap.max cpu.weight cpu.max cpuset.cpus pids.max \
	memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes memory/memory.memsw.limit_in_bytes \
	cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset/cpuset.cpus pids/pids.max; do
	[ -r $f ] && echo "$f=$(cat $f)"
done
echo "shm=$(df -k /dev/shm | tail -n 1 | tr -s ' ' | sed 's/^[^ ]* \([0-9]*\) .*/\1/')"`

const mib = 1 << 20

func resourceLimits(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container with limits", "run", "--rm",
		"--memory", "64m", "--memory-reservation", "32m", "--memory-swap", "96m",
		"--cpu-shares", "512", "--cpu-period", "100000", "--cpu-quota", "50000", "--cpuset-cpus", "0",
		"--pids-limit", "50", "--shm-size", "16m", ref, "sh", "-c", cgroupScript)
	if err != nil {
		return err
	}
	wrong, seen := compareLimits(probe.Pairs(out))
	if seen == 0 {
		return check.FailWith(out, "the container sees no cgroup files: no limit can hold")
	}
	if len(wrong) > 0 {
		return check.FailWith(out, "limits do not hold: %s", probe.Some(wrong))
	}
	return nil
}

// compareLimits says which limits differ from what was asked, and how many
// there were to see. A kernel that does not account swap has no such file.
func compareLimits(got map[string]string) (wrong []string, seen int) {
	exact := map[string]string{
		"memory.max": strconv.Itoa(64 * mib), "memory.low": strconv.Itoa(32 * mib), "memory.swap.max": strconv.Itoa(32 * mib),
		"cpu.max": "50000 100000", "cpuset.cpus": "0", "pids.max": "50",
		"memory/memory.limit_in_bytes": strconv.Itoa(64 * mib), "memory/memory.soft_limit_in_bytes": strconv.Itoa(32 * mib),
		"memory/memory.memsw.limit_in_bytes": strconv.Itoa(96 * mib), "cpu/cpu.shares": "512",
		"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000", "cpuset/cpuset.cpus": "0", "pids/pids.max": "50",
	}
	for _, name := range []string{"memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpuset.cpus", "pids.max",
		"memory/memory.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "memory/memory.memsw.limit_in_bytes",
		"cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "cpuset/cpuset.cpus", "pids/pids.max"} {
		if v, ok := got[name]; ok {
			seen++
			if v != exact[name] {
				wrong = append(wrong, fmt.Sprintf("%s is %s, not %s", name, v, exact[name]))
			}
		}
	}
	// Half the usual shares. Runtimes turn shares into a weight by two formulas:
	// 20 by the old one, 59 by the new.
	if v, ok := got["cpu.weight"]; ok {
		seen++
		if w, err := strconv.Atoi(v); err != nil || w < 10 || w >= 100 {
			wrong = append(wrong, fmt.Sprintf("cpu.weight is %s for 512 shares, not less than the usual 100", v))
		}
	}
	if v := strings.TrimSpace(got["shm"]); v != "" && v != strconv.Itoa(16*1024) {
		wrong = append(wrong, fmt.Sprintf("/dev/shm has %s KiB, not 16384", v))
	}
	return wrong, seen
}
