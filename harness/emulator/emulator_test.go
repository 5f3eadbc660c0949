package emulator

import (
	"crypto/rand"
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
	want := []Process{{101, "boot1"}, {102, "fork2"}}
	if got := Of(proc, "abc"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Of(proc, ""); got != nil {
		t.Errorf("no run has %v", got)
	}
}

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

// TestKill: what bears the run's name ends, and nothing else.
func TestKill(t *testing.T) {
	run := "test" + rand.Text()
	mine, other := likeness(t, run+"-boot-1"), likeness(t, run+"x-boot-1")
	if n, err := Kill(run); n != 1 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
	wantKilled(t, mine)
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another run's: %v", err)
	}
}
