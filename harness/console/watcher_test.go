package console

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func still() time.Time { return epoch }

const booted = "[    0.000000] Linux version 6.12.9\r\n[    1.000000] Run /init as init process\r\n"

func TestPromptsAreSeenBeforeTheirLineEnds(t *testing.T) {
	for text, want := range map[string]Kind{
		"grub> ":                               LoaderPrompt,
		"\x1b[H\x1b[J\x1b[4;1Hgrub> ":          LoaderPrompt,
		"grub rescue> ":                        LoaderPrompt,
		"Shell> ":                              NoBootDevice,
		booted + "dracut:/# ":                  InitramfsShell,
		booted + "(initramfs) ":                InitramfsShell,
		booted + "Press Enter for maintenance": EmergencyShell,
		booted + "node-1.example login: ":      LoginPrompt,
	} {
		w := watch([]byte("some text\r\n" + text))
		fs := w.Findings()
		if len(fs) == 0 || fs[len(fs)-1].Kind != want {
			t.Errorf("%q: found %v, want %s", text, fs, want)
			continue
		}
		f := fs[len(fs)-1]
		if f.Fatal != (want != LoginPrompt) {
			t.Errorf("%q: fatal is %v", text, f.Fatal)
		}
		if last := f.Lines[len(f.Lines)-1]; last != f.Line || !strings.HasSuffix(strings.TrimRight(text, " "), last) || last == "" {
			t.Errorf("%q: shown as %q", text, f.Lines)
		}
	}
}

// TestBrokenGrub: GRUB's own heap is damaged, after which it only waits for a key.
func TestBrokenGrub(t *testing.T) {
	w := watch([]byte("GRUB loading.\r\nWelcome to GRUB!\r\n\r\nalloc magic is broken at 0x7fef2160: 0\r\nAborted. Press any key to exit."))
	fs := w.Findings()
	if len(fs) != 1 || fs[0].Kind != LoaderPrompt || !fs[0].Fatal || !strings.HasPrefix(fs[0].Line, "alloc magic is broken") {
		t.Errorf("%+v", fs)
	}
}

func TestQuotedTroubleIsNotFatal(t *testing.T) {
	for name, text := range map[string]string{
		"journal on console":  booted + "[    9.100000] bash[12]: Kernel panic - not syncing: just kidding\r\n",
		"syslog":              booted + "Nov  9 10:19:35 ohm bash[1118]: Kernel panic - not syncing: no\r\n",
		"syslog as kernel":    booted + "Nov  9 10:19:35 ohm kernel: Kernel panic - not syncing: no\r\n",
		"echo to the console": booted + "Kernel panic - not syncing: from a script\r\n",
		"echo, quiet boot":    "[  OK  ] Reached target Swap.\r\nKernel panic - not syncing: from a script\r\n",
		"quoted stamp":        booted + "reading 'x: [   12.345678] Kernel panic - not syncing: old'\r\n",
		"old log": booted + "[  500.000001] random: crng init done\r\n" +
			"[   12.345678] Kernel panic - not syncing: old\r\n",
		"grub after the kernel": booted + "grub> ls\r\ngrub rescue> \r\nEntering rescue mode...\r\n",
		"emergency in a session": booted + "host login: \r\nYou are in emergency mode. After logging in, type\r\n" +
			"Give root password for maintenance\r\n",
		"ostree after boot":  booted + "host login: \r\n[   50.000000] ostree-prepare-root[7]: Couldn't find it\r\n",
		"int3 in user space": booted + "host login: \r\n[   50.000000] traps: foo[7] trap int3 ip:1\r\n",
		"user manager":       booted + "[   50.000000] systemd[812]: Freezing execution.\r\n",
	} {
		if f, bad := watch([]byte(text)).Fatal(0); bad {
			t.Errorf("%s: fatal %s: %q", name, f.Kind, f.Lines)
		}
	}
}

func TestRealTroubleIsFatal(t *testing.T) {
	for text, want := range map[string]Kind{
		booted + "[   12.345678] Kernel panic - not syncing: Attempted to kill init!\r\n":                                        KernelPanic,
		booted + "[   12.345678][    T1] Kernel panic - not syncing: x\r\n":                                                      KernelPanic,
		booted + "/init: 384: .: [   12.345678] Kernel panic - not syncing: x\r\n":                                               KernelPanic,
		booted + "host login: [   12.345678] Kernel panic - not syncing: x\r\n":                                                  KernelPanic,
		booted + "[    2.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on x\n":                                RootNotFound,
		booted + "[    0.200000] Oops: int3: 0000 [#1] PREEMPT SMP\n[    0.3] x\n":                                               EmulatorFault,
		booted + "[    0.032000] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug\n[    0.3] x\n": EmulatorFault,
		booted + "[    1.500000] systemd[1]: Freezing execution.\r\n":                                                            InitFroze,
		booted + "[!!!!!!] Failed to mount API filesystems.\r\n":                                                                 InitFroze,
		booted + "\x1b[0;1;31m[!!!!!!]\x1b[0m Failed.\r\n":                                                                       InitFroze,
		booted + "ALERT!  UUID=1-2 does not exist.  Dropping to a shell!\r\n":                                                    RootNotFound,
		"Linux version 2.6.32\nKernel panic - not syncing: no init\n":                                                            KernelPanic,
		"\x1b]0;title never closed\nNo bootable device.\n":                                                                       NoBootDevice,
		// A reboot whose kernel does not introduce itself, and panics.
		booted + "[  400.000000] reboot: Restarting system\n[  400.100000] reboot: machine restart\n" +
			"[    1.000000] Kernel panic - not syncing: x\n": KernelPanic,
		// After a reboot the loader may fail again.
		booted + "[  400.000000] reboot: Restarting system\r\nerror: no such device\r\ngrub rescue> ": LoaderPrompt,
	} {
		f, bad := watch([]byte(text)).Fatal(0)
		if !bad || f.Kind != want {
			t.Errorf("%q: fatal %v %s, want %s", text, bad, f.Kind, want)
		}
	}
}

func TestAnEmulatorFaultExplainsThePanicAfterIt(t *testing.T) {
	w := watch([]byte(booted + "[    1.200000] Oops: int3: 0000 [#1] PREEMPT SMP\n" +
		"[    1.300000] Kernel panic - not syncing: Attempted to kill the idle task!\n" +
		"[    0.000000] Linux version 6.12\n[    1.300000] Kernel panic - not syncing: again\n"))
	if got, want := kinds(w.Findings(), true), []Kind{EmulatorFault, KernelPanic}; !slices.Equal(got, want) {
		t.Errorf("fatal %v, want %v", got, want)
	}
}

// On a system that is up the fault of one task is none of the console's
// business, unless the kernel panics over it.
func TestAnEmulatorFaultInASystemThatIsUp(t *testing.T) {
	text := booted + "host login: \r\n[  140.000000] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n[  140.100000] x\n"
	w := watch([]byte(text))
	if f, bad := w.Fatal(0); bad || !slices.ContainsFunc(w.Findings(), func(f Finding) bool { return f.Kind == EmulatorFault }) {
		t.Errorf("fatal %v, found %v", f, w.Findings())
	}
	w = watch([]byte(text + "[  141.000000] Kernel panic - not syncing: Fatal exception in interrupt\n[  141.100000] x\n"))
	if f, bad := w.Fatal(0); !bad || f.Kind != EmulatorFault {
		t.Errorf("fatal %v %s, want %s", bad, f.Kind, EmulatorFault)
	}
}

func TestADoubleFaultWhileBootingMayBeTheEmulators(t *testing.T) {
	line := "PANIC: double fault, error_code: 0x0\n[    9.300000] x\n"
	for console, want := range map[string]Kind{
		booted + "[    0.200000] " + line:                 EmulatorFault,
		booted + "host login: \r\n[   50.000000] " + line: Oops,
	} {
		w := watch([]byte(console))
		if !slices.ContainsFunc(w.Findings(), func(f Finding) bool { return f.Kind == want }) {
			t.Errorf("%q: found %v, want %s", console, w.Findings(), want)
		}
	}
}

func TestAnOopsThatRestartsTheMachineIsFatal(t *testing.T) {
	text := booted + "[    5.000000] BUG: kernel NULL pointer dereference, address: 0\n"
	if f, bad := watch([]byte(text)).Fatal(0); bad {
		t.Errorf("an oops alone is fatal: %+v", f)
	}
	f, bad := watch([]byte(text + "BdsDxe: loading Boot0001 \"disk\"\n")).Fatal(0)
	if !bad || f.Kind != UnexpectedReboot || f.Kind.Check() != "boot/kernel" {
		t.Errorf("after a restart: %v %+v", bad, f)
	}
}

// TestChunksDoNotMatter splits a console that has everything in it at random
// places and at every byte.
func TestChunksDoNotMatter(t *testing.T) {
	input := []byte("\x1b[2J\x1b[01;01HBdsDxe: loading Boot0001\r\n\xff\xfe\x1b]3008;start=1\x1b\\grub rescue> ls\r\n" + booted +
		"[    1.100000] BUG: unable to handle page fault\r\n[    1.100001] RIP: 0010:x\r\n" +
		"host login: [    1.200000] INFO: task a:1 blocked for more than 120 seconds.\r\r\n" +
		"[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mx.service\x1b[0m - X é.\r\n" +
		"[    3.000000] reboot: Restarting system\r\n" + booted + "Entering emergency mode. Exit the shell to continue.\r\n\r\ndracut:/# ")
	for _, file := range optionalSamples() {
		input = append(append(input, "\n[  999.000000] reboot: Restarting system\n"...), file...)
	}
	whole := New(nil, still)
	_, _ = whole.Write(input)
	want, wantTail := whole.Findings(), whole.Tail(100)
	if len(want) < 8 {
		t.Fatalf("only %d findings", len(want))
	}
	check := func(w *Watcher, how string) {
		t.Helper()
		if got := w.Findings(); !reflect.DeepEqual(got, want) {
			for i := range want {
				if i >= len(got) || !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("%s: finding %d differs:\n%+v\nwant\n%+v", how, i, got[min(i, len(got)-1)], want[i])
				}
			}
			t.Fatalf("%s: %d findings, want %d", how, len(got), len(want))
		}
		if got := w.Tail(100); !slices.Equal(got, wantTail) {
			t.Fatalf("%s: tail differs", how)
		}
	}
	bytewise := New(nil, still)
	for i := range input {
		_, _ = bytewise.Write(input[i : i+1])
	}
	check(bytewise, "byte by byte")
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := New(nil, still)
		for rest := input; len(rest) > 0; {
			n := min(1+r.IntN(200), len(rest))
			_, _ = w.Write(rest[:n])
			rest = rest[n:]
		}
		check(w, fmt.Sprintf("seed %d", seed))
	}
}

func TestFollowingLinesJoinTheFinding(t *testing.T) {
	w := New(nil, still)
	found, cancel := w.Subscribe()
	defer cancel()
	_, _ = w.Write([]byte(booted + "[    5.000000] Kernel panic - not syncing: x\n"))
	var last Finding
	for len(found) > 0 {
		last = <-found
	}
	if last.Kind != KernelPanic || len(last.Lines) != 3 {
		t.Fatalf("delivered %+v", last)
	}
	for i := range 100 {
		_, _ = fmt.Fprintf(w, "[    5.%06d]  frame+%d\n", i, i)
	}
	f, _ := w.Fatal(0)
	if len(f.Lines) != linesBefore+1+trace {
		t.Errorf("%d lines, want %d", len(f.Lines), linesBefore+1+trace)
	}
	cancel()
	if _, more := <-found; more {
		t.Error("the channel is open after cancel")
	}
}

func TestMarksSeparateBoots(t *testing.T) {
	w := watch([]byte(booted + "host login: \n[   90.000000] reboot: Restarting system\n"))
	mark := w.Mark()
	_, _ = w.Write([]byte(booted + "host login: "))
	if got, want := kinds(w.FindingsSince(mark), false), []Kind{KernelStarted, LoginPrompt}; !slices.Equal(got, want) {
		t.Errorf("second boot: %v, want %v", got, want)
	}
	if got := w.Since(mark); len(got) != 3 || got[2] != "host login:" {
		t.Errorf("lines of the second boot: %q", got)
	}
	if n := w.Bytes(); n != int64(2*len(booted)+len("host login: \n[   90.000000] reboot: Restarting system\nhost login: ")) {
		t.Errorf("%d bytes", n)
	}
}

func TestTheFileIsBounded(t *testing.T) {
	var file bytes.Buffer
	w := New(&file, still)
	w.limit = 100
	for range 50 {
		_, _ = w.Write([]byte("0123456789"))
	}
	if got := file.String(); !strings.HasPrefix(got, strings.Repeat("0123456789", 10)) ||
		!strings.Contains(got, "cut here, after 100 bytes") || len(got) > 200 || strings.Count(got, "assay") != 1 {
		t.Errorf("file holds %q", got)
	}
	if w.Err() != nil || w.Bytes() != 500 || !w.FirstByte().Equal(epoch) {
		t.Errorf("err %v, %d bytes, first at %v", w.Err(), w.Bytes(), w.FirstByte())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskDoesNotBlindTheWatcher(t *testing.T) {
	w := New(fullDisk{}, still)
	n, err := w.Write([]byte("grub> "))
	if n != 6 || err != nil {
		t.Errorf("Write returned %d, %v", n, err)
	}
	if _, bad := w.Fatal(0); !bad || w.Err() == nil {
		t.Errorf("fatal %v, error %v", bad, w.Err())
	}
}

func TestAFloodIsBoundedAndHidesNothing(t *testing.T) {
	w := New(nil, still)
	line := []byte(booted + strings.Repeat("[    2.000000] WARNING: CPU: 0 PID: 1 at x\n[FAILED] Failed to start y\n", 3000))
	_, _ = w.Write(line)
	_, _ = w.Write(bytes.Repeat([]byte("endless "), 1<<17))
	_, _ = w.Write([]byte("\n[    3.000000] Kernel panic - not syncing: x\n"))
	if _, bad := w.Fatal(0); !bad {
		t.Error("the panic after the flood was missed")
	}
	if n := len(w.Findings()); n > 2*maxPerKind+10 {
		t.Errorf("%d findings", n)
	}
	for _, l := range w.Tail(3) {
		if len(l) > maxShown+3 {
			t.Errorf("a line of %d bytes", len(l))
		}
	}
}

func TestEveryKindHasFacts(t *testing.T) {
	for _, set := range [][]rule{kernelRules, serviceRules, rawRules} {
		for _, r := range set {
			if r.kind.Title() == "" {
				t.Errorf("%s has no title", r.kind)
			}
			if r.needle == "" && r.re == nil {
				t.Errorf("a rule of %s matches everything", r.kind)
			}
		}
	}
}

func FuzzWatcher(f *testing.F) {
	f.Add([]byte(booted+"host login: "), 3)
	f.Add([]byte("\x1b]0;x\x07\x1b[1;2Hgrub> \x1b["), 1)
	f.Add([]byte("[   12.345678] Kernel panic - not syncing: \xff\n[    0.000000] Linux version 6\n"), 7)
	f.Add([]byte("Nov  9 10:19:35 h systemd[1]: x: Found ordering cycle on y\n"), 5)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		whole, parts := New(nil, still), New(nil, still)
		_, _ = whole.Write(b)
		for step = 1 + max(step, -step)%64; len(b) > 0; {
			n := min(max(step, 1), len(b))
			_, _ = parts.Write(b[:n])
			b = b[n:]
		}
		if !reflect.DeepEqual(whole.Findings(), parts.Findings()) {
			t.Fatalf("chunks of %d give\n%+v\nwhole\n%+v", step, parts.Findings(), whole.Findings())
		}
		if !slices.Equal(whole.Tail(10), parts.Tail(10)) {
			t.Fatal("tails differ")
		}
	})
}

func bootText() (text []byte) {
	for i := range 2000 {
		text = fmt.Appendf(text, "[%5d.%06d] systemd[1]: Starting unit-%d.service - A unit that does things...\r\n", i/40, i, i)
		text = fmt.Appendf(text, "[%5d.%06d] virtio_blk virtio%d: [vda] 20971520 512-byte logical blocks\r\n", i/40, i, i)
		text = fmt.Appendf(text, "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39munit-%d.service\x1b[0m - A unit.\r\n", i)
	}
	return text
}

// BenchmarkBoot watches a boot that prints far more than most, in pieces as a
// socket gives them, and byte by byte.
func BenchmarkBoot(b *testing.B) {
	text := bootText()
	for _, chunk := range []int{512, 1} {
		b.Run(fmt.Sprint(chunk), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				w := New(nil, still)
				for rest := text; len(rest) > 0; {
					n := min(chunk, len(rest))
					_, _ = w.Write(rest[:n])
					rest = rest[n:]
				}
			}
		})
	}
}

// TestSaid: that a job is still being waited for is no news, whatever is drawn
// around it.
func TestSaid(t *testing.T) {
	w := New(nil, time.Now)
	write := func(s string) bool {
		before := w.Said()
		_, _ = w.Write([]byte(s))
		return w.Said() != before
	}
	if !write("[  OK  ] Reached target Swaps.\r\n") {
		t.Error("a line is no news")
	}
	for range 3 {
		if write("\x1bM\r\x1b[K[\x1b[0;31m*     \x1b[0m] (1 of 2) A start job is running for /dev/dis…uid/dead (9s / no limit)\n") || write("\x1bM\r\x1b[K") {
			t.Error("a job that is waited for is news")
		}
	}
	if want := "A start job is running for /dev/dis…uid/dead (9s / no limit)"; w.Waiting() != want {
		t.Errorf("%q, want %q", w.Waiting(), want)
	}
	for _, part := range []string{".", ".", "host login: "} {
		if !write(part) {
			t.Errorf("a line that grows by %q is no news", part)
		}
	}
	if write("") || write("\r\n") && write("\r\n\r\n") {
		t.Error("empty lines are news")
	}
}
