package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"assay/release"
)

// observeEvery is how often trackers are asked what people did to the bugs.
const observeEvery = time.Hour

// Observe asks every tracker for the bugs that were filed there and records
// those whose state is another than the history knows: a person closed,
// reopened or refused one. A tracker that does not answer is asked again later.
func (e *Engine) Observe(ctx context.Context) error {
	var errs []error
	for _, p := range e.c.Policies {
		for target, adapter := range e.c.Adapters {
			tracker, ok := adapter.(release.Tracker)
			if !ok || target.Kind != release.EffectBug {
				continue
			}
			if err := e.observeOne(ctx, p, target.Name, tracker); err != nil {
				errs = append(errs, fmt.Errorf("%s: cannot look at the bugs in %s: %w", p.Stream, target.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) observeOne(ctx context.Context, p *release.Policy, name string, tracker release.Tracker) error {
	type state struct{ open, wontFix bool }
	known := map[string]state{}
	var refs []string
	if err := e.With(ctx, func(s *release.State) error {
		for _, b := range s.Line(p.Stream).Bugs() {
			if b.Tracker == name && b.Ref != "" {
				known[b.Ref] = state{b.Open, b.WontFix}
				refs = append(refs, b.Ref)
			}
		}
		return nil
	}); err != nil || len(refs) == 0 {
		return err
	}
	found, err := askBugs(ctx, tracker, refs, e.timeout(release.EffectBug))
	if err != nil {
		return err
	}
	var events []release.Event
	for _, b := range found {
		was, ours := known[b.Ref]
		if !ours || was == (state{b.Open, b.WontFix && !b.Open}) {
			continue
		}
		b.Tracker = name
		ev, err := release.NewEvent(p.Stream, e.c.Now(), release.Self, &b)
		if err != nil {
			return err
		}
		events = append(events, ev)
		e.c.Tell("%s: bug %s in %s: open %v, won't fix %v", p.Stream, b.Ref, name, b.Open, b.WontFix)
	}
	if len(events) == 0 {
		return nil
	}
	return e.update(ctx, func(*release.State) ([]release.Event, error) { return events, nil })
}

// askBugs bounds one question, and survives an adapter that panics.
func askBugs(ctx context.Context, tracker release.Tracker, refs []string, limit time.Duration) (found []release.BugObserved, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the adapter panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return tracker.Bugs(ctx, refs)
}
