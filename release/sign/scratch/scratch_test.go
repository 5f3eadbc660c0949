package scratch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A child makes a folder with something in it and is killed.
func TestMain(m *testing.M) {
	if base := os.Getenv("ASSAY_SCRATCH_CHILD"); base != "" {
		dir, _, err := Dir(base)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "x"), nil, 0o600)
		}
		if err != nil {
			os.Exit(1)
		}
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	}
	os.Exit(m.Run())
}

func left(t *testing.T, base string) (out []string) {
	t.Helper()
	all, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.HasPrefix(e.Name(), prefix) {
			out = append(out, e.Name())
		}
	}
	return out
}

func TestWhatAKilledProcessLeftIsSwept(t *testing.T) {
	base := filepath.Join(t.TempDir(), "a", "b")
	if err := Sweep(base); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	mine, remove, err := Dir(base)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "ASSAY_SCRATCH_CHILD="+base)
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() >= 0 {
			t.Fatalf("the child was not killed: %v", err)
		}
	}
	if n := len(left(t, base)); n != 3 {
		t.Fatalf("%d folders", n)
	}
	for range 2 {
		if err := Sweep(base); err != nil {
			t.Fatal(err)
		}
		if got := left(t, base); len(got) != 1 || got[0] != filepath.Base(mine) {
			t.Errorf("left: %q, in use: %s", got, mine)
		}
	}
	remove()
	if got := left(t, base); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func TestNothingInUseIsSwept(t *testing.T) {
	base := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				dir, remove, err := Dir(base)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
					t.Error(err)
				}
				remove()
			}
		})
	}
	for range 50 {
		if err := Sweep(base); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if got := left(t, base); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	if _, _, err := Dir("relative"); err == nil {
		t.Error("a relative path is taken")
	}
}
