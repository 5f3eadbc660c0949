package release_test

import (
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// owed are the kinds of what is owed.
func owed(h *releasetest.History) map[release.EffectKind][]release.EffectKey {
	out := map[release.EffectKind][]release.EffectKey{}
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		out[e.Kind] = append(out[e.Kind], e.Key)
	}
	return out
}

func did(h *releasetest.History, k release.EffectKey, kind release.EffectKind) {
	h.TB.Helper()
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		if e.Key == k && e.Kind == kind {
			h.Record(release.Self, e.Done(release.Receipt{}))
			return
		}
	}
	h.TB.Fatalf("%s is not owed", k)
}

// TestObjectionHoldsSigningAndPublishing until a reader has seen a part of it.
func TestObjectionHoldsSigningAndPublishing(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	sign := owed(h)[release.EffectSign]
	if len(sign) != 1 {
		t.Fatalf("owed: %v", owed(h))
	}
	block := func() { h.Add(time.Second).MustSay(&release.StreamBlocked{Word: releasetest.Word("wait")}) }
	unblock := func() { h.Add(time.Second).MustSay(&release.StreamUnblocked{Word: releasetest.Word("go")}) }
	block()
	if o := owed(h); len(o[release.EffectSign])+len(o[release.EffectPublish]) > 0 {
		t.Errorf("blocked, and owed: %v", o)
	}
	unblock()
	did(h, sign[0], release.EffectSign)
	for _, step := range release.PublishSteps {
		k := owed(h)[release.EffectPublish]
		if len(k) != 1 {
			t.Fatalf("before %s: %v", step, k)
		}
		block()
		seen := step == release.StepImages || step == release.StepPointer
		if n := len(owed(h)[release.EffectPublish]); (n == 1) != seen {
			t.Errorf("blocked before %s: %d steps", step, n)
		}
		unblock()
		// An attempt that failed has shown nobody anything.
		h.Record(release.Self, &release.EffectFailed{Key: k[0], Attempt: 1, Error: "x", Retry: h.Now})
		block()
		if n := len(owed(h)[release.EffectPublish]); (n == 1) != seen {
			t.Errorf("blocked after %s failed: %d steps", step, n)
		}
		unblock()
		did(h, k[0], release.EffectPublish)
	}
	if n := len(owed(h)[release.EffectAnnounce]); n != 1 {
		t.Errorf("%d announcements", n)
	}
}

// TestNothingIsAnnouncedThatIsNowhere: every target was given up.
func TestNothingIsAnnouncedThatIsNowhere(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	did(h, owed(h)[release.EffectSign][0], release.EffectSign)
	h.MustSay(&release.EffectDropped{Key: owed(h)[release.EffectPublish][0], Word: releasetest.Word("the disk is full")})
	if o := owed(h)[release.EffectAnnounce]; len(o) > 0 {
		t.Errorf("announced: %v", o)
	}
}
