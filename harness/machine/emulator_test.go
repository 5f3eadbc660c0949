package machine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
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
	want := []Emulator{{101, "boot1"}, {102, "fork2"}}
	if got := Emulators(proc, "abc"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Emulators(proc, ""); got != nil {
		t.Errorf("no run has %v", got)
	}
}

// TestKillEmulators kills what bears the run's name, and nothing else.
func TestKillEmulators(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	qemu := filepath.Join(t.TempDir(), "qemu-likeness")
	if err := os.Symlink(sh, qemu); err != nil {
		t.Fatal(err)
	}
	run := "test" + filepath.Base(filepath.Dir(qemu))
	start := func(guest string) *exec.Cmd {
		cmd := exec.Command(qemu, "-c", "read line", "guest=assay-"+guest)
		if _, err := cmd.StdinPipe(); err != nil { // open until the process is waited for
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	mine, other := start(run+"-boot-1"), start(run+"x-boot-1")
	if n, err := killEmulators(run); n != 1 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
	var exit *exec.ExitError
	if err := mine.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the run's own: %v", err)
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another run's: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait() // it was killed
}
