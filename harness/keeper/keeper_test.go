package keeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the parent that gets killed and the keeper.
func TestMain(m *testing.M) {
	quiet, again, cleanLimit, reapPatience = 300*time.Millisecond, 20*time.Millisecond, 3*time.Second, 500*time.Millisecond
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "be-keeper":
			opt, err := ParseArgs(os.Args[2:])
			if err == nil {
				err = Main(context.Background(), os.Stdin, opt, func(context.Context) (int, error) { return destroyFake(opt.URI, opt.RunID) })
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "be-parent":
			if err := beParent(os.Args[2], os.Args[3]); err != nil {
				fmt.Println("error:", err)
			}
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// A fake libvirt is a folder with one file per domain: "<run id>-<guest>".
func destroyFake(hypervisor, runID string) (n int, err error) {
	domains, err := filepath.Glob(filepath.Join(hypervisor, runID+"-*"))
	if err != nil || runID == "" {
		return 0, errors.Join(err, errors.New("no run"))
	}
	for _, d := range domains {
		if err := os.Remove(d); err == nil {
			n++
		}
	}
	return n, nil
}

// beParent starts a run with a keeper, tells its id, and waits to be killed.
func beParent(runs, hypervisor string) error {
	r, err := NewRun(runs, "test:///x")
	if err != nil {
		return err
	}
	if _, err := Start(context.Background(), keeperOf(r, hypervisor)); err != nil {
		return err
	}
	if err := fill(r, hypervisor); err != nil {
		return err
	}
	fmt.Println(r.ID)
	time.Sleep(time.Hour) // killed long before; select{} would be a deadlock to the runtime, and end it at once
	return nil
}

func keeperOf(r *RunDir, hypervisor string) Options {
	return Options{Exe: os.Args[0], Args: []string{"be-keeper"}, RunID: r.ID, ScratchDir: r.Path, URI: hypervisor}
}

// fill makes what a run makes: overlays, a link out of the folder, a folder
// nobody may write to, domains.
func fill(r *RunDir, hypervisor string) error {
	guest := filepath.Join(r.Path, "g1", "deep")
	return errors.Join(
		os.MkdirAll(guest, 0o755),
		os.WriteFile(filepath.Join(guest, "overlay.qcow2"), []byte("x"), 0o600),
		os.Symlink(hypervisor, filepath.Join(r.Path, "out")),
		os.Symlink(hypervisor, filepath.Join(guest, "out")),
		os.WriteFile(filepath.Join(hypervisor, "keep-me"), nil, 0o600),
		os.WriteFile(filepath.Join(hypervisor, r.ID+"-g1"), nil, 0o600),
		os.WriteFile(filepath.Join(hypervisor, r.ID+"-g2"), nil, 0o600),
		os.Chmod(guest, 0o500),
	)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// eventually waits for a state.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(8 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 8 s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// startParent runs a parent process and returns its run's id.
func startParent(t *testing.T, runs, hypervisor string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "be-parent", runs, hypervisor)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	id, err := bufio.NewReader(out).ReadString('\n')
	if id = strings.TrimSpace(id); err != nil || !isRunID(id) {
		t.Fatalf("the parent said %q, %v", id, err)
	}
	return cmd, id
}

func TestKilledParentLeavesNothing(t *testing.T) {
	for name, kill := range map[string]func(p *os.Process) error{
		"SIGKILL to the parent":     func(p *os.Process) error { return p.Kill() },
		"SIGKILL to its group":      func(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) },
		"SIGINT to the whole group": func(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs, hypervisor := t.TempDir(), t.TempDir()
			cmd, id := startParent(t, runs, hypervisor)
			if err := kill(cmd.Process); err != nil {
				t.Fatal(err)
			}
			// A restore that was under way shows up late.
			eventually(t, "first domains destroyed", func() bool { return !exists(filepath.Join(hypervisor, id+"-g1")) })
			if err := os.WriteFile(filepath.Join(hypervisor, id+"-late"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			eventually(t, "folder removed", func() bool { return !exists(filepath.Join(runs, id)) })
			if left, _ := os.ReadDir(hypervisor); len(left) != 1 || left[0].Name() != "keep-me" {
				t.Errorf("left beside the run: %v", left)
			}
		})
	}
}

func TestDoneKeepsTheFolder(t *testing.T) {
	runs, hypervisor := t.TempDir(), t.TempDir()
	r, err := NewRun(runs, "test:///x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	k, err := Start(t.Context(), keeperOf(r, hypervisor))
	if err != nil {
		t.Fatal(err)
	}
	// What ends its parent does not end it.
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := k.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := fill(r, hypervisor); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := k.Done(); err != nil {
			t.Errorf("Done: %v", err)
		}
	}
	if !exists(filepath.Join(r.Path, "g1")) || !exists(filepath.Join(hypervisor, r.ID+"-g1")) {
		t.Error("the keeper cleaned up after a clean end")
	}
	if err := os.Chmod(filepath.Join(r.Path, "g1", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestAbandonLeavesTheCleaningToTheKeeper(t *testing.T) {
	runs, hypervisor := t.TempDir(), t.TempDir()
	r, err := NewRun(runs, "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := Start(t.Context(), keeperOf(r, hypervisor))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fill(r, hypervisor), k.Abandon(), r.Close(), k.Done()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "guests and folder gone", func() bool { return !exists(filepath.Join(hypervisor, r.ID+"-g1")) && !exists(r.Path) })
}

func TestStartSaysWhyItFailed(t *testing.T) {
	r, err := NewRun(t.TempDir(), "test:///x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, opt := range []Options{
		{Exe: "/nonexistent", RunID: r.ID, ScratchDir: r.Path},
		{Exe: "/bin/true", RunID: r.ID, ScratchDir: r.Path},
		{Exe: os.Args[0], Args: []string{"be-keeper"}, RunID: "../etc", ScratchDir: r.Path},
		{Exe: os.Args[0], Args: []string{"be-keeper"}, RunID: r.ID, ScratchDir: "/"},
	} {
		if _, err := Start(t.Context(), opt); err == nil || !strings.HasPrefix(err.Error(), "cannot start keeper") {
			t.Errorf("%+v: %v", opt, err)
		}
	}
}

func TestReapTakesTheDeadAndLeavesTheLiving(t *testing.T) {
	runs, hypervisor := t.TempDir(), t.TempDir()
	alive, err := NewRun(runs, "test:///x")
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	other, otherID := startParent(t, runs, hypervisor)
	dead, err := NewRun(runs, "test:///x")
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(dead, hypervisor); err != nil {
		t.Fatal(err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	// A maker killed between the folder and its lock, and things that are no run's.
	half := filepath.Join(runs, newID(time.Now()))
	for _, d := range []string{half, filepath.Join(runs, "notes")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	destroy := func(_ context.Context, uri, id string) (int, error) {
		if id == alive.ID || id == otherID {
			t.Errorf("destroy called for the living run %s", id)
		}
		if id == dead.ID && uri != "test:///x" {
			t.Errorf("the dead run's libvirt is %q", uri)
		}
		return destroyFake(hypervisor, id)
	}
	got, err := Reap(t.Context(), runs, destroy)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{dead.ID, filepath.Base(half)}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("reaped %v, want %v", got, want)
	}
	if exists(dead.Path) || exists(half) || exists(filepath.Join(hypervisor, dead.ID+"-g1")) {
		t.Error("a dead run's things are left")
	}
	if !exists(alive.Path) || !exists(filepath.Join(runs, otherID, "g1")) || !exists(filepath.Join(runs, "notes")) ||
		!exists(filepath.Join(hypervisor, otherID+"-g1")) {
		t.Error("a living run's things are gone")
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Error("the other run was hurt:", err)
	}
}

func TestReapKeepsWhatItCannotClean(t *testing.T) {
	runs := t.TempDir()
	r, err := NewRun(runs, "test:///x")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("no libvirt")
	got, err := Reap(t.Context(), runs, func(context.Context, string, string) (int, error) { return 0, cause })
	if len(got) > 0 || !errors.Is(err, cause) || !exists(r.Path) {
		t.Errorf("got %v, %v; folder there: %v", got, err, exists(r.Path))
	}
	got, err = Reap(t.Context(), runs, func(context.Context, string, string) (int, error) { return 0, nil })
	if len(got) != 1 || err != nil || exists(r.Path) {
		t.Errorf("second try: %v, %v", got, err)
	}
	if got, err := Reap(t.Context(), filepath.Join(runs, "none"), nil); got != nil || err != nil {
		t.Errorf("no runs at all: %v, %v", got, err)
	}
}

// TestNobodyReapsANewRun makes runs while others look for dead ones.
func TestNobodyReapsANewRun(t *testing.T) {
	runs := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var reapers, makers sync.WaitGroup
	var living sync.Map
	for range 3 {
		reapers.Go(func() {
			for ctx.Err() == nil {
				_, err := Reap(context.Background(), runs, func(_ context.Context, _, id string) (int, error) {
					if _, ok := living.Load(id); ok {
						t.Errorf("run %s is alive", id)
					}
					return 0, nil
				})
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("reap: %v", err)
				}
			}
		})
	}
	for range 4 {
		makers.Go(func() {
			for range 50 {
				r, err := NewRun(runs, "test:///x")
				if err != nil {
					t.Error(err)
					return
				}
				living.Store(r.ID, true)
				if err := os.WriteFile(filepath.Join(r.Path, "x"), nil, 0o600); err != nil {
					t.Errorf("the folder of a living run: %v", err)
				}
				living.Delete(r.ID)
				_ = os.RemoveAll(r.Path)
				_ = r.Close()
			}
		})
	}
	makers.Wait()
	cancel()
	reapers.Wait()
}

func TestIDsSortByTime(t *testing.T) {
	a, b := newID(time.Unix(1_700_000_000, 0)), newID(time.Unix(1_700_000_001, 0))
	if a >= b || !isRunID(a) || a[:7] == b[:7] {
		t.Errorf("%s, %s", a, b)
	}
	if isRunID("../../etc/pw") || isRunID("") {
		t.Error("a path passes for an id")
	}
}

func TestAFolderReplacedByALinkIsNotFollowed(t *testing.T) {
	runs, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(runs, newID(time.Now()))
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	_ = clean(t.Context(), link, 0, time.Second, func(context.Context) (int, error) { return 0, nil })
	if !exists(filepath.Join(outside, "precious")) {
		t.Error("a file outside the run is gone")
	}
}
