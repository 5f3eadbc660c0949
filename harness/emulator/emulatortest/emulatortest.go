// Package emulatortest has processes that look like guests' emulators.
package emulatortest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Likeness starts a process that looks like QEMU for a guest.
func Likeness(t testing.TB, guest string) *exec.Cmd {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	qemu := filepath.Join(t.TempDir(), "qemu-likeness")
	if err := os.Symlink(sh, qemu); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(qemu, "-c", "read line", "guest=assay-"+guest)
	if _, err := cmd.StdinPipe(); err != nil { // open until the process is waited for
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it may have been waited for
	})
	return cmd
}

// WantKilled wants the process to have been killed.
func WantKilled(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("a guest of the run ended with: %v", err)
	}
}

// WantAlive wants the process to be there still.
func WantAlive(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another run's guest: %v", err)
	}
}
