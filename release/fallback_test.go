package release_test

import (
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// threeReleases are out one after the other; nothing is published yet.
func threeReleases(t *testing.T) *releasetest.History {
	h := releasetest.NewHistory(t, stream)
	for i, b := range []release.BuildID{"20261102_01", "20261116_01", "20261130_01"} {
		h.Now = releasetest.Start.AddDate(0, 0, 14*i)
		if i == 2 {
			h.Tested("20261120_01") // passes, and a newer one is there at the date
		}
		h.Tested(b).Add(33 * time.Hour).Next()
		if h.Out() != b {
			t.Fatalf("out is %q: %s", h.Out(), h.Decide().Text())
		}
	}
	return h
}

// TestFallbackSkipsWhatIsBad: what is known to be bad is given to nobody again.
func TestFallbackSkipsWhatIsBad(t *testing.T) {
	h := threeReleases(t)
	h.MustSay(&release.BuildMarked{Build: "20261116_01", Mark: release.MarkBad, Word: releasetest.Word("eats data")})
	if h.Out() != "20261130_01" {
		t.Fatalf("out is %q", h.Out())
	}
	h.MustSay(&release.ReleaseRevoked{Build: "20261130_01", Word: releasetest.Word("does not boot")})
	if h.Out() != "20261102_01" {
		t.Errorf("fell back to %q", h.Out())
	}
	// What contradicts itself is no better; then there is nothing left.
	other := releasetest.BuildSeen(h.Policy, "20261102_01", releasetest.Start)
	other.Artifacts[0].Digest = releasetest.Digest("20261102_01", "other")
	h.Record(release.Self, other)
	if h.Out() != "" {
		t.Errorf("fell back to %q, whose announcements contradict each other", h.Out())
	}
	var keys []release.EffectKey
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		if e.Publish != nil {
			keys = append(keys, e.Key)
			if e.Publish.Release.Build != "" || e.Publish.Revoked.Build != "20261130_01" {
				t.Errorf("published: %+v", e.Publish)
			}
		}
	}
	if len(keys) != 1 {
		t.Errorf("effects: %v", keys)
	}
	// A person takes the mark back: the release is given out again.
	h.MustSay(&release.BuildMarked{Build: "20261116_01", Mark: release.MarkGood, Word: releasetest.Word("it was the test")})
	if h.Out() != "20261116_01" {
		t.Errorf("fell back to %q", h.Out())
	}
}

// TestBlockLetsAFallbackThrough.
func TestBlockLetsAFallbackThrough(t *testing.T) {
	h := threeReleases(t)
	h.MustSay(&release.StreamBlocked{Word: releasetest.Word("freeze")})
	h.MustSay(&release.ReleaseRevoked{Build: "20261130_01", Word: releasetest.Word("does not boot")})
	n := 0
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		if e.Sign != nil && e.Sign.Build == "20261116_01" {
			n++
		}
	}
	if h.Out() != "20261116_01" || n != 1 {
		t.Errorf("fell back to %q, %d signatures", h.Out(), n)
	}
}

// TestCadenceNeverGoesBack: after a revocation the next date takes no build
// older than one that readers have had, unless a person says so.
func TestCadenceNeverGoesBack(t *testing.T) {
	h := threeReleases(t)
	h.MustSay(&release.ReleaseRevoked{Build: "20261130_01", Word: releasetest.Word("does not boot")})
	h.Add(14 * 24 * time.Hour)
	if d := h.Decide(); d.Action != release.Wait {
		t.Errorf("%s", d.Text())
	}
	h.MustSay(&release.PromotionRequested{Request: "r", Build: "20261120_01", Word: releasetest.Word("better than nothing")})
	if d := h.Decide(); d.Action != release.Promote || d.Build != "20261120_01" {
		t.Errorf("%s", d.Text())
	}
}
