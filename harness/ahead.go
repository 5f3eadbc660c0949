package harness

import (
	"context"
	"iter"
	"slices"

	"assay/suites/check"
)

// need is what has to be made before a job's guest can be.
type need int

// The needs, in the order in which they are met.
const (
	needsNothing need = iota
	needsTrees
	needsUpgraded
	needsLayered
	needs
)

// needOf is the last thing that a job waits for.
func (s *session) needOf(j job) need {
	switch {
	case j.State == check.Upgraded && !s.opt.NoFork:
		return needsUpgraded
	case j.State == check.Layered:
		return needsLayered
	case slices.ContainsFunc(j.Checks, usesTrees):
		return needsTrees
	}
	return needsNothing
}

// ahead is what is made while jobs that can do without it run already.
type ahead struct {
	needOf func(job) need
	// made are closed when the need is met, or could not be: the job that asks
	// then gets its own answer.
	made [needs]chan struct{}
}

func newAhead(needOf func(job) need) *ahead {
	a := &ahead{needOf: needOf}
	for n := range a.made {
		a.made[n] = make(chan struct{})
	}
	close(a.made[needsNothing])
	return a
}

// skip leaves everything to the jobs that ask.
func (a *ahead) skip() {
	for n := needsTrees; n < needs; n++ {
		close(a.made[n])
	}
}

// makeAhead makes what the jobs need.
func (s *session) makeAhead(ctx context.Context, a *ahead, jobs []job) {
	trees := s.makeTrees(ctx, jobs, a.made[needsTrees])
	s.makeState(ctx, check.Upgraded, trees && a.anyNeeds(jobs, needsUpgraded), a.made[needsUpgraded])
	s.makeState(ctx, check.Layered, ctx.Err() == nil && a.anyNeeds(jobs, needsLayered), a.made[needsLayered])
}

func (a *ahead) anyNeeds(jobs []job, n need) bool {
	return slices.ContainsFunc(jobs, func(j job) bool { return a.needOf(j) == n })
}

// makeState makes a state that is wanted; those that ask for it get the answer.
func (s *session) makeState(ctx context.Context, state check.State, wanted bool, made chan<- struct{}) {
	defer close(made)
	if !wanted {
		return
	}
	if _, err := s.states.get(ctx, state); err != nil {
		s.opt.Log.Debug("no state made ahead", "state", state, "err", err)
	}
}

// makeTrees makes the trees if a job asks for them, and reports that nothing
// went wrong.
func (s *session) makeTrees(ctx context.Context, jobs []job, made chan<- struct{}) bool {
	defer close(made)
	for _, j := range jobs {
		if err := s.trees.prepare(ctx, j.Checks); err != nil {
			s.opt.Log.Debug("no trees made ahead", "err", err)
			return false
		}
	}
	return ctx.Err() == nil
}

func (a *ahead) has(n need) bool {
	select {
	case <-a.made[n]:
		return true
	default:
		return false
	}
}

// inOrder gives the jobs out in their order, but for those that wait for
// something: of these the first comes as soon as it is there. It ends with ctx.
func (a *ahead) inOrder(ctx context.Context, jobs []job) iter.Seq[job] {
	return func(yield func(job) bool) {
		left := slices.Clone(jobs)
		for len(left) > 0 && ctx.Err() == nil {
			n := slices.IndexFunc(left, func(j job) bool { return a.has(a.needOf(j)) })
			if n >= 0 {
				j := left[n]
				left = slices.Delete(left, n, n+1)
				if !yield(j) {
					return
				}
				continue
			}
			next := needs
			for _, j := range left {
				next = min(next, a.needOf(j))
			}
			select {
			case <-a.made[next]:
			case <-ctx.Done():
			}
		}
	}
}
