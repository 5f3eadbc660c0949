package engine

import (
	"context"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// TestForeignEventIDEndsTheStep: an event that was recorded under the id of one
// that is due is an error, not an endless loop, and stops no other stream.
func TestForeignEventIDEndsTheStep(t *testing.T) {
	s := newStage(t)
	s.Build("20261102_01")
	due, err := release.Next(s.Policy, s.State, s.Now)
	if err != nil || len(due) == 0 {
		t.Fatal(due, err)
	}
	for _, e := range due {
		foreign, err := release.NewEvent(stream, s.Now, release.Self, &release.BuildFailed{Compose: "x" + e.ID[len(e.ID)-4:], Status: "DOOMED", Ended: s.Now})
		if err != nil {
			t.Fatal(err)
		}
		foreign.ID = e.ID
		if err := s.State.Update(t.Context(), s.Log, func(*release.State) ([]release.Event, error) { return []release.Event{foreign}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	other := releasetest.Policy("other")
	o := &releasetest.History{TB: t, Log: s.Log, State: s.State, Policy: other, Now: s.Now}
	o.Build("20261102_01")
	s.config.Policies = append(s.config.Policies, other)
	e, err := New(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := e.Step(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("step: %v, %v", err, ctx.Err())
	}
	if a := e.state.Line("other").Build("20261102_01").Artifact(releasetest.QCOW2); a.Attempt != 1 {
		t.Error("another stream was held up")
	}
}

// TestTargetIsHeldOverAllStreams: two streams that publish to one target do so
// one after the other.
func TestTargetIsHeldOverAllStreams(t *testing.T) {
	s := newStage(t)
	s.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
	x := release.Effects(s.Policy, s.State, s.Now)[0]
	o := &releasetest.History{TB: t, Log: s.Log, State: s.State, Policy: releasetest.Policy("other"), Now: s.Now}
	o.Tested("20261102_01").Record(release.Self, &release.EffectStarted{Key: "bug/tracker/odd/1/open", Attempt: 1, Lease: s.Now.Add(time.Minute)})
	if got := release.Effects(s.Policy, s.State, s.Now)[0]; !got.Due.After(s.Now) {
		t.Error("another stream is at work there")
	}
	s.config.Alone = false
	e, err := New(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	if begun, err := e.begin(t.Context(), job{s.Policy, x}, time.Minute); begun || err != nil {
		t.Errorf("begun %v, %v", begun, err)
	}
}
