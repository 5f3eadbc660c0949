package machine

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// likeness starts a process that looks like QEMU for a guest.
func likeness(t *testing.T, guest string) *exec.Cmd {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
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

func wantKilled(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("a guest of the run ended with: %v", err)
	}
}

// TestDestroyWithoutLibvirt: guests end although nobody answers for libvirt, in
// both of its modes; those of another run do not.
func TestDestroyWithoutLibvirt(t *testing.T) {
	nobody := filepath.Join(t.TempDir(), "socket")
	for _, c := range []struct {
		uri   string
		fails bool // a system daemon has to be there, one of a session need not
	}{{"qemu:///system?socket=" + nobody, true}, {"qemu:///session?socket=" + nobody, false}} {
		run := "test" + rand.Text()
		mine, other := likeness(t, run+"-boot-1"), likeness(t, run+"x-boot-1")
		n, err := DestroyOwned(t.Context(), c.uri, run)
		if n != 1 || (err != nil) != c.fails {
			t.Errorf("%s: destroyed %d, %v", c.uri, n, err)
		}
		wantKilled(t, mine)
		if err := other.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("another run's: %v", err)
		}
	}
}
