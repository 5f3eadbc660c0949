package capacity

import (
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

const mem16 = "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:   12582912 kB\n"

func TestHostLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		root fs.FS
		cpus int
		disk int
		want Limits
	}{
		"no cgroup": {files("proc/meminfo", mem16), 4, 100000, Limits{12288 - 1638, 8, 95000}},
		"small host": {files("proc/meminfo", "MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\n"), 1, 2000,
			Limits{1024 - 256, 2, 1500}},
		"cgroup 2": {files("proc/meminfo", mem16, "proc/self/cgroup", "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max", "max\n",
			"sys/fs/cgroup/a/memory.max", "4294967296\n", "sys/fs/cgroup/a/memory.current", "2147483648\n",
			"sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 1073741824\n",
			"sys/fs/cgroup/a/cpu.max", "150000 100000\n", "sys/fs/cgroup/a/b/cpu.max", "max 100000\n"), 8, 100000,
			Limits{3072 - 768, 4, 95000}},
		"cgroup 1": {files("proc/meminfo", mem16, "proc/self/cgroup", "4:memory:/x\n1:cpu,cpuacct:/y\n0::/\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "8589934592\n", "sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n",
			"sys/fs/cgroup/cpu/y/cpu.cfs_quota_us", "50000\n", "sys/fs/cgroup/cpu/y/cpu.cfs_period_us", "100000\n"), 8, 100000,
			Limits{8192 - 1638, 2, 95000}},
		"cgroup rubbish": {files("proc/meminfo", mem16, "proc/self/cgroup", "0::/../..\nx\n::\n",
			"sys/fs/cgroup/memory.max", "-7\n", "sys/fs/cgroup/cpu.max", "0 0\n"), 4, 100000, Limits{12288 - 1638, 8, 95000}},
	} {
		got, err := hostLimits(tt.root, tt.cpus, tt.disk)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tt.want)
		}
	}
	if _, err := hostLimits(files("proc/meminfo", "MemTotal: x\n"), 1, 1); err == nil {
		t.Error("an unreadable meminfo passes")
	}
}

func TestThisHostHasLimits(t *testing.T) {
	l, err := HostLimits(filepath.Join(t.TempDir(), "not", "there", "yet"))
	if err != nil || l.MemoryMiB < 1 || l.CPUs < 2 || l.DiskMiB < 0 {
		t.Errorf("%+v, %v", l, err)
	}
}
