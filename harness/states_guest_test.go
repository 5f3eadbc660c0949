package harness

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"assay/fixtures/refimage"
	"assay/harness/guest"
	"assay/harness/livedin"
	"assay/harness/trees"
	"assay/reports"
	"assay/suites/check"
)

// longTest skips a test that boots guests for minutes unless it is asked for, and
// returns the cache.
func longTest(t *testing.T, takes string) string {
	t.Helper()
	if os.Getenv("ASSAY_GUEST_TESTS") == "" {
		t.Skip("boots real guests: set ASSAY_GUEST_TESTS=1 (make long does)")
	}
	if os.Getenv("ASSAY_CORPUS") != "all" {
		t.Skip(takes + ": `make long` has the time for it")
	}
	cache, err := DefaultCache()
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// TestUpgradedStateIsMadeOnce boots the reference image, derives the upgraded
// state from it, and forks that: the fork runs the new tree, and the booted
// state still forks the old one. Then the same with a derived update.
func TestUpgradedStateIsMadeOnce(t *testing.T) {
	cache := longTest(t, "an upgrade and two boots")
	img, err := refimage.Ensure(t.Context(), refimage.Options{Cache: cache, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Image: img.QCOW2, Results: filepath.Join(t.TempDir(), "results"), Cache: cache,
		UpdateRepo: img.Repo, UpdateRef: img.Ref, Progress: func(p Progress) { t.Log(p.Text) }}
	if err := opt.fill(); err != nil {
		t.Fatal(err)
	}
	run := &reports.Run{Started: time.Now()}
	s, err := open(t.Context(), opt, run)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	if up, err := s.firstBoot(t.Context()); err != nil || !up {
		t.Fatalf("up %v, %v; the reference image must boot", up, err)
	}
	was, newest := img.Trees[refimage.Deployed], img.Trees[len(img.Trees)-1]
	if run.Image.OSTreeCommit != was.Commit || run.Image.OSTreeVersion != was.Version {
		t.Errorf("booted %s (%s), want %+v", run.Image.OSTreeCommit, run.Image.OSTreeVersion, was)
	}

	for n, c := range []struct {
		state check.State
		want  refimage.Tree
	}{{check.Upgraded, newest}, {check.Booted, was}, {check.Upgraded, newest}} {
		snap, err := s.states.get(t.Context(), c.state)
		if err != nil {
			t.Fatal(err)
		}
		i, g, err := s.enterFork(t.Context(), snap, s.guestName("test"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := guest.ReadFacts(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		if f.OSTreeCommit != c.want.Commit {
			t.Errorf("fork %d of %s runs %s, want %+v", n, c.state, f.OSTreeCommit, c.want)
		}
		// The clock was set: no more than the seconds of two commands off.
		now, err := guest.Output(t.Context(), g, "date", "+%s")
		if err != nil {
			t.Fatal(err)
		}
		if off := clockOff(t, now); off > 20*time.Second || off < -20*time.Second {
			t.Errorf("the clock of fork %d is off by %s", n, off)
		}
		g.Close()
		if err := i.close(); err != nil {
			t.Error(err)
		}
	}
	deriveInstead(t, s)
}

// deriveInstead makes the session forget its update repository: the update is
// derived from the image's own tree, and the guest upgraded to that.
func deriveInstead(t *testing.T, s *session) {
	t.Helper()
	s.opt.UpdateRepo = ""
	s.trees = newTreeSource(s)
	s.services.handlers[updatesPort] = trees.Handler(s.treeRepo())
	delete(s.states.made, check.Upgraded)
	snap, err := s.states.get(t.Context(), check.Upgraded)
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.trees.get(t.Context())
	if err != nil || !made.Derived {
		t.Fatalf("%+v, %v", made, err)
	}
	i, g, err := s.enterFork(t.Context(), snap, s.guestName("test"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		g.Close()
		if err := i.close(); err != nil {
			t.Error(err)
		}
	}()
	f, err := guest.ReadFacts(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if f.OSTreeCommit != made.Newer.Commit || f.OSTreeVersion != made.Newer.Version {
		t.Errorf("it runs %s (%s), want %+v", f.OSTreeCommit, f.OSTreeVersion, made.Newer)
	}
	left, err := livedin.Left(t.Context(), g)
	if err != nil || !slices.Equal(left, livedin.All) {
		t.Errorf("of the life before the upgrade %v is left, %v; want %v", left, err, livedin.All)
	}
	// A power cut ends in the same tree.
	if err := g.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := guest.ReadFacts(t.Context(), g); err != nil || again.OSTreeCommit != f.OSTreeCommit {
		t.Errorf("after a power cut: %+v, %v", again, err)
	}
}

func clockOff(t *testing.T, seconds string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(seconds + "s")
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(time.Unix(0, 0).Add(d))
}
