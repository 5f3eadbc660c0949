package engine

import (
	"context"
	"time"
)

// messageTimeout bounds one attempt of a message about a test, where nothing else
// is configured: there is one for each test, and they are short.
const messageTimeout = time.Minute

// telling are the messages about tests that are under way in a step: a bus that
// hangs costs each of them its whole time, and nothing waits for that. It is for
// one goroutine.
type telling struct {
	ended chan told
	under map[Target]bool
	note  func(job, error)
}

type told struct {
	job job
	err error
}

// begin has a message told.
func (t *telling) begin(j job, perform func() error) {
	t.under[Target{j.effect.Kind, j.effect.Target}] = true
	go func() { t.ended <- told{j, perform()} }()
}

func (t *telling) end(x told) {
	delete(t.under, Target{x.job.effect.Kind, x.job.effect.Target})
	t.note(x.job, x.err)
}

// all waits for those that are under way.
func (t *telling) all() {
	for len(t.under) > 0 {
		t.end(<-t.ended)
	}
}

// some notes those that have ended.
func (t *telling) some() {
	for {
		select {
		case x := <-t.ended:
			t.end(x)
		default:
			return
		}
	}
}

// wait waits until one has ended or rest returns.
func (t *telling) wait(ctx context.Context, rest func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	go func() { defer close(over); rest(ctx) }()
	select {
	case x := <-t.ended:
		t.end(x)
		cancel()
		<-over
	case <-over:
	}
}
