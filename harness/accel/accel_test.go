package accel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// host is a detector of a host whose probe answers err; it counts probes.
func host(t *testing.T, err error) (*detector, *int) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"kvm": "", "boot_id": "boot-1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	probes := 0
	return &detector{
		env:    func(string) string { return "" },
		arch:   "amd64",
		device: filepath.Join(dir, "kvm"),
		bootID: filepath.Join(dir, "boot_id"),
		cache:  filepath.Join(dir, "cache"),
		find:   func(string) (string, error) { return "/qemu", nil },
		probe: func(context.Context, string, time.Duration) error {
			probes++
			return err
		},
	}, &probes
}

func TestDetectBelievesTheProbe(t *testing.T) {
	lie := fmt.Errorf("%w: nothing ran", errProbe)
	for _, c := range []struct {
		name   string
		probe  error
		change func(*detector)
		want   Kind
		probes int
	}{
		{"works", nil, nil, KVM, 1},
		{"lies", lie, nil, TCG, 1},
		{"no device", nil, func(d *detector) { d.device += "x" }, TCG, 0},
		{"no QEMU", nil, func(d *detector) { d.find = func(string) (string, error) { return "", exec.ErrNotFound } }, TCG, 0},
		{"other host", nil, func(d *detector) { d.arch = "arm64" }, TCG, 0},
		{"set kvm", lie, func(d *detector) { d.env = func(string) string { return "kvm" } }, KVM, 0},
		{"set tcg", nil, func(d *detector) { d.env = func(string) string { return "tcg" } }, TCG, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, probes := host(t, c.probe)
			if c.change != nil {
				c.change(d)
			}
			for range 2 { // the second answer may come from memory
				got, reason, err := d.detect(context.Background())
				if err != nil || got != c.want || reason == "" {
					t.Fatalf("detect = %q, %q, %v; want %q", got, reason, err, c.want)
				}
			}
			if *probes != c.probes {
				t.Errorf("%d probes, want %d", *probes, c.probes)
			}
		})
	}
}

func TestDetectForgets(t *testing.T) {
	for name, change := range map[string]func(*detector) error{
		"reboot":     func(d *detector) error { return os.WriteFile(d.bootID, []byte("boot-2\n"), 0o600) },
		"other QEMU": func(d *detector) error { d.find = func(string) (string, error) { return "/other", nil }; return nil },
		"damage": func(d *detector) error {
			return os.WriteFile(filepath.Join(d.cache, memoryFile), []byte(`{"kind":`), 0o600)
		},
		"no cache": func(d *detector) error { d.cache = ""; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			d, probes := host(t, nil)
			if _, _, err := d.detect(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := change(d); err != nil {
				t.Fatal(err)
			}
			if _, _, err := d.detect(context.Background()); err != nil {
				t.Fatal(err)
			}
			if *probes != 2 {
				t.Errorf("%d probes, want 2", *probes)
			}
		})
	}
}

func TestDetectErrors(t *testing.T) {
	d, _ := host(t, nil)
	d.env = func(string) string { return "xen" }
	if _, _, err := d.detect(context.Background()); err == nil || !strings.Contains(err.Error(), "xen") {
		t.Errorf("error %v; want one that names the unknown value", err)
	}
	d, _ = host(t, context.Canceled)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := d.detect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want %v", err, context.Canceled)
	}
	if _, _, ok := (memory{dir: d.cache, bootIDFile: d.bootID, qemu: "/qemu"}).recall(); ok {
		t.Error("an interrupted probe was remembered")
	}
}

// TestSectorRuns shows under emulation that the boot sector does what the probe
// waits for; that it fails under KVM can then only be KVM's doing.
func TestSectorRuns(t *testing.T) {
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("skipped 1 test: qemu-system-x86_64 is not installed")
	}
	if err := runSector(context.Background(), qemu, "tcg", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := runSector(context.Background(), qemu, "none-such", time.Minute); err == nil {
		t.Error("an accelerator that does not exist ran a guest")
	}
}

func TestScale(t *testing.T) {
	if KVM.Scale() != 1 || TCG.Scale() != 10 {
		t.Errorf("scales %v and %v, want 1 and 10", KVM.Scale(), TCG.Scale())
	}
}
