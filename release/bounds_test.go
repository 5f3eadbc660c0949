package release_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
	"assay/reports"
)

// TestDecisionFitsAnEvent, however much there is to say.
func TestDecisionFitsAnEvent(t *testing.T) {
	const b = release.BuildID("20261102_01")
	h := releasetest.NewHistory(t, stream)
	h.Build(b).Next()
	for _, w := range h.Policy.Artifacts {
		var cases []release.Case
		for i := range 1500 {
			c := releasetest.Failed(reports.CaseID(fmt.Sprintf("odd/%d", i)))
			c.Blocking, c.Message = false, strings.Repeat("long ", 80)
			cases = append(cases, c)
		}
		h.Answer(b, w.ID, cases...)
	}
	h.At("2026-11-03T12:00:00Z").Next()
	if h.Out() != b {
		t.Errorf("out is %q: %s", h.Out(), h.Decide().Text())
	}
}

// TestLongSubjectsHaveKeys: an effect whose key were too long could not begin.
func TestLongSubjectsHaveKeys(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	long := "odd/" + strings.Repeat("x", 480)
	h.Tested("20261102_01", releasetest.Failed(reports.CaseID(long+"1")), releasetest.Failed(reports.CaseID(long+"2")))
	keys := map[release.EffectKey]bool{}
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		f := &release.EffectStarted{Key: e.Key, Attempt: 1, Lease: h.Now}
		if err := f.Validate(); err != nil {
			t.Error(err)
		}
		keys[e.Key] = true
	}
	if len(keys) != 2 {
		t.Errorf("%d keys for two bugs", len(keys))
	}
}

// TestFarMomentsAreNotWaitedFor: a clock that was a year ahead stops nothing
// for a year.
func TestFarMomentsAreNotWaitedFor(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
	key := release.Effects(h.Policy, h.State, h.Now)[0].Key
	far := h.Now.AddDate(1, 0, 0)
	h.Record(release.Self, &release.EffectStarted{Key: key, Attempt: 1, Lease: far})
	if e := release.Effects(h.Policy, h.State, h.Now)[0]; e.Due.After(h.Now) {
		t.Errorf("waits for the lease, until %s", e.Due)
	}
	h.Record(release.Self, &release.EffectFailed{Key: key, Attempt: 1, Error: "x", Retry: far})
	if e := release.Effects(h.Policy, h.State, h.Now)[0]; e.Due.After(h.Now) {
		t.Errorf("waits to try again, until %s", e.Due)
	}
	h.Record(release.Self, &release.EffectFailed{Key: key, Attempt: 1, Error: "x", Retry: h.Now.Add(time.Hour)})
	if e := release.Effects(h.Policy, h.State, h.Now)[0]; !e.Due.After(h.Now) {
		t.Error("does not wait at all")
	}
	const b = release.BuildID("20261103_01")
	h.Build(b).Record(release.Self, &release.TestRequested{Build: b, Artifact: releasetest.QCOW2, Digest: releasetest.Digest(b, releasetest.QCOW2), Attempt: 1, Deadline: far}).Next()
	if a := h.State.Line(stream).Build(b).Artifact(releasetest.QCOW2); a.Attempt != 2 {
		t.Errorf("attempt %d waits until %s", a.Attempt, a.Deadline)
	}
}
