package containers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "resource-limits", Title: "limits on memory, processors, processes and block I/O hold in the container's cgroup", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, resourceLimits) },
})

// cgroupScript prints what the kernel enforces on the container it runs in, by
// the file names of cgroup version 2 and 1, and the size of /dev/shm.
const cgroupScript = `
cd /sys/fs/cgroup
for f in memory.max memory.low memory.swap.max cpu.weight cpu.max cpuset.cpus cpuset.mems pids.max io.weight io.bfq.weight \
	memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes memory/memory.memsw.limit_in_bytes \
	cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset/cpuset.cpus cpuset/cpuset.mems pids/pids.max \
	blkio/blkio.weight blkio/blkio.bfq.weight; do
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
		"--cpu-shares", "512", "--cpu-period", "100000", "--cpu-quota", "50000", "--cpuset-cpus", "0", "--cpuset-mems", "0",
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
	// Engines drop a limit that the kernel cannot hold with a warning alone.
	if lost := missingLimits(probe.Pairs(out)); len(lost) > 0 {
		return check.FailWith(out, "limits do not hold: the kernel or the engine has none on %s", strings.Join(lost, ", "))
	}
	return blockWeight(ctx, e, ref)
}

// hostWeightScript lists where the kernel offers to share out block I/O by
// weight: not without the bfq scheduler or iocost.
const hostWeightScript = `
for f in /sys/fs/cgroup/system.slice/io.weight /sys/fs/cgroup/system.slice/io.bfq.weight \
	/sys/fs/cgroup/blkio/blkio.weight /sys/fs/cgroup/blkio/blkio.bfq.weight; do
	[ -e $f ] && echo $f
done
exit 0`

// blockWeight is the tenth limit, for itself: many kernels have no such thing,
// and then some runtimes refuse it and others ignore it.
func blockWeight(ctx context.Context, e engine.Engine, ref string) error {
	offered, err := probe.Output(ctx, e.Guest(), "sh", hostWeightScript)
	if err != nil {
		return err
	}
	args := []string{"run", "--rm", "--blkio-weight", "500", ref, "sh", "-c", cgroupScript}
	r, err := e.Run(ctx, args...)
	if err != nil {
		return err
	}
	if !r.OK() {
		if offered == "" {
			e.Guest().Log("%s: the kernel shares out no block I/O by weight", e.Name)
			return nil
		}
		return e.Failed(ctx, "run a container with a weight for block I/O", args, r)
	}
	seen, held := weights(probe.Pairs(r.Stdout))
	switch {
	case seen == "" && offered == "":
		e.Guest().Log("%s: the kernel shares out no block I/O by weight", e.Name)
	case seen == "":
		return check.FailWith(offered+r.Stdout, "limits do not hold: --blkio-weight 500 sets no weight, though the kernel has it (%s)", strings.Join(probe.Lines(offered), ", "))
	case !held:
		return check.FailWith(r.Stdout, "limits do not hold: --blkio-weight 500 leaves the usual weight (%s)", seen)
	}
	return nil
}

// weights are those for block I/O, and whether one of them is another than the
// usual: version 2 turns 500 into a number of another range.
func weights(got map[string]string) (seen string, held bool) {
	usual := map[string]string{"io.weight": "100", "io.bfq.weight": "100", "blkio/blkio.weight": "", "blkio/blkio.bfq.weight": ""}
	for _, name := range []string{"io.weight", "io.bfq.weight", "blkio/blkio.weight", "blkio/blkio.bfq.weight"} {
		v, ok := got[name]
		if !ok {
			continue
		}
		v = strings.TrimPrefix(v, "default ")
		if usual[name] == "" {
			held = held || v == "500"
		} else {
			held = held || v != usual[name]
		}
		seen = strings.TrimSpace(seen + " " + name + "=" + v)
	}
	return seen, held
}

// missingLimits are those that every kernel fit for containers holds, and of
// which the container's cgroup has no file, of neither version.
func missingLimits(got map[string]string) (lost []string) {
	for _, l := range []struct {
		what  string
		files []string
	}{
		{"memory", []string{"memory.max", "memory/memory.limit_in_bytes"}},
		{"processor time", []string{"cpu.max", "cpu/cpu.cfs_quota_us"}},
	} {
		if !slices.ContainsFunc(l.files, func(f string) bool { _, there := got[f]; return there }) {
			lost = append(lost, l.what)
		}
	}
	return lost
}

// compareLimits says which limits differ from what was asked, and how many
// there were to see. A kernel that does not account swap has no such file.
func compareLimits(got map[string]string) (wrong []string, seen int) {
	exact := map[string]string{
		"memory.max": strconv.Itoa(64 * mib), "memory.low": strconv.Itoa(32 * mib), "memory.swap.max": strconv.Itoa(32 * mib),
		"cpu.max": "50000 100000", "cpuset.cpus": "0", "cpuset.mems": "0", "pids.max": "50",
		"memory/memory.limit_in_bytes": strconv.Itoa(64 * mib), "memory/memory.soft_limit_in_bytes": strconv.Itoa(32 * mib),
		"memory/memory.memsw.limit_in_bytes": strconv.Itoa(96 * mib), "cpu/cpu.shares": "512",
		"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000", "cpuset/cpuset.cpus": "0", "cpuset/cpuset.mems": "0", "pids/pids.max": "50",
	}
	for _, name := range []string{"memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpuset.cpus", "cpuset.mems", "pids.max",
		"memory/memory.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "memory/memory.memsw.limit_in_bytes",
		"cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "cpuset/cpuset.cpus", "cpuset/cpuset.mems", "pids/pids.max"} {
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
