package emulator_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/harness/emulator"
	"assay/harness/emulator/emulatortest"
)

func TestEmulatorsOfOneRun(t *testing.T) {
	proc := t.TempDir()
	for pid, args := range map[string][]string{
		"101":  {"/usr/bin/qemu-system-x86_64", "-name", "guest=assay-abc-boot1,debug-threads=on"},
		"102":  {"/usr/bin/qemu-system-x86_64", "-name", "guest=assay-abc-fork2,debug-threads=on"},
		"103":  {"/usr/bin/qemu-system-x86_64", "-name", "guest=assay-abcd-boot1"},
		"104":  {"grep", "guest=assay-abc-boot1"},
		"self": {"qemu", "guest=assay-abc-boot1"},
	} {
		if err := os.MkdirAll(filepath.Join(proc, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "cmdline"), []byte(strings.Join(args, "\x00")+"\x00"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []emulator.Process{{101, "boot1"}, {102, "fork2"}}
	if got := emulator.Of(proc, "abc"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := emulator.Of(proc, ""); got != nil {
		t.Errorf("no run has %v", got)
	}
}

// TestKill: what bears the run's name ends, and nothing else.
func TestKill(t *testing.T) {
	run := "test" + rand.Text()
	mine, other := emulatortest.Likeness(t, run+"-boot-1"), emulatortest.Likeness(t, run+"x-boot-1")
	if n, err := emulator.Kill(run); n != 1 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
	emulatortest.WantKilled(t, mine)
	emulatortest.WantAlive(t, other)
}
