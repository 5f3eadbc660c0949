package release_test

import (
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// TestOneReleaseForADate: a date that has had its release is not reopened, by
// command or by an event that nobody asked Allow about.
func TestOneReleaseForADate(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	f := &release.SlotsReopened{After: h.Now.Add(-24 * time.Hour), Word: releasetest.Word("mistake")}
	if h.Say(f) == nil {
		t.Error("a past date was reopened")
	}
	h.Add(time.Hour).Record(releasetest.Alice, f).Tested("20261103_01")
	if h.Out() != "20261102_01" {
		t.Errorf("a second release for one date: %s", h.Out())
	}
}
