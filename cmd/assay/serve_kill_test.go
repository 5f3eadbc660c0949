package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/publish"
)

// reader looks at what is published: whatever it is, it is whole.
func (h *host) reader() (publish.Pointer, error) {
	var p publish.Pointer
	raw, err := os.ReadFile(filepath.Join(h.dir, "public", "streams", "demo-1", "release.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, err
	}
	for _, f := range p.Files {
		raw, err := os.ReadFile(filepath.Join(h.dir, "public", p.Folder, f.Name))
		if err != nil {
			return p, err
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != f.SHA256 {
			return p, fmt.Errorf("%s of %s has other bytes", f.Name, p.Build)
		}
	}
	return p, nil
}

// status is the build that was out before the last, and the last.
func (h *host) status() (previous, out string) {
	h.t.Helper()
	var all []struct {
		Out struct{ Previous, Build string }
	}
	if err := json.Unmarshal([]byte(h.assay("release", "status", "--json")), &all); err != nil {
		h.t.Fatal(err)
	}
	return all[0].Out.Previous, all[0].Out.Build
}

// killWithin kills a service at a moment within d.
func (s *serving) killWithin(d time.Duration) {
	s.t.Helper()
	select {
	case <-time.After(rand.N(d)):
	case <-s.done:
		s.t.Fatalf("it ended by itself:\n%s", s.log)
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

// kills is how often TestKilledService kills at least; ASSAY_KILLS is another number.
const kills = 4

// TestKilledService kills a service at random moments while it releases build
// after build. Whoever reads all the while sees whole releases, one after the
// other, and in the end every effect has happened once.
func TestKilledService(t *testing.T) {
	h := newHost(t)
	n := kills
	if s := os.Getenv("ASSAY_KILLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	// How long an undisturbed release takes.
	h.build("20261101_01", "accepted")
	h.assay("release", "promote", "20261101_01", "--out-of-band", "--reason", "first", "--as", "alice", "--yes")
	began := time.Now()
	s := h.serve()
	s.until("the first is published", func() bool { return s.published("20261101_01") })
	whole := time.Since(began)
	s.stop()

	stop, looked := make(chan struct{}), make(chan error, 1)
	go func() {
		var last release.BuildID
		for {
			p, err := h.reader()
			if err == nil && last != "" && p.Build.Compare(last) < 0 {
				err = fmt.Errorf("after %s readers see %q", last, p.Build)
			}
			last = p.Build
			select {
			case <-stop:
				looked <- err
				return
			default:
			}
			if err != nil {
				looked <- err
				return
			}
		}
	}()
	releases, killed := 1, 0
	for killed < n {
		id := string(release.NewBuildID(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), releases))
		h.build(id, "accepted")
		h.assay("release", "promote", id, "--out-of-band", "--reason", "next", "--as", "alice", "--yes")
		for range 4 {
			h.launch().killWithin(whole * 5 / 4)
			killed++
		}
		s := h.serve()
		s.until(id+" is published", func() bool { return s.published(id) })
		s.stop()
		releases++
	}
	close(stop)
	if err := <-looked; err != nil {
		t.Errorf("a reader: %v", err)
	}
	seen := map[string]int{}
	for l := range strings.Lines(h.assay("history", "show", "--type", "effect.done", "--json")) {
		var e struct{ Data struct{ Key string } }
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatal(err)
		}
		seen[e.Data.Key]++
	}
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s has happened %d times", key, times)
		}
	}
	// Signed, five steps, announced. How often pages are made anew beside that
	// depends on when it was killed.
	maps.DeleteFunc(seen, func(key string, _ int) bool { return strings.HasPrefix(key, "publish/site/pages/") })
	if len(seen) != 7*releases {
		t.Errorf("%d effects of %d releases", len(seen), releases)
	}
	mails, err := os.ReadDir(filepath.Join(h.dir, "mails"))
	if err != nil || len(slices.DeleteFunc(mails, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })) != releases {
		t.Errorf("%d mails of %d releases, %v", len(mails), releases, err)
	}

	// The last is revoked: readers get the one before, and one bug is filed.
	bad := string(release.NewBuildID(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), releases-1))
	before, _ := h.status()
	h.assay("release", "revoke", bad, "--reason", "does not boot", "--link", "https://bugs.example/9", "--as", "alice", "--yes")
	for range 2 {
		h.launch().killWithin(whole * 5 / 4)
		killed++
	}
	s = h.serve()
	s.until("the one before is out again", func() bool { return s.published(before) })
	s.stop()
	if p, err := h.reader(); err != nil || string(p.Build) != before || p.Revoked == nil || string(p.Revoked.Build) != bad {
		t.Errorf("after the revocation readers see %+v, %v", p, err)
	}
	if bugs, err := os.ReadDir(filepath.Join(h.dir, "bugs")); err != nil || len(bugs) != 1 {
		t.Errorf("bugs: %v, %v", bugs, err)
	}
	if out := h.assay("history", "verify"); !strings.Contains(out, "the chain is whole") {
		t.Error(out)
	}
	t.Logf("killed %d times in %d releases", killed, releases)
}
