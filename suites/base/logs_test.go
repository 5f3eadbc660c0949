package base

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// logged plans a journal of kernel messages ("kernel: ...") and others ("ident: ...").
func logged(lines ...string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) { g.Logs(entries(lines...)...) }
}

func entries(lines ...string) []guest.Entry {
	var out []guest.Entry
	for _, l := range lines {
		ident, msg, _ := strings.Cut(l, ": ")
		e := guest.Entry{Ident: ident, Message: msg, Transport: "stdout"}
		if ident == "kernel" {
			e.Transport = "kernel"
		}
		out = append(out, e)
	}
	return out
}

func TestConsoleClean(t *testing.T) {
	suitetest.Run(t, "base/console-clean", []suitetest.Case{
		{Name: "clean", Guest: logged("kernel: Linux version 6.12", "kernel: Warning: unmaintained driver", "app: Oops: not the kernel's")},
		{Name: "oops", Want: reports.Failed, Says: []string{"fault of its own", "NULL pointer dereference"},
			Guest: logged("kernel: BUG: kernel NULL pointer dereference, address: 0000000000000010")},
		{Name: "warning", Want: reports.Failed, Says: []string{"printed a warning", "net/core/dev.c"}, Shows: []string{"kernel: WARNING"},
			Guest: logged("kernel: WARNING: CPU: 1 PID: 77 at net/core/dev.c:12 foo+0x1/0x2")},
		{Name: "memory", Want: reports.Failed, Says: []string{"memory ran out", "perl"},
			Guest: logged("kernel: perl invoked oom-killer: gfp_mask=0x24201ca", "kernel: Out of memory: Kill process 18254 (perl)")},
		{Name: "file system", Want: reports.Failed, Says: []string{"file system is damaged"},
			Guest: logged("kernel: EXT4-fs error (device vda3): ext4_lookup:1606: inode #2")},
		{Name: "SELinux", Want: reports.Failed, Says: []string{"policy does not know"},
			Guest: logged("kernel: SELinux:  Context system_u:object_r:x_t:s0 is not valid (left unmapped).")},
		{Name: "stuck processor", Want: reports.Errored, Fault: reports.FaultInfra,
			Guest: logged("kernel: watchdog: BUG: soft lockup - CPU#1 stuck for 26s!")},
		{Name: "stuck processor in an emulator", Guest: func(g *guesttest.Fake, e *check.Env) {
			e.Accelerator = "tcg"
			logged("kernel: rcu: INFO: rcu_preempt self-detected stall on CPU")(g, e)
		}},
		{Name: "drives without a medium", Guest: logged("kernel: blk_update_request: I/O error, dev fd0, sector 0", "kernel: I/O error, dev sr0, sector 0 op 0x0:(READ)")},
		{Name: "a disk", Want: reports.Errored, Fault: reports.FaultInfra, Guest: logged("kernel: I/O error, dev sda, sector 2048 op 0x0:(READ)")},
		{Name: "emulator", Want: reports.Errored, Fault: reports.FaultInfra, Guest: logged("kernel: Oops: int3: 0000 [#1] SMP")},
		{Name: "image before host", Want: reports.Failed, Guest: logged("kernel: I/O error, dev vda, sector 1", "kernel: kernel BUG at mm/slub.c:4!")},
	})
}

// Kernel logs of crashed systems must be found, logs of good boots not.
func TestKernelPatternsOnRealLogs(t *testing.T) {
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	good, _ := filepath.Glob(filepath.Join(root, "boot/console-ok/*"))
	if len(good) == 0 {
		t.Skip("0 samples in boot/console-ok of ASSAY_SAMPLES")
	}
	for _, f := range good {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range kernelPatterns {
			if m := p.re.Find(b); m != nil {
				t.Errorf("%s: %s: %q", filepath.Base(f), p.what, m)
			}
		}
		for _, p := range journalPatterns {
			if m := p.re.Find(b); m != nil {
				t.Errorf("%s: %s: %q", filepath.Base(f), p.what, m)
			}
		}
	}
}

func TestJournalClean(t *testing.T) {
	suitetest.Run(t, "base/journal-clean", []suitetest.Case{
		{Name: "clean", Guest: logged("systemd: Started foo.service", "kernel: panic: no", "sudo: root : COMMAND=journalctl --grep=Found ordering cycle")},
		{Name: "cycle", Want: reports.Failed, Says: []string{"wait for each other", "sockets.target"},
			Guest: logged("systemd: sockets.target: Found ordering cycle on docker.socket/start",
				"systemd: docker.socket: Job docker.socket/start deleted to break ordering cycle starting with sockets.target/start")},
		{Name: "generator", Want: reports.Failed, Says: []string{"generator failed", "foo-gen"},
			Guest: logged("systemd: /usr/lib/systemd/system-generators/foo-gen failed with exit status 1.")},
		{Name: "generator killed", Want: reports.Failed, Guest: logged("(sd-exec-strv): /usr/lib/systemd/system-generators/foo-gen terminated by signal ABRT.")},
		{Name: "Go", Want: reports.Failed, Says: []string{"Go program panicked"}, Guest: logged("dockerd: panic: runtime error: index out of range")},
		{Name: "memory", Want: reports.Failed, Says: []string{"memory ran out"}, Guest: logged("systemd: foo.service: A process of this unit has been killed by the OOM killer.")},
		{Name: "initramfs", Want: reports.Failed, Guest: logged("dracut-initqueue: dracut: FATAL: no root", "x: dracut: Refusing to continue")},
	})
}

func TestCoreDumps(t *testing.T) {
	with := func(files string, entries ...guest.Entry) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) { says(coreScript, files)(g, e); g.Logs(entries...) }
	}
	stalled := func(accelerator, files string, more ...guest.Entry) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			with(files, append([]guest.Entry{
				{Ident: "systemd", Message: "systemd-journald.service: Watchdog timeout (limit 3min)!"},
				{Ident: "systemd", Message: "systemd-journald.service: Main process exited, code=killed, status=6/ABRT"},
			}, more...)...)(g, e)
			e.Accelerator = accelerator
		}
	}
	suitetest.Run(t, "base/core-dumps", []suitetest.Case{
		{Name: "none", Guest: with("", guest.Entry{Message: "foo.service: Main process exited, code=killed, status=15/TERM"})},
		{Name: "collector", Want: reports.Failed, Says: []string{"chronyd of chronyd.service crashed"}, Guest: with("", guest.Entry{
			Message: "Process 77 (chronyd) of user 0 dumped core.", MessageID: coreDumpMessage, Fields: map[string]string{"COREDUMP_COMM": "chronyd", "COREDUMP_UNIT": "chronyd.service"}})},
		{Name: "manager", Want: reports.Failed, Says: []string{"foo.service crashed", "status=11/SEGV"},
			Guest: with("", guest.Entry{Ident: "systemd", Message: "foo.service: Main process exited, code=dumped, status=11/SEGV"})},
		{Name: "kernel", Want: reports.Failed, Says: []string{"bar crashed"},
			Guest: with("", guest.Entry{Ident: "kernel", Message: "bar[12]: segfault at 10 ip 00007f sp 00007ffd error 4 in bar"})},
		{Name: "manager of 219", Want: reports.Failed, Says: []string{"foo.service crashed", "status=6/ABRT"},
			Guest: with("", guest.Entry{Ident: "systemd", Message: "foo.service: main process exited, code=killed, status=6/ABRT"})},
		{Name: "stood still on KVM", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"stood still", "systemd-journald.service"}, Guest: stalled("kvm", "file: /var/lib/systemd/coredump/core.systemd-journal.x\n")},
		{Name: "stood still in emulation", Guest: stalled("tcg", "")},
		{Name: "stood still, of systemd 219", Guest: func(g *guesttest.Fake, e *check.Env) {
			e.Accelerator = "tcg"
			with("", guest.Entry{Ident: "systemd", Message: "systemd-journald.service watchdog timeout (limit 1min)!"},
				guest.Entry{Ident: "systemd", Message: "systemd-journald.service: main process exited, code=killed, status=6/ABRT"})(g, e)
		}},
		{Name: "stood still, with a collector", Guest: stalled("tcg", "collected: Mon 2026-01-05 77 0 0 SIGABRT present /usr/lib/systemd/systemd-journald\n",
			guest.Entry{Ident: "systemd-coredump", Message: "Process 77 (systemd-journal) of user 0 dumped core."})},
		{Name: "stood still, and another left a dump", Want: reports.Failed, Says: []string{"/var/crash/x.crash"}, Guest: stalled("tcg", "file: /var/crash/x.crash\n")},
		{Name: "stood still, and something else", Want: reports.Failed, Says: []string{"bar crashed"},
			Guest: stalled("tcg", "", guest.Entry{Ident: "kernel", Message: "bar[12]: segfault at 10 ip 00007f sp 00007ffd error 4 in bar"})},
		{Name: "an image's own watchdog", Want: reports.Failed, Says: []string{"foo.service crashed"}, Guest: with("",
			guest.Entry{Ident: "systemd", Message: "foo.service: Watchdog timeout (limit 30s)!"},
			guest.Entry{Ident: "systemd", Message: "foo.service: Main process exited, code=killed, status=6/ABRT"})},
		{Name: "file", Want: reports.Failed, Says: []string{"left a core dump", "/var/lib/systemd/coredump/core.x"},
			Guest: with("file: /var/lib/systemd/coredump/core.x\n")},
	})
}

func TestKernelPatternsOnRealCrashes(t *testing.T) {
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	bad, _ := filepath.Glob(filepath.Join(root, "boot/kernel-crash/*"))
	if len(bad) == 0 {
		t.Skip("0 samples in boot/kernel-crash of ASSAY_SAMPLES")
	}
	var missed []string
	for _, f := range bad {
		if strings.Contains(f, "not_oops") || strings.Contains(f, "no_oops") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, p := range kernelPatterns {
			found = found || p.re.Match(b)
		}
		if !found {
			missed = append(missed, filepath.Base(f))
		}
	}
	t.Logf("%d of %d crashes not recognised: %v", len(missed), len(bad), missed)
}
