package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestHeldBack(t *testing.T) {
	proc := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(proc, "7", path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("stat", "7 (qemu) T) S 1 7\n")
	write("task/7/schedstat", "100 2000000000 3\n")
	write("task/8/schedstat", "100 1000000000 3\n")
	write("task/9/schedstat", "nonsense\n")
	if got, want := heldBack(proc, 7), (HeldBack{Waited: 3 * time.Second}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	write("stat", "7 (qemu) T 1 7\n")
	if !heldBack(proc, 7).Stopped {
		t.Error("a stopped process is not seen as one")
	}
	if got := heldBack(proc, 8); got != (HeldBack{}) {
		t.Errorf("no such process: %+v", got)
	}
}

// TestHeldBackForReal stops a process of its own.
func TestHeldBackForReal(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if heldBack("/proc", cmd.Process.Pid).Stopped {
		t.Error("a running process counts as stopped")
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for !heldBack("/proc", cmd.Process.Pid).Stopped {
		if time.Now().After(deadline) {
			t.Fatal("a stopped process does not count as stopped")
		}
		time.Sleep(time.Millisecond)
	}
}
