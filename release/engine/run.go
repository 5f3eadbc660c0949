package engine

import (
	"context"
	"time"

	"assay/release"
)

// How long Run waits after a step that failed: the history's storage is away,
// and comes back or does not.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// defaultTick is how often the calendar is looked at when nothing happens.
const defaultTick = time.Minute

// Run steps until ctx ends, which is its only way to end: whenever the history
// moves, whenever an effect falls due, and at least every tick (a minute when
// 0), for the calendar's sake. Every hour it asks the trackers what people did. A step that fails is told of and tried again.
func (e *Engine) Run(ctx context.Context, tick time.Duration) error {
	if tick <= 0 {
		tick = defaultTick
	}
	pause := firstPause
	var observed time.Time
	for ctx.Err() == nil {
		if now := e.c.Now(); now.Sub(observed) >= observeEvery || now.Before(observed) {
			observed = now
			if err := e.Observe(ctx); err != nil && ctx.Err() == nil {
				e.c.Tell("%v", err)
			}
		}
		next, err := e.step(ctx, tick)
		wait := tick
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			e.c.Tell("cannot go on, next try in %s: %v", pause, err)
			if !sleep(ctx, pause) {
				return ctx.Err()
			}
			pause = min(2*pause, lastPause)
			continue
		case !next.IsZero():
			wait = min(wait, max(next.Sub(e.c.Now()), time.Millisecond))
		}
		pause = firstPause
		if err := e.rest(ctx, wait); err != nil && ctx.Err() == nil {
			e.c.Tell("cannot watch the history: %v", err)
			sleep(ctx, pause)
		}
	}
	return ctx.Err()
}

// rest waits for news, for at most d.
func (e *Engine) rest(ctx context.Context, d time.Duration) error {
	var seen uint64
	if err := e.With(ctx, func(s *release.State) error { seen = s.Head().Seq; return nil }); err != nil {
		return err
	}
	if seen > e.stepped() {
		return nil // news came between the step and now
	}
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if err := e.c.Log.Wait(limited, seen); err != nil && limited.Err() == nil {
		return err
	}
	return nil
}

func (e *Engine) stepped() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

// sleep waits for d, and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
