package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/release"
)

var (
	t0    = time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)
	alice = release.Actor{Kind: release.Person, Name: "alice"}
)

const writerDir = "ASSAY_TEST_HISTORY_WRITER"

// TestMain is the writer that TestKilledWriter kills, or the import that
// TestKilledImport does, when it is told to be.
func TestMain(m *testing.M) {
	if dir := os.Getenv(importDir); dir != "" {
		importAndDie(dir)
	}
	dir := os.Getenv(writerDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	h, err := Open(ctx, Options{Dir: dir})
	if err == nil {
		err = h.Begin(ctx, t0)
	}
	s := release.NewState()
	for i := 0; err == nil; i++ {
		err = s.Update(ctx, h, func(s *release.State) ([]release.Event, error) {
			return []release.Event{block(fmt.Sprintf("%d after %d", i, s.Head().Seq))}, nil
		})
		fmt.Println(s.Head().Seq)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func block(reason string) release.Event {
	e, err := release.NewEvent("s", t0, alice, &release.StreamBlocked{Word: release.Word{Reason: reason}})
	if err != nil {
		panic(err)
	}
	e.ID += reason
	return e
}

func open(t *testing.T, dir string) *History {
	t.Helper()
	h, err := Open(t.Context(), Options{Dir: dir, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// fill makes a history of n events and leaves it closed.
func fill(t *testing.T, dir string, n int) {
	t.Helper()
	h := open(t, dir)
	if err := h.Begin(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	s := release.NewState()
	for i := 1; i < n; i++ {
		if err := s.Update(t.Context(), h, func(*release.State) ([]release.Event, error) {
			return []release.Event{block(strconv.Itoa(i))}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	h.Close()
}

func verify(t *testing.T, h *History) Report {
	t.Helper()
	r, err := Verify(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAppendAndReadBack(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 60)
	h := open(t, dir)
	if r := verify(t, h); r.Events != 60 || len(r.Findings) != 0 {
		t.Errorf("report: %+v", r)
	}
	if err := h.Begin(t.Context(), t0); err != nil {
		t.Error(err)
	}
	if _, err := h.Append(t.Context(), release.Head{Seq: 3}, block("x")); !errors.Is(err, release.ErrMoved) {
		t.Errorf("appending after an old head: %v", err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("opening it twice: %v", err)
	}
}

func TestOneOfTwoWins(t *testing.T) {
	h := open(t, t.TempDir())
	if err := h.Begin(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			s := release.NewState()
			for i := range 10 {
				err := s.Update(t.Context(), h, func(s *release.State) ([]release.Event, error) {
					return []release.Event{block(fmt.Sprintf("%d/%d", w, i))}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if r := verify(t, h); r.Events != 41 || len(r.Findings) != 0 {
		t.Errorf("report: %+v", r)
	}
}

func TestWait(t *testing.T) {
	h := open(t, t.TempDir())
	if err := h.Begin(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Wait(t.Context(), 1) }()
	head, err := h.head(t.Context(), 1)
	if err == nil {
		_, err = h.Append(t.Context(), head, block("x"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := h.Wait(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for nothing: %v", err)
	}
}

// TestKilledWriter kills a writing process without warning, several times over
// one history: nothing it said was stored may be missing.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	acknowledged := uint64(0)
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), writerDir+"="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == 20+7*round {
				cmd.Process.Kill() // what is in the pipe still counts
			}
		}
		cmd.Wait()
		h := open(t, dir)
		r := verify(t, h)
		if r.Events < acknowledged || len(r.Findings) > 0 {
			t.Fatalf("event %d was acknowledged, and after the kill: %+v\n%s", acknowledged, r, &stderr)
		}
		if r.Events > acknowledged+1 {
			t.Errorf("%d events that nobody was told of", r.Events-acknowledged)
		}
		h.Close()
	}
}

// storeFiles are the files in which JetStream keeps messages.
func storeFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no message blocks: %v", err)
	}
	return files
}

func TestDamageInTheStoreIsNoticed(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole, 40)
	block, err := os.ReadFile(storeFiles(t, whole)[0])
	if err != nil {
		t.Fatal(err)
	}
	rel, _ := filepath.Rel(whole, storeFiles(t, whole)[0])
	damage := map[string]func() []byte{
		"truncated":    func() []byte { return block[:len(block)*2/3] },
		"emptied":      func() []byte { return nil },
		"last byte":    func() []byte { return flip(block, len(block)-1) },
		"zeroed block": func() []byte { return append(append([]byte(nil), block[:5000]...), make([]byte, len(block)-5000)...) },
	}
	for i := 1; i < 12; i++ {
		damage[fmt.Sprintf("byte %d of 12ths", i)] = func() []byte { return flip(block, len(block)*i/12) }
	}
	for name, change := range damage {
		for _, index := range []string{"kept", "gone"} {
			t.Run(name+", index "+index, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, rel), change(), 0o600); err != nil {
					t.Fatal(err)
				}
				if index == "gone" {
					if err := os.Remove(filepath.Join(filepath.Dir(filepath.Join(dir, rel)), "index.db")); err != nil {
						t.Fatal(err)
					}
				}
				h := open(t, dir)
				r := verify(t, h)
				if len(r.Findings) == 0 {
					t.Fatalf("nothing was noticed: %+v", r)
				}
				// The service starts, a person looks, and the history goes on.
				if err := h.Begin(t.Context(), t0); err != nil {
					t.Fatal(err)
				}
				if _, err := Acknowledge(t.Context(), h, alice, "I looked", t0); err != nil {
					t.Fatalf("%v\nfindings: %+v", err, r.Findings)
				}
				if r := verify(t, h); len(r.Findings) != 0 {
					t.Errorf("after the acknowledgement: %+v", r.Findings)
				}
				h.Close()
				h = open(t, dir)
				if r := verify(t, h); len(r.Findings) != 0 {
					t.Errorf("after another start: %+v", r.Findings)
				}
			})
		}
	}
}

func flip(b []byte, at int) []byte {
	out := append([]byte(nil), b...)
	out[at] ^= 0x40
	return out
}

// TestLostEndStaysNoticed: events that are recorded before a person looks do not
// cover up what was lost.
func TestLostEndStaysNoticed(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 10)
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.CopyFS(kept, os.DirFS(filepath.Join(dir, "jetstream"))); err != nil {
		t.Fatal(err)
	}
	h := open(t, dir)
	s := release.NewState()
	if err := s.Update(t.Context(), h, func(*release.State) ([]release.Event, error) { return []release.Event{block("late")}, nil }); err != nil {
		t.Fatal(err)
	}
	h.Close()
	// The store goes back to what it was before: a restored backup.
	os.RemoveAll(filepath.Join(dir, "jetstream"))
	if err := os.CopyFS(filepath.Join(dir, "jetstream"), os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		h := open(t, dir)
		if r := verify(t, h); len(r.Findings) != 1 {
			t.Fatalf("start %d: %+v", i, r)
		}
		s := release.NewState()
		if err := s.Update(t.Context(), h, func(*release.State) ([]release.Event, error) {
			return []release.Event{block(fmt.Sprint("after ", i))}, nil
		}); err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
}

func TestAnchorIsMissed(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":   os.Remove,
		"spoilt": func(p string) error { return os.WriteFile(p, []byte(`{"seq":`), 0o600) },
		"half":   func(p string) error { return os.WriteFile(p, []byte(`{"seq":7}`), 0o600) },
	} {
		dir := t.TempDir()
		fill(t, dir, 5)
		if err := spoil(filepath.Join(dir, "anchor.json")); err != nil {
			t.Fatal(err)
		}
		h := open(t, dir)
		if r := verify(t, h); len(r.Findings) != 1 {
			t.Errorf("%s: %+v", name, r)
		}
		h.Close()
	}
}
