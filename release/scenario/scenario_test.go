package scenario

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

var building sync.Mutex

// project is a real Gitea's where servers may be started, else a stand-in's that
// answers as Gitea did when it was recorded.
func project(t *testing.T) (trackertest.Project, time.Duration) {
	if os.Getenv("ASSAY_SERVER_TESTS") != "" {
		building.Lock() // the first has to build it
		defer building.Unlock()
		return trackertest.Gitea(t)(t), time.Second
	}
	return trackertest.StandIn(tracker.Gitea)(t), time.Millisecond
}

// TestTenWeeks lives through the table, and looks at each evening.
func TestTenWeeks(t *testing.T) {
	t.Parallel()
	p, grace := project(t)
	w := NewWorld(t, t.TempDir(), p)
	began := time.Now()
	err := Run(t.Context(), Options{Dir: w.Dir, Grace: grace, Tell: t.Logf,
		Morning: func(_ context.Context, d Day) error { w.Morning(d); return nil },
		Evening: func(ctx context.Context, d Day, a Account) error {
			s, err := w.Evening(ctx, d, a)
			t.Logf("%s %s: %s; %s, %s; bugs: %s; mails: %s; %s | %s", d.Is, d.Date().Format("2 Jan"), d.Night.About, s.Main.Build, s.Stable.Build, s.Bugs, s.Mails, a.Main, a.Stable)
			if err != nil {
				t.Errorf("%s: %v", d.Is, err)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v in %s", w.Counts, time.Since(began))
	if w.Counts != Total {
		t.Errorf("the world got %+v, want %+v", w.Counts, Total)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"a flipped byte":   func(b []byte) []byte { b[len(b)/2] ^= 0x40; return b },
		"a truncated file": func(b []byte) []byte { return b[:len(b)*2/3] },
	} {
		t.Run(name, func(t *testing.T) { damaged(t, w, spoil) })
	}
}

// damaged is the service's next start after its event store was spoilt. More of
// this is tested in release/history.
func damaged(t *testing.T, w *World, spoil func([]byte) []byte) {
	dir := t.TempDir()
	for _, name := range []string{"history", "spool", "public", "assay.yaml", "atomic-43.yaml", "atomic-stable.yaml"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(w.Dir, name), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	blocks, _ := filepath.Glob(filepath.Join(dir, "history/jetstream/jetstream/*/streams/*/msgs/*.blk"))
	if len(blocks) == 0 {
		t.Fatal("the event store has no files")
	}
	b, err := os.ReadFile(blocks[0])
	if err == nil {
		err = os.WriteFile(blocks[0], spoil(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := moments()
	last := all[len(all)-1]
	s, err := open(t.Context(), Options{Dir: dir, Tell: t.Logf}, last.at)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	a, err := s.account(t.Context(), last)
	if err != nil || !strings.Contains(a.Main, "the history is damaged, and nobody has acknowledged it") || !strings.Contains(a.Stable, "the history is damaged") {
		t.Errorf("%v, %+v", err, a)
	}
}
