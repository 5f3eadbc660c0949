package release_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"assay/release"
	"assay/release/releasetest"
)

// rivalLog lets another append first, or in between.
type rivalLog struct {
	release.Log
	before, after func()
}

func (l *rivalLog) Append(ctx context.Context, head release.Head, e release.Event) (release.Head, error) {
	if f := l.before; f != nil {
		l.before = nil
		f()
	}
	h, err := l.Log.Append(ctx, head, e)
	if f := l.after; f != nil {
		l.after = nil
		f()
	}
	return h, err
}

func TestUpdateThinksAgainAfterNews(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		h := releasetest.NewHistory(t, stream)
		h.Build("20261102_01")
		rival := func() {
			other := &releasetest.History{TB: t, Log: h.Log, State: release.NewState(), Policy: h.Policy, Now: h.Now}
			other.Record(releasetest.Alice, &release.StreamBlocked{Word: releasetest.Word("freeze")})
		}
		log := &rivalLog{Log: h.Log, before: rival}
		if when == "after" {
			log.before, log.after = nil, rival
		}
		// Two events that make sense only while the stream is not blocked.
		events := []release.Event{}
		for _, name := range []string{"p1", "p2"} {
			e, err := release.NewEvent(stream, h.Now, releasetest.Alice, &release.PromotionRequested{Request: name, Build: "20261102_01", Word: releasetest.Word("x")})
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		blocked := errors.New("it is blocked")
		err := h.State.Update(t.Context(), log, func(s *release.State) ([]release.Event, error) {
			if s.Line(stream).Block != nil {
				return nil, blocked
			}
			return events, nil
		})
		if !errors.Is(err, blocked) {
			t.Errorf("%s: %v", when, err)
		}
		if n := len(h.State.Line(stream).Promotions()); n != map[string]int{"before": 0, "after": 1}[when] {
			t.Errorf("%s: %d requests were recorded", when, n)
		}
	}
}

type stuckLog struct{ release.Log }

func (stuckLog) Append(context.Context, release.Head, release.Event) (release.Head, error) {
	return release.Head{}, release.ErrMoved
}

func TestUpdateDoesNotSpin(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	e, err := release.NewEvent(stream, h.Now, releasetest.Alice, &release.StreamBlocked{Word: releasetest.Word("x")})
	if err != nil {
		t.Fatal(err)
	}
	err = h.State.Update(t.Context(), stuckLog{h.Log}, func(*release.State) ([]release.Event, error) { return []release.Event{e}, nil })
	if err == nil || !strings.Contains(err.Error(), "its storage is damaged") {
		t.Error(err)
	}
}
