package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// hanging is a bus that takes a message and never answers.
type hanging struct{ asked chan release.EffectKey }

func (h hanging) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	h.asked <- e.Key
	<-ctx.Done()
	return release.Receipt{}, ctx.Err()
}

// TestHangingBusHoldsNothingUp: while it has a message, a release gets out, and
// the test of a build that comes is asked for.
func TestHangingBusHoldsNothingUp(t *testing.T) {
	s := newStage(t)
	bus := hanging{make(chan release.EffectKey, 10)}
	s.config.Adapters[Target{release.EffectResult, "bus"}] = bus
	s.Policy.Results = []release.Channel{{Name: "bus"}}
	mailed := make(chan struct{}, 10)
	s.adapters["mail"].Fail = func(release.Effect) error { mailed <- struct{}{}; return nil }
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	e, err := New(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	step, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { _, err := e.Step(step); over <- err }()
	select {
	case <-mailed:
	case <-ctx.Done():
		t.Fatal("the release waits for the bus")
	}
	s.catchUp(t)
	for s.Build("20261104_01"); s.State.Line(stream).Build("20261104_01").Artifact(releasetest.QCOW2).Attempt == 0; s.catchUp(t) {
		if err := s.Log.Wait(ctx, s.State.Head().Seq); err != nil {
			t.Fatal("the test of the next build waits for the bus")
		}
	}
	stop()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if len(bus.asked) != 1 {
		t.Errorf("%d messages at once", len(bus.asked))
	}
}

func (s *stage) catchUp(t *testing.T) {
	t.Helper()
	if err := s.State.CatchUp(t.Context(), s.Log); err != nil {
		t.Fatal(err)
	}
}

// TestMessagesAreShort: each has a minute, unless something else is configured.
func TestMessagesAreShort(t *testing.T) {
	s := newStage(t)
	for limit, want := range map[time.Duration]time.Duration{0: time.Minute, time.Second: time.Second} {
		s.config.Timeout = limit
		e, err := New(t.Context(), s.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.timeout(release.EffectResult); got != want {
			t.Errorf("with %s: %s, want %s", limit, got, want)
		}
	}
	s.config.Timeouts = map[release.EffectKind]time.Duration{release.EffectResult: time.Hour}
	if e, err := New(t.Context(), s.config); err != nil || e.timeout(release.EffectResult) != time.Hour {
		t.Error("what is configured counts", err)
	}
}
