package containers

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/suitetest"
)

func TestResourceLimits(t *testing.T) {
	const v2 = "memory.max=67108864\nmemory.low=33554432\nmemory.swap.max=33554432\ncpu.weight=59\ncpu.max=50000 100000\ncpuset.cpus=0\ncpuset.mems=0\npids.max=50\nshm=16384\n"
	const v1 = "memory/memory.limit_in_bytes=67108864\ncpu/cpu.shares=512\ncpu/cpu.cfs_quota_us=50000\ncpuset/cpuset.cpus=0\ncpuset/cpuset.mems=0\npids/pids.max=50\nshm=16384\n"
	weight := func(host string, run plans) plans {
		return func(g *guesttest.Fake) {
			g.On("sh", "-c", hostWeightScript, "sh").Prints(host)
			run(g)
		}
	}
	byWeight := []string{"run", "--rm", "--blkio-weight", "500", rest}
	say := func(out string) plans {
		return func(g *guesttest.Fake) {
			weight("/sys/fs/cgroup/system.slice/io.weight\n", prints("io.weight=default 4950\n", byWeight...))(g)
			prints(out, "run", "--rm", "--memory", rest)(g)
		}
	}
	refusesWeight := exits(126, "Error: crun: open `io.weight`: No such file or directory\n", byWeight...)
	suitetest.Run(t, "containers/resource-limits", []suitetest.Case{
		passes(say(v2)), {Name: "version 1", Guest: with(say(v1))},
		{Name: "weight of version 1", Guest: with(say(v1), weight("/x\n", prints("blkio/blkio.weight=500\n", byWeight...)))},
		{Name: "weight by bfq", Guest: with(say(v2), weight("/x\n", prints("io.weight=default 100\nio.bfq.weight=default 500\n", byWeight...)))},
		{Name: "no weights, ignored", Guest: with(say(v2), weight("", prints("shm=1\n", byWeight...)))},
		{Name: "no weights, refused", Guest: with(say(v2), weight("", refusesWeight))},
		fails("weight refused", "cannot run a container with a weight for block I/O: Error: crun", say(v2), weight("/x\n", refusesWeight)),
		fails("weight not set", "sets no weight, though the kernel has it (/x)", say(v2), weight("/x\n", prints("shm=1\n", byWeight...))),
		fails("weight lost", "leaves the usual weight (io.weight=100)", say(v2), weight("/x\n", prints("io.weight=default 100\n", byWeight...))),
		fails("weight of version 1 lost", "(blkio/blkio.weight=1000)", say(v1), weight("/x\n", prints("blkio/blkio.weight=1000\n", byWeight...))),
		fails("memory nodes", "cpuset.mems is 0-1, not 0", say("cpuset.mems=0-1\n")),
		fails("memory", "memory.max is max, not 67108864", say("memory.max=max\npids.max=50\n")),
		fails("weight", "cpu.weight is 100 for 512 shares", say("cpu.weight=100\n")),
		fails("shm", "/dev/shm has 64000 KiB", say("pids.max=50\nshm=64000\n")),
		fails("no memory controller", "has none on memory", say("cpu.max=50000 100000\npids.max=50\n")),
		fails("memory alone", "has none on processor time", say("memory.max=67108864\n")),
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

func TestConfined(t *testing.T) {
	const caps, all, label = "CapEff=00000000800405fb\n", "CapEff=000001ffffffffff\n", "context=system_u:system_r:container_t:s0:c1,c2\n"
	say := func(enforcing, out string) plans {
		return func(g *guesttest.Fake) {
			g.On("sh", "-c", enforcingScript, "sh").Prints(enforcing)
			prints(out, "run", "--rm", busyboxRef, "sh", "-c", confinedScript)(g)
		}
	}
	suitetest.Run(t, "containers/confined", []suitetest.Case{
		passes(say("enforcing\n", caps+label)),
		{Name: "Atomic Host", Guest: with(say("enforcing\n", caps+"context=system_u:system_r:svirt_lxc_net_t:s0:c5,c6\n"))},
		{Name: "AppArmor", Guest: with(say("", caps+"context=containers-default-0.62.2 (enforce)\n"))},
		{Name: "neither", Guest: with(say("", caps+"context=\n"))},
		fails("administers the system", "asked for nothing has CAP_SYS_ADMIN (CapEff 00000000802405fb", say("", "CapEff=00000000802405fb\n")),
		fails("has everything", "CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_ADMIN", say("enforcing\n", all+label)),
		fails("no label", `runs as "unconfined_u:unconfined_r:spc_t:s0", not as container_t`, say("enforcing\n", caps+"context=unconfined_u:unconfined_r:spc_t:s0\n")),
		fails("no context", `runs as "", not as container_t`, say("enforcing\n", caps+"context=\n")),
		{Name: "no words", Want: reports.Skipped, Guest: with(say("enforcing\n", "context=\n"))},
		no,
	})
}

func TestSeccomp(t *testing.T) {
	plain := []string{"run", "--rm", busyboxRef, "sh", "-c", filterScript}
	open := []string{"run", "--rm", "--security-opt", "seccomp=unconfined", busyboxRef, "sh", "-c", filterScript}
	reached := prints("{}\n", "run", "--rm", "--security-opt", "seccomp=unconfined", busyboxRef, "sh", "-c", guesttest.Containing("wget"), "sh", "30", "http://192.168.127.1:5000/v2/")
	suitetest.Run(t, "containers/seccomp", []suitetest.Case{
		passes(reached, prints("2\n", plain...), prints("0\n", open...)),
		fails("no network", "cannot reach the network from a container without seccomp: wget: bad address", prints("2\n", plain...),
			func(g *guesttest.Fake) { g.On("sh", "-c", engine.FetchScript, rest) },
			exits(1, "wget: bad address\n", "run", "--rm", "--security-opt", rest), prints("0\n", open...)),
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

func TestHostTools(t *testing.T) {
	inside := []string{"run", "--rm", "--privileged", "-v", "/:/host", "-e", guesttest.Any, busyboxRef, "chroot", "/host", "podman", "--version"}
	version := prints("podman version 5.4.2\n", "--version")
	docker := func(server string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", engine.DetectScript, "sh").Prints("docker\n")
			g.On("docker", "image", "inspect", rest).Prints("sha256:x\n")
			g.On("docker", "version", rest).Prints("26.1.5\n")
			g.On("docker", "run", rest).Prints(server)
		}
	}
	suitetest.Run(t, "containers/host-tools", []suitetest.Case{
		passes(version, prints("podman version 5.4.2\n", inside...)),
		{Name: "docker", Guest: docker("26.1.5\n")},
		{Name: "another docker", Want: reports.Failed, Says: []string{`"26.1.5", and "1.13" when`}, Guest: docker("1.13\n")},
		fails("no chroot", "cannot run the host's engine from a privileged container: chroot: can't", version, exits(127, "chroot: can't execute 'podman'\n", inside...)),
		fails("no version", "cannot tell its version", exits(125, "Error: x\n", "--version")),
		no,
	})
}

func TestUserNamespace(t *testing.T) {
	const mapped = "         0     200000       1000\n"
	run := []string{"run", "--rm", "--uidmap", "0:200000:1000", "--gidmap", rest}
	good := func(g *guesttest.Fake) {
		folders(g)
		g.On("sh", "-c", remapScript, "sh", "podman")
		prints("", "pull", rest)(g)
		prints(mapped, run...)(g)
	}
	docker := func(restart int, out string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			folders(g)
			g.On("sh", "-c", engine.DetectScript, "sh").Prints("docker\n")
			g.On("sh", "-c", remapScript, "sh", "docker")
			g.HasFile("/etc/docker/daemon.json", `{"insecure-registries":["192.168.127.1:5000"]}`)
			g.TakesFile("/etc/docker/daemon.json")
			g.Logs()
			g.On("systemctl", "restart", "docker.service").Exits(restart).Says("Job failed\n")
			g.On("docker", "pull", busyboxRef)
			g.On("docker", "run", "--rm", "-v", rest).Prints(out)
		}
	}
	suitetest.Run(t, "containers/user-namespace", []suitetest.Case{
		passes(good),
		{Name: "docker", Guest: docker(0, "0 200000 65536\n")},
		{Name: "docker ignores it", Want: reports.Failed, Says: []string{"docker: root in the container is the host's root"}, Guest: docker(0, "0 0 4294967295\n")},
		{Name: "docker does not start", Want: reports.Failed, Says: []string{"docker does not start with userns-remap dockremap"}, Guest: docker(1, "")},
		fails("same root", "is the host's root (user map 0 0 4294967295)", good, prints("0 0 4294967295\n", run...)),
		fails("reads", "reads a file that is the host's root's", good, prints(mapped+"for the host's root\nread=1\n", run...)),
		fails("no map", "cannot be read", good, prints("", run...)),
		fails("refused", "cannot run a container in a user namespace: Error: x", good, exits(125, "Error: x\n", run...)),
		{Name: "no namespaces", Want: reports.Skipped, Says: []string{"no user namespaces"}, Guest: with(good, func(g *guesttest.Fake) {
			g.On("sh", "-c", remapScript, "sh", "podman").Prints("the kernel makes no user namespaces\n")
		})},
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
