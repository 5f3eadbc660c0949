package release_test

import (
	"testing"

	"assay/release"
	"assay/release/releasetest"
)

// TestRequestsLapse: a request that waits for its tests was made in view of
// what was out, and does not go back behind what came since.
func TestRequestsLapse(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Build("20261101_01").Next()
	h.MustSay(&release.PromotionRequested{Request: "r", Build: "20261101_01", Older: true, Word: releasetest.Word("soon")})
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	if h.Out() != "20261102_01" {
		t.Fatalf("out is %q", h.Out())
	}
	h.Answer("20261101_01", releasetest.QCOW2).Answer("20261101_01", releasetest.Vagrant).Next()
	if h.Out() != "20261102_01" || len(h.State.Line(stream).Promotions()) != 0 {
		t.Errorf("out is %q", h.Out())
	}
}
