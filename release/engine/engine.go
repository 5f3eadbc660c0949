// Package engine drives the release stage: it appends what policy and history
// ask for and has adapters do what the world is owed, each effect once.
//
// It decides nothing by itself, and holds no state but the folded history: an
// engine that was killed and one that was never stopped do the same next.
package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"assay/release"
	"assay/reports"
)

// Config is what an engine needs. Log, Policies and Now are required.
type Config struct {
	Log      release.Log
	Policies []*release.Policy
	// Adapters do the effects, by kind and by the target's name in the policy.
	Adapters map[Target]release.Performer
	Now      func() time.Time
	// Timeout bounds one attempt of an effect; 15 minutes when 0, and a minute for
	// a message about a test. Publishing many images takes long: see Timeouts.
	Timeout time.Duration
	// Timeouts are others, by kind.
	Timeouts map[release.EffectKind]time.Duration
	// Alone says that no other process uses the history, so that an effect
	// begun by an earlier one need not be waited for.
	Alone bool
	// Tell is told of what happens, one line each; nil is silence.
	Tell func(format string, args ...any)
}

// Target names an adapter.
type Target struct {
	Kind release.EffectKind
	Name string
}

// Engine is safe for use by several goroutines; Step by one at a time.
type Engine struct {
	c Config

	mu    sync.Mutex // guards state
	state *release.State
	// at is the end of the history when the last step had nothing left to do.
	at uint64
	// set are the streams whose policy in force was this engine's.
	set map[release.Stream]bool
	// ours are the attempts this engine began.
	ours map[attemptOf]bool
}

// attemptOf is an effect among those of all streams: keys are a stream's own.
type attemptOf struct {
	stream release.Stream
	key    release.EffectKey
}

// New folds the history.
func New(ctx context.Context, c Config) (*Engine, error) {
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Minute
	}
	if c.Tell == nil {
		c.Tell = func(string, ...any) {}
	}
	s, err := release.Load(ctx, c.Log)
	if err != nil {
		return nil, fmt.Errorf("cannot start the release stage: %w", err)
	}
	return &Engine{c: c, state: s, set: map[release.Stream]bool{}, ours: map[attemptOf]bool{}}, nil
}

// With gives do the state, caught up. The state must not be kept.
func (e *Engine) With(ctx context.Context, do func(*release.State) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.state.CatchUp(ctx, e.c.Log); err != nil {
		return err
	}
	return do(e.state)
}

// Record appends events, if release.Allow lets it.
func (e *Engine) Record(ctx context.Context, p *release.Policy, events ...release.Event) error {
	return e.update(ctx, func(s *release.State) ([]release.Event, error) {
		for _, ev := range events {
			if err := release.Allow(p, s, ev, e.c.Now()); err != nil && !s.Has(ev.ID) {
				return nil, err
			}
		}
		return events, nil
	})
}

// Bring records what decide makes of the state as said by an actor, if
// release.Allow lets it. It returns when that is stored; decide may be asked
// several times, and nothing is recorded when it wants nothing.
func (e *Engine) Bring(ctx context.Context, p *release.Policy, by release.Actor, decide func(*release.State) ([]release.Fact, error)) error {
	return e.update(ctx, func(s *release.State) ([]release.Event, error) {
		facts, err := decide(s)
		if err != nil {
			return nil, err
		}
		var events []release.Event
		for _, f := range facts {
			ev, err := release.NewEvent(p.Stream, e.c.Now(), by, f)
			if err == nil && !s.Has(ev.ID) {
				err = release.Allow(p, s, ev, e.c.Now())
			}
			if err != nil {
				return nil, err
			}
			events = append(events, ev)
		}
		return events, nil
	})
}

func (e *Engine) update(ctx context.Context, decide func(*release.State) ([]release.Event, error)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Update(ctx, e.c.Log, decide)
}

// Step brings the history up to now, and then tries every effect that is due,
// those of different targets at the same time, until none is left. It returns
// when the next effect is due, zero for none; the caller wakes it then, when
// the history moves, and now and then for the calendar's sake.
//
// What an adapter cannot do is no error: it is recorded, and waits. While a
// message about a test is under way, Step goes on with all that comes meanwhile,
// and returns when the message has ended.
func (e *Engine) Step(ctx context.Context) (next time.Time, err error) {
	return e.step(ctx, defaultTick)
}

func (e *Engine) step(ctx context.Context, tick time.Duration) (next time.Time, err error) {
	failed := map[attemptOf]bool{}
	var faults []error
	note := func(j job, err error) {
		if err != nil {
			failed[attemptOf{j.effect.Stream, j.effect.Key}] = true
			faults = append(faults, err)
		}
	}
	t := telling{ended: make(chan told), under: map[Target]bool{}, note: note}
	for {
		// What is wrong with one stream or effect keeps no other from its work.
		var errs []error
		for _, p := range e.c.Policies {
			if err := e.settle(ctx, p); err != nil {
				errs = append(errs, err)
			}
		}
		work, next := e.due(t.under)
		work = slices.DeleteFunc(work, func(j job) bool { return failed[attemptOf{j.effect.Stream, j.effect.Key}] })
		if len(work)+len(t.under) == 0 || ctx.Err() != nil {
			t.all()
			return next, errors.Join(append(append(faults, errs...), ctx.Err())...)
		}
		work = slices.DeleteFunc(work, func(j job) bool {
			if j.effect.Kind == release.EffectResult {
				t.begin(j, func() error { return e.perform(ctx, j) })
				return true
			}
			return false
		})
		if len(work) == 0 {
			wait := tick
			if !next.IsZero() {
				wait = min(wait, max(next.Sub(e.c.Now()), time.Millisecond))
			}
			t.wait(ctx, func(ctx context.Context) {
				if err := e.rest(ctx, wait); err != nil {
					sleep(ctx, firstPause)
				}
			})
			continue
		}
		ends := make([]error, len(work))
		var wg sync.WaitGroup
		for i, w := range work {
			wg.Go(func() { ends[i] = e.perform(ctx, w) })
		}
		wg.Wait()
		for i, err := range ends {
			note(work[i], err)
		}
		t.some()
	}
}

// settle appends what release.Next wants until it wants nothing.
func (e *Engine) settle(ctx context.Context, p *release.Policy) error {
	for {
		var events []release.Event
		var before uint64
		err := e.update(ctx, func(s *release.State) (_ []release.Event, err error) {
			before = s.Head().Seq
			if events, err = release.Next(p, s, e.c.Now()); err == nil {
				err = e.usurped(p, s, events)
			}
			return events, err
		})
		if err != nil || len(events) == 0 {
			return err
		}
		if events[0].Type == "policy.set" {
			e.mu.Lock()
			e.set[p.Stream] = true
			e.mu.Unlock()
		}
		moved := false
		if err := e.With(ctx, func(s *release.State) error { moved = s.Head().Seq > before; return nil }); err != nil {
			return err
		}
		if !moved {
			// Whoever wrote an event under this id said something else with it.
			return fmt.Errorf("cannot record %s of %s: the history has an event of its id %q, which did not do what this one would: look at it with `assay history show`", events[0].Type, p.Stream, events[0].ID)
		}
	}
}

// usurped refuses to set a policy again that this engine has seen in force: two
// processes with different policies would take turns for ever. The caller holds
// e.mu.
func (e *Engine) usurped(p *release.Policy, s *release.State, events []release.Event) error {
	in := s.Line(p.Stream).Policy
	if len(events) > 0 && events[0].Type == "policy.set" {
		if in != nil && e.set[p.Stream] {
			return fmt.Errorf("event %d has set another policy of %s than the one this process was started with: start it again with that one, or stop the other", in.Seq, p.Stream)
		}
	} else if in != nil && in.Digest == p.Digest() {
		e.set[p.Stream] = true
	}
	return nil
}

type job struct {
	policy *release.Policy
	effect release.Effect
}

// due lists effects to try now, one for each target that is not under way, and
// when the first of the others is.
func (e *Engine) due(under map[Target]bool) (work []job, next time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = e.state.Head().Seq
	now := e.c.Now()
	busy := maps.Clone(under)
	for _, p := range e.c.Policies {
		for _, x := range release.Effects(p, e.state, now) {
			t := Target{x.Kind, x.Target}
			if e.c.Adapters[t] == nil {
				continue // a person sees it in the status
			}
			x.Due = e.dueOf(x)
			switch {
			case x.Due.After(now):
				if next.IsZero() || x.Due.Before(next) {
					next = x.Due
				}
			case !busy[t]:
				busy[t] = true
				work = append(work, job{p, x})
			}
		}
	}
	return work, next
}

// dueOf is when to try x: at once what an earlier process began that has gone,
// and what waits for that to end. The caller holds e.mu.
func (e *Engine) dueOf(x release.Effect) time.Time {
	switch {
	case !e.c.Alone:
		return x.Due
	case x.Unsure && !e.ours[attemptOf{x.Stream, x.Key}]:
		return time.Time{}
	}
	// One attempt at a time is made on a target here, and it has ended.
	return x.Ready
}

func (e *Engine) timeout(k release.EffectKind) time.Duration {
	if t, ok := e.c.Timeouts[k]; ok {
		return t
	}
	if k == release.EffectResult {
		return min(e.c.Timeout, messageTimeout)
	}
	return e.c.Timeout
}

// leaseMargin is for an adapter that is slow to notice that its time is up.
const leaseMargin = time.Minute

// perform makes one attempt. Its errors are those of the history.
func (e *Engine) perform(ctx context.Context, j job) error {
	x, limit := j.effect, e.timeout(j.effect.Kind)
	begun, err := e.begin(ctx, j, limit)
	if err != nil || !begun {
		return err
	}
	receipt, err := e.do(ctx, x, limit)
	// The end of the attempt is recorded even when the engine is to stop.
	record, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var end release.Fact
	now := e.c.Now()
	if err != nil {
		wait := release.BackoffAfter(err, x.Attempt)
		end = &release.EffectFailed{Key: x.Key, Attempt: x.Attempt, Error: reports.Line(err.Error(), 1000), Retry: now.Add(wait).UTC()}
		e.c.Tell("%s: %s failed (attempt %d, next in %s): %v", x.Stream, x.Key, x.Attempt, wait, err)
	} else {
		end = x.Done(receipt)
		e.c.Tell("%s: %s done", x.Stream, x.Key)
	}
	ev, err := release.NewEvent(x.Stream, now, release.Self, end)
	if err != nil {
		// The adapter's account of itself is of no use; the effect stays unsure.
		e.c.Tell("%s: %s: %v", x.Stream, x.Key, err)
		ev, err = release.NewEvent(x.Stream, now, release.Self, &release.EffectFailed{Key: x.Key, Attempt: x.Attempt,
			Error: reports.Line("its receipt cannot be recorded: "+err.Error(), 1000), Retry: now.Add(release.Backoff(1 << 20)).UTC()})
		if err != nil {
			return err
		}
	}
	return e.update(record, func(*release.State) ([]release.Event, error) { return []release.Event{ev}, nil })
}

// begin records that the attempt starts, unless another got there first or the
// effect is no longer wanted.
func (e *Engine) begin(ctx context.Context, j job, limit time.Duration) (begun bool, err error) {
	x := j.effect
	now := e.c.Now()
	start, err := release.NewEvent(x.Stream, now, release.Self, &release.EffectStarted{Key: x.Key, Attempt: x.Attempt, Lease: now.Add(limit + leaseMargin).UTC()})
	if err != nil {
		return false, err
	}
	err = e.update(ctx, func(s *release.State) ([]release.Event, error) {
		begun = false
		for _, still := range release.Effects(j.policy, s, now) {
			if still.Key == x.Key && still.Attempt == x.Attempt && !e.dueOf(still).After(now) {
				begun = true
				return []release.Event{start}, nil
			}
		}
		return nil, nil
	})
	if err == nil && begun {
		e.mu.Lock()
		e.ours[attemptOf{x.Stream, x.Key}] = true
		e.mu.Unlock()
	}
	return begun && err == nil, err
}

// do calls the adapter. One that panics has failed, like one that returns an
// error.
func (e *Engine) do(ctx context.Context, x release.Effect, limit time.Duration) (r release.Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the adapter panicked: %v", p)
			e.c.Tell("%s: %v\n%s", x.Key, err, debug.Stack())
		}
	}()
	return e.c.Adapters[Target{x.Kind, x.Target}].Do(ctx, x)
}
