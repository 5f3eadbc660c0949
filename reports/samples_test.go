package reports

import (
	"fmt"
	"strings"
	"time"

	"assay/artifact"
)

// The runs that the goldens and the pages are made of: an image that holds
// what it promises, one that does not, and one of which nobody can say.

var sampleStart = time.Date(2026, 11, 12, 4, 2, 11, 0, time.UTC)

// sampleSuites is the names and promises of every case, by criterion.
var sampleSuites = []struct {
	name, criterion, title string
	checks                 string // name: promise, one a line; a leading ! is advisory
}{
	{"base", "S0", "The base system is sound", `boot-complete: the first boot reaches running
failed-units: no unit has failed
flapping-units: no unit restarts again and again
console-clean: the console shows no panic, oops or emergency shell
kernel-log: the kernel's log holds no oops, hung task or I/O error
usr-read-only: /usr cannot be written
machine-id: the machine id is made on first boot
ssh-host-keys: SSH host keys are made on first boot
default-password: no account has a password
listeners: only SSH listens
file-modes: no file is writable by everybody
setuid: only known programs are setuid
passwd-modes: passwd, group, shadow and gshadow have their modes
journal-kept: the journal outlives a reboot
core-dumps: no program dumped core
oom-kills: nothing was killed for want of memory
!ordering-cycle: systemd found no ordering cycle
root-grown: the root file system fills the disk
selinux-enforcing: SELinux is enforcing
selinux-denials: SELinux denied nothing
ostree-deployment: one deployment is booted and none is pending
clock: the clock is near the harness's clock`},
	{"cloud-init", "S9", "cloud-init does what the seed asks", `datasource: cloud-init read the seed
status: cloud-init is done without errors
hostname: the host name is the seed's
user: the seed's user is there and may use sudo
authorized-key: the seed's key opens the user's door
host-key: the seed's SSH host key is used
user-script: the user script ran once
network-config: the network is as the seed asks
!no-warnings: cloud-init warned of nothing`},
	{"storage", "S2", "Container storage is set up", `driver: the storage driver is overlay
graph-root: images live on the grown disk
no-loopback: no loop device backs the storage
survives-reboot: images outlive a reboot
docker-driver: docker's storage driver is overlay2`},
	{"runtime-service", "S3", "The container runtime runs", `podman-info: podman answers
oci-runtime: the OCI runtime is there
socket: the API socket starts on demand
docker-active: the docker service is active
docker-restart: the docker service can be restarted
auto-update-timer: the auto-update timer is known`},
	{"containers", "S4", "Containers run", `pull: an image can be pulled from a registry
run: a container runs and its output is seen
exec: a command runs in a running container
port: a published port answers
volume: a volume is shared with the host
build: an image can be built
remove: containers and images can be removed
unprivileged: an ordinary user's container has no capability
rootless: an ordinary user runs a container
memory-limit: a memory limit holds
cpu-shares: processor shares are set
user-namespace: user ids are mapped
seccomp: the default seccomp profile is on
systemd-unit: a container runs as a systemd service
hundred: a hundred containers can talk to each other
docker-run: docker runs a container`},
}

func sampleImage() Image {
	return Image{
		Name: "atomic-43.20261112.0-x86_64.qcow2", Path: "/srv/nightly/atomic-43.20261112.0-x86_64.qcow2.xz",
		Digest: artifact.Digest("sha256:" + strings.Repeat("4f0c9a1be27d", 5) + "9e31"), Format: artifact.QCOW2, Compression: artifact.XZ,
		Arch: artifact.X8664, Size: 612_884_212, VirtualSize: 10 << 30, Firmware: artifact.UEFI, Stream: "testing",
		OS: "Atomic Host 43 (Nightly)", OSID: "atomic", OSVersion: "43", Kernel: "6.17.4-300.x86_64",
		OSTreeCommit:  "b7c1f09d2e8845aa61c07be7a4cbb30c4d5f0af1c4d53c9ae4c1d9e7a81c52f6",
		OSTreeVersion: "43.20261112.0", OSTreeRef: "atomic/43/x86_64/testing/host",
	}
}

// sampleRun is a healthy run: skips for what the image does not ship.
func sampleRun() *Run {
	run := &Run{
		Version: FormatVersion, ID: "20261112-040211-7f3a", Tool: Tool{Name: "assay", Version: "0.1.0"},
		Command: []string{"assay", "run", "--results", "results", "/srv/nightly/atomic-43.20261112.0-x86_64.qcow2.xz"},
		Host: Host{Arch: artifact.X8664, CPUs: 8, MemoryMiB: 31_872, Accelerator: "kvm", Libvirt: "11.3.0",
			QEMU: "10.0.2", Scale: 1},
		Image: sampleImage(), Started: sampleStart, Finished: sampleStart.Add(4*time.Minute + 7*time.Second),
		Usage: &Usage{CPU: 5200 * time.Millisecond, MaxRSSKiB: 81_400, ChildrenCPU: 3100 * time.Millisecond, ChildrenPeak: 46_200},
	}
	at := 54 * time.Second
	run.Timeline = []Span{
		{Kind: "image", Name: "unpack xz", Start: 0, End: 14 * time.Second, OK: true},
		{Kind: "boot", Name: "cold boot", Guest: "boot", Start: 14 * time.Second, End: 49 * time.Second, OK: true},
		{Kind: "save", Name: "save", Guest: "boot", Start: 49 * time.Second, End: 52 * time.Second, OK: true},
	}
	run.Boots = []Boot{{Guest: "boot", Kind: "cold", Firmware: artifact.UEFI, ToBanner: 31 * time.Second, ToReady: 35 * time.Second,
		Loader: 4100 * time.Millisecond, Kernel: 1900 * time.Millisecond, Initrd: 6200 * time.Millisecond, Userspace: 21400 * time.Millisecond,
		Slowest: []UnitTime{{"cloud-init-local.service", 6800 * time.Millisecond}, {"cloud-init.service", 5100 * time.Millisecond},
			{"dev-vda4.device", 3900 * time.Millisecond}, {"systemd-udev-settle.service", 2800 * time.Millisecond},
			{"NetworkManager-wait-online.service", 2100 * time.Millisecond}, {"podman-clean-transient.service", 640 * time.Millisecond}}}}
	for i, s := range sampleSuites {
		suite := Suite{Name: s.name, Criterion: s.criterion, Title: s.title, Started: sampleStart.Add(at)}
		guest := fmt.Sprintf("fork-%d", i+1)
		begin := at
		for j, l := range strings.Split(s.checks, "\n") {
			name, title, _ := strings.Cut(l, ": ")
			c := Case{ID: CaseID(s.name + "/" + strings.TrimPrefix(name, "!")), Title: title, Outcome: Passed, Blocking: l[0] != '!',
				Started: sampleStart.Add(at), Duration: time.Duration(120+(i*977+j*431)%3900) * time.Millisecond, Guest: guest}
			c.Replay = Replay(run.Image.Path, c.ID)
			switch {
			case strings.Contains(name, "docker"):
				skip(&c, "the image ships no docker")
			case strings.Contains(name, "selinux"):
				skip(&c, "SELinux is not built into the kernel")
			case name == "auto-update-timer":
				skip(&c, "podman-auto-update.timer is not in the image")
			}
			at += c.Duration
			suite.Cases = append(suite.Cases, c)
		}
		suite.Duration = at - begin
		ready := time.Duration(410+i*90) * time.Millisecond
		run.Timeline = append(run.Timeline,
			Span{Kind: "fork", Name: "fork", Guest: guest, Start: begin - 2*time.Second, End: begin, OK: true},
			Span{Kind: "suite", Name: s.name, Guest: guest, Start: begin, End: at, OK: true})
		run.Boots = append(run.Boots, Boot{Guest: guest, Kind: "fork", ToReady: ready})
		run.Suites = append(run.Suites, suite)
		if i%2 == 0 {
			at = begin + 9*time.Second
		}
	}
	run.Timeline = append(run.Timeline,
		Span{Kind: "reboot", Name: "reboot", Guest: "fork-3", Start: 131 * time.Second, End: 158 * time.Second, OK: true},
		Span{Kind: "suite", Name: "storage/survives-reboot", Guest: "fork-3", Start: 158 * time.Second, End: 171 * time.Second, OK: true})
	run.Boots = append(run.Boots, Boot{Guest: "fork-3", Kind: "reboot", Firmware: artifact.UEFI, ToBanner: 24 * time.Second, ToReady: 27 * time.Second,
		Loader: 3900 * time.Millisecond, Kernel: 1800 * time.Millisecond, Initrd: 4400 * time.Millisecond, Userspace: 11200 * time.Millisecond})
	run.Conclude()
	return run
}

func skip(c *Case, why string) {
	c.Outcome, c.Message, c.Replay, c.Duration = Skipped, why, "", 3*time.Millisecond
}

// find returns a case to change.
func find(run *Run, id CaseID) *Case {
	for i := range run.Suites {
		for j := range run.Suites[i].Cases {
			if c := &run.Suites[i].Cases[j]; c.ID == id {
				return c
			}
		}
	}
	panic("no case " + id)
}

func fail(run *Run, id CaseID, message string, evidence ...Evidence) *Case {
	c := find(run, id)
	c.Outcome, c.Fault, c.Message, c.Evidence = Failed, FaultImage, message, evidence
	return c
}

func sampleAccepted() *Run {
	run := sampleRun()
	fail(run, "cloud-init/no-warnings", "cloud-init warned twice: \"Used fallback datasource lookup\"",
		Evidence{Kind: "command", Title: "cloud-init status --long", Path: "guests/fork-2/commands/cloud-init-status.txt",
			Excerpt: "status: done\nextended_status: degraded done\nrecoverable_errors:\nWARNING:\n\t- Used fallback datasource lookup\n"})
	c := fail(run, "containers/hundred", "97 of 100 containers answered within 60 s",
		Evidence{Kind: "journal", Title: "journal of podman", Path: "guests/fork-5/journal/boot-0.export"})
	c.Known = &Known{Tracker: "https://bugs.example.org/podman/812", Reason: "netavark loses a race under load", Expires: "2026-12-31"}
	run.Notes = []string{"known failure storage/driver (https://bugs.example.org/77, line 9 of known.yaml) is no longer needed: what it is about passes"}
	run.Conclude()
	return run
}

const panicText = `[   12.118302] systemd[1]: Started systemd-journald.service - Journal Service.
[   12.530911] virtio_blk virtio2: [vda] 20971520 512-byte logical blocks (10.7 GB/10.0 GiB)
[   13.002177] BUG: unable to handle page fault for address: ffffb1a0c0a3d000
[   13.002181] #PF: supervisor write access in kernel mode
[   13.002204] CPU: 1 UID: 0 PID: 611 Comm: (udev-worker) Not tainted 6.17.4-300.x86_64 #1
[   13.002213] RIP: 0010:virtblk_probe+0x2f4/0x9b0 [virtio_blk]
[   13.002290] Call Trace:
[   13.002294]  <TASK>
[   13.002301]  virtio_dev_probe+0x1b6/0x2a0
[   13.002310]  really_probe+0xde/0x340
[   13.002320]  </TASK>
[   13.402518] Kernel panic - not syncing: Fatal exception
[   13.402601] ---[ end Kernel panic - not syncing: Fatal exception ]---
`

func sampleRejected() *Run {
	run := sampleRun()
	run.Host.Accelerator, run.Host.Scale = "tcg", 10
	fail(run, "base/console-clean", "the kernel panicked 13.4 s into the boot: Fatal exception in virtblk_probe [virtio_blk]",
		Evidence{Kind: "console", Title: "kernel panic", Path: "guests/boot/console.log", Excerpt: "\x1b[0;32m" + panicText},
		Evidence{Kind: "screenshot", Title: "the screen when it happened", Path: "guests/boot/screen.png"})
	c := fail(run, "base/failed-units", "2 units have failed: chronyd.service (exit code 1), getty@tty1.service (start limit hit)",
		Evidence{Kind: "command", Title: "systemctl --failed", Path: "guests/fork-1/commands/systemctl-failed.txt",
			Excerpt: "  UNIT                LOAD   ACTIVE SUB    DESCRIPTION\n● chronyd.service     loaded failed failed NTP client/server\n● getty@tty1.service  loaded failed failed Getty on tty1\n\n2 loaded units listed.\n"},
		Evidence{Kind: "journal", Title: "journal of chronyd.service", Path: "guests/fork-1/journal/chronyd.txt",
			Excerpt: "Nov 12 04:03:12 assay chronyd[702]: Fatal error : Could not open /var/lib/chrony/drift: Permission denied\nNov 12 04:03:12 assay systemd[1]: chronyd.service: Main process exited, code=exited, status=1/FAILURE\n"})
	c.Attempts = []Attempt{{Number: 1, Guest: "fork-1", Outcome: Errored, Fault: FaultInfra, Message: "cannot run systemctl on guest fork-1: connection reset by peer", Took: 4 * time.Second}}
	c = fail(run, "base/default-password", "the account \"admin\" has a password that stands in the image: <script>alert('admin')</script>")
	c.Details = "admin:$6$rounds=5000$…:20100:0:99999:7:::\n"
	fail(run, "base/ordering-cycle", "systemd broke an ordering cycle by deleting cloud-init-local.service/start")
	k := fail(run, "containers/hundred", "97 of 100 containers answered within 60 s")
	k.Known = &Known{Tracker: "https://bugs.example.org/podman/812", Reason: "netavark loses a race under load", Expires: "2026-12-31"}
	e := find(run, "containers/rootless")
	e.Outcome, e.Fault, e.Message = Errored, FaultInfra, "cannot pull assay/busybox:1: the harness's registry did not answer within 2 min"
	run.Timeline[1].OK = false
	run.Timeline[4].OK = false
	run.Timeline = append(run.Timeline, Span{Kind: "retry", Name: "retry on a fresh guest", Guest: "boot", Start: 60 * time.Second, End: 95 * time.Second, OK: true})
	run.Notes = []string{"/dev/kvm is there and a guest does not start under it: emulation is used, time limits are 10 times longer",
		"forks are off for containers: the saved state could not be restored (Input/output error); fresh boots took their place"}
	run.Conclude()
	return run
}

func sampleUndecided() *Run {
	run := sampleRun()
	run.Image.OS, run.Image.OSID, run.Image.OSVersion, run.Image.Kernel = "", "", "", ""
	run.Image.OSTreeCommit, run.Image.OSTreeRef, run.Image.OSTreeVersion = "", "", ""
	run.Suites = run.Suites[:1]
	run.Suites[0].Cases = run.Suites[0].Cases[:3]
	for i := range run.Suites[0].Cases {
		c := &run.Suites[0].Cases[i]
		c.Outcome, c.Fault, c.Message = Errored, FaultInfra, "the emulator ended with signal 9 before the guest answered"
		c.Attempts = []Attempt{
			{Number: 1, Guest: "boot", Outcome: Errored, Fault: FaultInfra, Message: "the emulator ended with signal 9", Took: 41 * time.Second},
			{Number: 2, Guest: "boot-2", Outcome: Errored, Fault: FaultInfra, Message: "the emulator ended with signal 9", Took: 39 * time.Second}}
		c.Evidence = []Evidence{{Kind: "file", Title: "QEMU's own log", Path: "guests/boot-3/qemu.log"}}
	}
	run.Timeline, run.Boots = run.Timeline[:2], nil
	run.Timeline[1].OK = false
	run.Finished = run.Started.Add(2*time.Minute + 11*time.Second)
	run.Notes = []string{"the host had 212 MiB of memory left when the emulator ended"}
	run.Conclude()
	return run
}

// samples are the runs by name.
func samples() map[string]*Run {
	return map[string]*Run{"accepted": sampleAccepted(), "rejected": sampleRejected(), "undecided": sampleUndecided()}
}
