package capacity

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	mib = 1 << 20
	// oversubscribe is how many virtual CPUs run on one of the host's: guests
	// wait for disks and for each other about half of the time.
	oversubscribe = 2
	// What stays with the host: a tenth of the memory and a twentieth of the
	// disk, and at least this much unless that is more than a quarter.
	reserveMemoryMiB = 1024
	reserveDiskMiB   = 1024
)

// HostLimits says what the guests of this host may use together, now: the memory that is
// available to this process (its cgroup's limits included), twice the CPUs, and the
// free disk where dir is (or will be), each less a reserve for the host.
func HostLimits(dir string) (Limits, error) {
	disk, err := freeDiskMiB(dir)
	if err != nil {
		return Limits{}, fmt.Errorf("cannot find out what the host has: %w", err)
	}
	l, err := hostLimits(os.DirFS("/"), runtime.NumCPU(), disk)
	if err != nil {
		return Limits{}, fmt.Errorf("cannot find out what the host has: %w", err)
	}
	return l, nil
}

func hostLimits(root fs.FS, cpus, diskMiB int) (Limits, error) {
	available, total, err := meminfo(root)
	if err != nil {
		return Limits{}, err
	}
	room, quota := cgroupRoom(root)
	available = min(available, room)
	if quota > 0 {
		cpus = min(cpus, max(1, int(math.Ceil(quota))))
	}
	return Limits{
		MemoryMiB: less(int(available/mib), max(reserveMemoryMiB, int(total/mib/10))),
		CPUs:      cpus * oversubscribe,
		DiskMiB:   less(diskMiB, max(reserveDiskMiB, diskMiB/20)),
	}, nil
}

// less takes the reserve away, but never more than a quarter.
func less(have, reserve int) int { return have - min(reserve, have/4) }

// meminfo reads /proc/meminfo (proc_meminfo(5)), in bytes.
func meminfo(root fs.FS) (available, total int64, err error) {
	b, err := readSmall(root, "proc/meminfo")
	if err != nil {
		return 0, 0, err
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/1024 {
			continue
		}
		switch f[0] {
		case "MemAvailable:":
			available = n * 1024
		case "MemTotal:":
			total = n * 1024
		}
	}
	if available == 0 || total == 0 {
		return 0, 0, errors.New("cannot read /proc/meminfo: no MemAvailable or no MemTotal in it")
	}
	return available, total, nil
}

// cgroupRoom returns the bytes that this process's cgroups still allow and
// the CPUs they grant (0: no limit). cgroups(7): version 2 in one tree, version 1
// in one per controller.
func cgroupRoom(root fs.FS) (memory int64, cpus float64) {
	memory = math.MaxInt64
	b, err := readSmall(root, "proc/self/cgroup")
	if err != nil {
		return memory, 0
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			eachParent("sys/fs/cgroup", f[2], func(dir string) {
				memory = min(memory, room(root, dir, "memory.max", "memory.current", "inactive_file"))
				cpus = tighter(cpus, cpuMax(root, dir))
			})
		case hasController(f[1], "memory"):
			eachParent("sys/fs/cgroup/memory", f[2], func(dir string) {
				memory = min(memory, room(root, dir, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
			})
		case hasController(f[1], "cpu"):
			eachParent("sys/fs/cgroup/cpu", f[2], func(dir string) {
				q, p := number(root, path.Join(dir, "cpu.cfs_quota_us")), number(root, path.Join(dir, "cpu.cfs_period_us"))
				if q > 0 && p > 0 {
					cpus = tighter(cpus, float64(q)/float64(p))
				}
			})
		}
	}
	return memory, cpus
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// eachParent visits a cgroup and all above it; a limit of any of them counts.
func eachParent(top, group string, visit func(dir string)) {
	for g := path.Clean("/" + group); ; g = path.Dir(g) {
		visit(path.Join(top, g))
		if g == "/" {
			return
		}
	}
}

// room is limit less usage, where cache that the kernel would give up is no usage.
func room(root fs.FS, dir, limitName, usageName, cacheName string) int64 {
	limit := number(root, path.Join(dir, limitName))
	// Version 1 writes "no limit" as a number near the largest.
	if limit <= 0 || limit > math.MaxInt64/2 {
		return math.MaxInt64
	}
	usage := number(root, path.Join(dir, usageName))
	var cache int64
	if b, err := readSmall(root, path.Join(dir, "memory.stat")); err == nil {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, cacheName+" "); ok {
				cache, _ = strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			}
		}
	}
	return max(0, limit-max(0, usage-max(0, cache)))
}

// number reads a file with one number; -1 when it holds none ("max").
func number(root fs.FS, name string) int64 {
	b, err := readSmall(root, name)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// cpuMax reads "QUOTA PERIOD" or "max PERIOD".
func cpuMax(root fs.FS, dir string) float64 {
	b, err := readSmall(root, path.Join(dir, "cpu.max"))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) != 2 {
		return 0
	}
	q, errQ := strconv.ParseFloat(f[0], 64)
	p, errP := strconv.ParseFloat(f[1], 64)
	if errQ != nil || errP != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}

func tighter(a, b float64) float64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

func readSmall(root fs.FS, name string) ([]byte, error) {
	f, err := root.Open(strings.TrimPrefix(path.Clean(name), "/"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	n := 0
	for n < len(b) {
		m, err := f.Read(b[n:])
		n += m
		if err != nil {
			break
		}
	}
	return b[:n], nil
}

// freeDiskMiB asks the file system that holds dir, or the nearest folder above
// it that exists.
func freeDiskMiB(dir string) (int, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, err
	}
	for {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return int(st.Bavail * uint64(st.Bsize) / mib), nil
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || up == dir {
			return 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
		}
		dir = up
	}
}
