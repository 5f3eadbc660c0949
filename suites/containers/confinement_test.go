package containers

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/suitetest"
)

func TestResourceLimits(t *testing.T) {
	const v2 = "memory.max=67108864\nmemory.low=33554432\nmemory.swap.max=33554432\ncpu.weight=59\ncpu.max=50000 100000\ncpuset.cpus=0\npids.max=50\nshm=16384\n"
	const v1 = "memory/memory.limit_in_bytes=67108864\ncpu/cpu.shares=512\ncpuset/cpuset.cpus=0\npids/pids.max=50\nshm=16384\n"
	say := func(out string) plans { return prints(out, "run", "--rm", "--memory", rest) }
	suitetest.Run(t, "containers/resource-limits", []suitetest.Case{
		passes(say(v2)), {Name: "version 1", Guest: with(say(v1))},
		fails("memory", "memory.max is max, not 67108864", say("memory.max=max\npids.max=50\n")),
		fails("weight", "cpu.weight is 100 for 512 shares", say("cpu.weight=100\n")),
		fails("shm", "/dev/shm has 64000 KiB", say("pids.max=50\nshm=64000\n")),
		fails("none", "sees no cgroup files", say("shm=16384\n")),
		fails("refused", "cannot run a container with limits: Error: crun: controller", exits(126, "Error: crun: controller `pids` is not available\n", "run", "--rm", "--memory", rest)),
		no,
	})
}

func TestUnprivileged(t *testing.T) {
	const good = "uid=1000\nCapInh=0000000000000000\nCapPrm=0000000000000000\nCapEff=0000000000000000\nCapBnd=00000000800405fb\n"
	say := func(out string) plans {
		return func(g *guesttest.Fake) { folders(g); prints(out, "run", "--rm", "--user", "1000:1000", rest)(g) }
	}
	suitetest.Run(t, "containers/unprivileged", []suitetest.Case{
		passes(say(good)),
		fails("root", `runs as user "0"`, say("uid=0\nCapEff=0\n")),
		fails("capable", "has capabilities (CapEff 00000000800405fb", say("uid=1000\nCapPrm=00000000800405fb\nCapEff=00000000800405fb\n")),
		fails("reads", "reads a file of mode 0600", say(good+"for root\nread=1\n")),
		{Name: "no words", Want: reports.Skipped, Guest: with(say("uid=1000\n"))},
		no,
	})
}

func TestSeccomp(t *testing.T) {
	plain := []string{"run", "--rm", busyboxRef, "sh", "-c", filterScript}
	open := []string{"run", "--rm", "--security-opt", "seccomp=unconfined", busyboxRef, "sh", "-c", filterScript}
	suitetest.Run(t, "containers/seccomp", []suitetest.Case{
		passes(prints("2\n", plain...), prints("0\n", open...)),
		fails("none", "without a seccomp filter (Seccomp: 0", prints("0\n", plain...)),
		fails("always", "leaves a filter on", prints("2\n", plain...), prints("2\n", open...)),
		{Name: "old kernel", Want: reports.Skipped, Guest: with(prints("\n", plain...))},
		no,
	})
}

func TestReadOnly(t *testing.T) {
	suitetest.Run(t, "containers/read-only", []suitetest.Case{
		passes(prints("ran\n", "run", "--rm", "--read-only", rest)),
		fails("writable", "can be made in the root", prints("writable\nran\n", "run", "--rm", "--read-only", rest)),
		fails("refused", "read-only root: Error: x", exits(125, "Error: x\n", "run", "--rm", "--read-only", rest)),
		no,
	})
}

func TestPrivileged(t *testing.T) {
	raised := []string{"run", "--rm", "--privileged", rest}
	plain := prints("", "run", "--rm", busyboxRef, rest)
	suitetest.Run(t, "containers/privileged", []suitetest.Case{
		passes(prints("id=debian\nmounted=1\n", raised...), plain),
		fails("no tree", "does not see the host's", prints("mounted=1\n", raised...)),
		fails("no mount", "cannot mount", prints("id=\"fedora\"\n", raised...)),
		fails("all may", "without --privileged can mount", prints("id=debian\nmounted=1\n", raised...), prints("mounted=1\n", "run", "--rm", busyboxRef, rest)),
		no,
	})
}
