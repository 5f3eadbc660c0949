package release_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// settle has everything done that is owed, and returns it in order.
func settle(h *releasetest.History) (did []release.Effect) {
	h.TB.Helper()
	for range 200 {
		owed := release.Effects(h.Policy, h.State, h.Now)
		if len(owed) == 0 {
			return did
		}
		e := owed[0]
		h.Record(release.Self, e.Done(release.Receipt{Ref: "1"}))
		did = append(did, e)
	}
	h.TB.Fatalf("effects never end")
	return nil
}

// published are two releases that readers have had, the second of which is out.
func published(t *testing.T) *releasetest.History {
	h := releasetest.NewHistory(t, stream)
	for i, b := range []release.BuildID{"20261102_01", "20261116_01"} {
		h.Now = releasetest.Start.AddDate(0, 0, 14*i)
		h.Tested(b).Add(33 * time.Hour).Next()
		settle(h)
		if h.Out() != b {
			t.Fatalf("out is %q", h.Out())
		}
	}
	return h
}

func announced(did []release.Effect) (out []*release.AnnounceWork) {
	for _, e := range did {
		if e.Announce != nil {
			out = append(out, e.Announce)
		}
	}
	return out
}

// TestRevocationOfAnOlderReleaseIsAnnounced once on each channel, with when it
// was out, and with the bug filed; what is out stays.
func TestRevocationOfAnOlderReleaseIsAnnounced(t *testing.T) {
	h := published(t)
	h.Policy.Announce = append(h.Policy.Announce, release.Channel{Name: "bus"})
	settle(h)
	from := h.State.Line(stream).Releases[0].At
	h.Add(24 * time.Hour).MustSay(&release.ReleaseRevoked{Build: "20261102_01", Word: releasetest.Word("eats disks")})
	did := settle(h)
	told := announced(did)
	if len(told) != 2 || h.Out() != "20261116_01" {
		t.Fatalf("%d announcements, out is %s; did %v", len(told), h.Out(), did)
	}
	for _, w := range told {
		if w.Revoked == nil || w.Revoked.Build != "20261102_01" || !w.Older || w.Release.Build != "20261116_01" || w.Build == nil ||
			!w.Since.Equal(from) || !w.Until.Equal(h.State.Line(stream).Releases[1].At) {
			t.Errorf("announced: %+v", w)
		}
	}
	kinds := map[string]int{}
	for _, e := range did {
		if e.Publish != nil {
			kinds[string(e.Publish.Step)]++
		}
		if e.Bug != nil {
			kinds["bug "+string(e.Bug.Subject)]++
		}
	}
	if kinds["bug revoked:20261102_01"] != 1 || kinds["pages"] == 0 || kinds["pointer"] != 0 {
		t.Errorf("done: %v", kinds)
	}
	if again := settle(h); len(again) != 0 {
		t.Errorf("again: %v", again)
	}
	// The one that is out follows: its revocation has nothing new to say of the
	// older one.
	h.Add(time.Hour).MustSay(&release.ReleaseRevoked{Build: "20261116_01", Word: releasetest.Word("eats disks, too")})
	if told := announced(settle(h)); len(told) != 2 || told[0].Revoked.Build != "20261116_01" || told[0].Release.Build != "" || told[0].Since.IsZero() || told[0].Older {
		t.Errorf("announced: %+v", told)
	}
}

// TestRevocationOvertakenByARelease is announced all the same, once readers are
// given something else.
func TestRevocationOvertakenByARelease(t *testing.T) {
	h := published(t)
	h.MustSay(&release.ReleaseRevoked{Build: "20261116_01", Word: releasetest.Word("eats disks")})
	h.Add(time.Minute).Tested("20261118_01")
	h.MustSay(&release.PromotionRequested{Request: "r", Build: "20261118_01", Word: releasetest.Word("has the fix")}).Next()
	if h.Out() != "20261118_01" {
		t.Fatalf("out is %q: %s", h.Out(), h.Decide().Text())
	}
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		if e.Announce != nil {
			t.Errorf("announced while readers are given the revoked release still: %+v", e.Announce)
		}
	}
	told := announced(settle(h))
	if len(told) != 2 {
		t.Fatalf("%d announcements", len(told))
	}
	i := slices.IndexFunc(told, func(w *release.AnnounceWork) bool { return w.Revoked != nil })
	if i < 0 || told[i].Revoked.Build != "20261116_01" || told[i].Release.Build != "20261118_01" || told[1-i].Revoked != nil {
		t.Errorf("announced: %+v", told)
	}
}

// TestRevocationThatAFallbackTold is not told twice, when what is out changes
// again.
func TestRevocationThatAFallbackTold(t *testing.T) {
	h := published(t)
	h.MustSay(&release.ReleaseRevoked{Build: "20261116_01", Word: releasetest.Word("eats disks")})
	settle(h)
	h.Add(time.Minute).Tested("20261118_01")
	h.MustSay(&release.PromotionRequested{Request: "r", Build: "20261118_01", Word: releasetest.Word("has the fix")}).Next()
	if told := announced(settle(h)); len(told) != 1 || told[0].Revoked != nil {
		t.Errorf("announced: %+v", told)
	}
}

// TestRevocationOfWhatNobodyHas: it was decided, and no step that shows was
// begun before the next release.
func TestRevocationOfWhatNobodyHas(t *testing.T) {
	h := threeReleases(t)
	settle(h)
	h.MustSay(&release.ReleaseRevoked{Build: "20261102_01", Word: releasetest.Word("eats disks")})
	if told := announced(settle(h)); len(told) != 0 {
		t.Errorf("announced: %+v", told)
	}
}

// TestOldRevocationsAreNoNews for a channel that comes later.
func TestOldRevocationsAreNoNews(t *testing.T) {
	h := published(t)
	h.MustSay(&release.ReleaseRevoked{Build: "20261102_01", Word: releasetest.Word("eats disks")})
	settle(h)
	h.Add(60 * 24 * time.Hour)
	h.Policy.Announce = append(h.Policy.Announce, release.Channel{Name: "bus"})
	for _, w := range announced(settle(h)) {
		if w.Revoked != nil {
			t.Errorf("announced: %+v", w)
		}
	}
}

// TestPagesAreRefreshedBetweenReleases: once for each thing that is new, whatever
// it goes back to.
func TestPagesAreRefreshedBetweenReleases(t *testing.T) {
	h := published(t)
	refreshed := func(what string) {
		t.Helper()
		keys := []string{}
		for _, e := range settle(h) {
			if e.Publish != nil {
				keys = append(keys, string(e.Key))
				if e.Publish.Release.Build != "20261116_01" || e.Publish.Build == nil {
					t.Errorf("%s: %+v", what, e.Publish)
				}
			}
		}
		if len(keys) != 1 || !strings.HasPrefix(keys[0], "publish/site/pages/") {
			t.Errorf("%s: %q", what, keys)
		}
		if again := settle(h); len(again) != 0 {
			t.Errorf("%s, again: %v", what, again)
		}
	}
	if did := settle(h); len(did) != 0 {
		t.Fatalf("nothing is new, and done: %v", did)
	}
	h.Add(time.Minute).MustSay(&release.StreamBlocked{Word: releasetest.Word("freeze")})
	refreshed("blocked")
	h.Add(time.Minute).MustSay(&release.StreamUnblocked{Word: releasetest.Word("go")})
	refreshed("unblocked")
	h.Add(time.Minute).MustSay(&release.BuildMarked{Build: "20261116_01", Mark: release.MarkBad, Word: releasetest.Word("slow")})
	refreshed("marked bad")
	h.Policy.Disclaimer = "The base is a beta."
	refreshed("development status")
	// The date comes and nothing has passed.
	h.At("2026-12-01T12:00:00Z").Next()
	refreshed("stale")
	h.Build("20261202_01").Next()
	if did := settle(h); len(did) != 0 {
		t.Errorf("a test was asked for: %v", did)
	}
	h.Answer("20261202_01", releasetest.QCOW2, releasetest.Failed("upgrade/plain"))
	h.Answer("20261202_01", releasetest.Vagrant)
	h.Next()
	if did := settle(h); !slices.ContainsFunc(did, func(e release.Effect) bool { return e.Publish != nil && e.Publish.Step == release.StepPages }) {
		t.Errorf("a build was tested whole: %v", did)
	}
}

// TestPagesWaitForTheFirstPointer: a target without any has no pages to refresh;
// and a release that cannot be published keeps no warning from readers.
func TestPagesWaitForTheFirstPointer(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	pages := func() (out []release.Effect) {
		for _, e := range release.Effects(h.Policy, h.State, h.Now) {
			if e.Publish != nil && e.Publish.Step == release.StepPages {
				out = append(out, e)
			}
		}
		return out
	}
	if p := pages(); len(p) != 0 {
		t.Errorf("owed: %v", p)
	}
	settle(h)
	h.At("2026-11-16T00:00:00Z").Tested("20261116_01").At("2026-11-17T12:00:00Z").Next()
	if p := pages(); len(p) != 1 || p[0].Publish.Release.Build != "20261102_01" {
		t.Errorf("a release is on its way, and owed: %v", p)
	}
}

// TestPublishedCommits: pages and announcements name what readers get, which
// may be made of what was tested.
func TestPublishedCommits(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	promoted := release.Commit{Arch: "x86_64", Ref: "test/stable", Checksum: releasetest.Digest("20261102_01", "promoted").Hex()}
	target := h.Policy.Targets[0]
	for range 20 {
		owed := release.Effects(h.Policy, h.State, h.Now)
		if len(owed) == 0 {
			break
		}
		e, r := owed[0], release.Receipt{Ref: "1"}
		if e.Announce != nil {
			if c := e.Announce.Release.Commits; len(c) != 1 || c[0] != promoted {
				t.Errorf("announced: %v", c)
			}
		} else if got := h.State.Line(stream).PublishedAt(target); len(got) != 0 && e.Publish != nil && e.Publish.Step != release.StepPages {
			t.Errorf("published before %s: %v", e.Key, got)
		}
		if e.Publish != nil && e.Publish.Step == release.StepPointer {
			r.Commits = []release.Commit{promoted}
		}
		h.Record(release.Self, e.Done(r))
	}
	if got := h.State.Line(stream).PublishedAt(target); len(got) != 1 || len(got["20261102_01"]) != 1 || got["20261102_01"][0] != promoted {
		t.Errorf("published: %v", got)
	}
}
