package console

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// samples lists the files of a folder of real consoles. They are not part of
// the project; without them the test skips and says so.
func samples(t *testing.T, folder string) []string {
	t.Helper()
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	files, err := filepath.Glob(filepath.Join(root, folder, "*"))
	if err != nil || len(files) == 0 {
		t.Skipf("0 samples in %s: set ASSAY_SAMPLES", filepath.Join(root, folder))
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func watch(b []byte) *Watcher {
	w := New(nil, time.Now)
	_, _ = w.Write(b)
	return w
}

func kinds(fs []Finding, fatal bool) (out []Kind) {
	for _, f := range fs {
		if f.Fatal == fatal && !slices.Contains(out, f.Kind) {
			out = append(out, f.Kind)
		}
	}
	return out
}

// failed says what each failed boot must show. Those marked "goes on" show a
// fault with which a boot does not end.
var failed = map[string]struct {
	kind   Kind
	goesOn bool
}{
	"azure-emergency-mode-prompt-rhel7":                {kind: EmergencyShell},
	"azure-emergency-mode-welcome-form":                {kind: EmergencyShell},
	"azure-ext4-recovery-required":                     {kind: IOError, goesOn: true},
	"cray-sles-timed-out-waiting-for-device-emergency": {kind: EmergencyShell},
	"dustymabe-f20-dracut-emergency-serial":            {kind: RootNotFound},
	"fcos-minimal-ostree-prepare-root-no-such-root":    {kind: RootNotFound},
	"grub-rescue-bad-elf-magic":                        {kind: LoaderPrompt},
	"grub-rescue-no-such-device-efi-prefix":            {kind: LoaderPrompt},
	"grub-rescue-normal-mod-not-found":                 {kind: LoaderPrompt},
	"kernelci-002-vfs-unable-to-mount-root":            {kind: RootNotFound},
	"kernelci-007-hung-workqueue-no-prompt":            {kind: SoftLockup},
	"kernelci-008-attempted-to-kill-init-then-reboot":  {kind: KernelPanic},
	"kernelci-oops-null-deref-during-boot":             {kind: Oops, goesOn: true},
	"ostree-prepare-root-composefs-fsverity":           {kind: RootNotFound},
	"ovmf-no-bootable-option":                          {kind: NoBootDevice},
	"ovmf-secure-boot-access-denied":                   {kind: NoBootDevice},
	"selinux-autorelabel-rhel8":                        {kind: SELinuxRelabel, goesOn: true},
	"switch-root-failed-emergency":                     {kind: RootNotFound},
	"systemd-ordering-cycle-cloud-init-local":          {kind: OrderingCycle, goesOn: true},
	"systemd-ordering-cycle-ubuntu2204":                {kind: OrderingCycle, goesOn: true},
}

func TestFailedBoots(t *testing.T) {
	for _, file := range samples(t, "boot/console-fail") {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			fs := watch(read(t, file)).Findings()
			want, known := failed[name]
			if !known {
				t.Fatalf("new sample; shows %v, fatal %v", kinds(fs, false), kinds(fs, true))
			}
			if fatal := kinds(fs, true); want.goesOn != (len(fatal) == 0) || !want.goesOn && fatal[0] != want.kind {
				t.Errorf("fatal findings %v, want %+v first", fatal, want)
			}
			if want.goesOn && !slices.Contains(kinds(fs, false), want.kind) {
				t.Errorf("findings %v, want %v", kinds(fs, false), want.kind)
			}
			for _, f := range fs {
				if len(f.Lines) == 0 || len(f.Lines) > linesBefore+1+trace {
					t.Errorf("%s has %d lines", f.Kind, len(f.Lines))
				}
			}
		})
	}
}

func TestGoodBoots(t *testing.T) {
	end := map[string]Kind{
		"dustymabe-f19-serial-boot-to-login":                   LoginPrompt,
		"dustymabe-f20-serial-boot-to-login":                   LoginPrompt,
		"dustymabe-f19-serial-shutdown":                        Shutdown,
		"fcos37-issue-ignition-applied-login":                  LoginPrompt,
		"kernelci-debian12-serial-boot-part2-systemd-to-login": LoginPrompt,
		"rhel6-cloud-init-finished-login":                      CloudInitFinished,
	}
	for _, file := range samples(t, "boot/console-ok") {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			fs := watch(read(t, file)).Findings()
			for _, f := range fs {
				if f.Fatal || f.Kind == Oops || f.Kind == SoftLockup || f.Kind == UnexpectedReboot {
					t.Errorf("%s (fatal %v): %q", f.Kind, f.Fatal, f.Lines)
				}
			}
			if want, ok := end[name]; ok && !slices.Contains(kinds(fs, false), want) {
				t.Errorf("found %v, want %s too", kinds(fs, false), want)
			}
		})
	}
}

func TestKernelCrashes(t *testing.T) {
	// Files that hold no complaint of the kernel.
	silent := []string{"no_oops", "not_oops", "mce", "xorg_journal", "lost-", "debug_messages"}
	for _, file := range samples(t, "boot/kernel-crash") {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			b := read(t, file)
			fs := watch(b).Findings()
			panicked := strings.Contains(string(b), "Kernel panic")
			// A panic after a double fault may be the emulator's.
			fatal := kinds(fs, true)
			if got := slices.Contains(fatal, KernelPanic) || slices.Contains(fatal, EmulatorFault); got != panicked {
				t.Errorf("kernel-panic found: %v, want %v; fatal %v", got, panicked, fatal)
			}
			if strings.Contains(name, "no_oops") || strings.Contains(name, "not_oops") {
				if len(fs) > 0 {
					t.Errorf("found %+v in a file without a crash", fs)
				}
			}
			if len(fs) == 0 && !slices.ContainsFunc(silent, func(s string) bool { return strings.Contains(name, s) }) {
				t.Errorf("found nothing in:\n%.600s", b)
			}
		})
	}
}

func TestLogsOfRunningSystemsAreNotFatal(t *testing.T) {
	for _, folder := range []string{"systemd/*", "selinux/*", "cloud-init/*", "greenboot"} {
		for _, file := range samples(t, folder) {
			if info, err := os.Stat(file); err != nil || info.IsDir() {
				continue
			}
			if f, bad := watch(read(t, file)).Fatal(0); bad {
				t.Errorf("%s: fatal %s: %q", file, f.Kind, f.Lines)
			}
		}
	}
}

// optionalSamples returns a few real consoles, or none.
func optionalSamples() (out [][]byte) {
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	for _, name := range []string{"console-fail/dustymabe-f20-dracut-emergency-serial.txt", "console-ok/dustymabe-f20-serial-boot-to-login.txt"} {
		if b, err := os.ReadFile(filepath.Join(root, "boot", name)); err == nil {
			out = append(out, b)
		}
	}
	return out
}
