package harness

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"assay/suites/check"
)

// TestInOrder: a job whose state is still being made holds up no other.
func TestInOrder(t *testing.T) {
	of := map[string]need{"trees": needsTrees, "upgraded": needsUpgraded}
	a := newAhead(func(j job) need { return of[j.Key] })
	jobs := []job{{Key: "upgraded"}, {Key: "one"}, {Key: "trees"}, {Key: "two"}, {Key: "three"}}
	var got []string
	for j := range a.inOrder(t.Context(), jobs) {
		got = append(got, j.Key)
		switch j.Key {
		case "two": // before the next is chosen
			close(a.made[needsTrees])
		case "three": // while it waits
			time.AfterFunc(10*time.Millisecond, func() { close(a.made[needsUpgraded]) })
		}
	}
	if want := []string{"one", "two", "trees", "three", "upgraded"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if jobs[0].Key != "upgraded" || len(jobs) != 5 {
		t.Errorf("the caller's jobs are changed: %v", jobs)
	}

	a.made[needsUpgraded] = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range a.inOrder(ctx, jobs[:2]) {
		cancel() // nothing will make the state any more
	}
}

// TestMakeAhead: what no job asks for is not made, and what cannot be made is
// left to the job that asks.
func TestMakeAhead(t *testing.T) {
	tree := reg("upgrade", "a", func(c *check.Check) { c.NeedsTrees = true })
	upgraded := reg("upgrade", "b", func(c *check.Check) { c.State = check.Upgraded })
	for name, c := range map[string]struct {
		checks []check.Registered
		noFork bool
		tries  int
		states int
	}{
		"nothing":                 {[]check.Registered{reg("base", "a", nil)}, false, 0, 0},
		"trees":                   {[]check.Registered{tree}, false, 1, 0},
		"upgraded":                {[]check.Registered{upgraded}, false, 1, 0},
		"upgraded, without trees": {[]check.Registered{upgraded}, false, 1, 1},
		"upgraded without fork":   {[]check.Registered{upgraded}, true, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := emptySession()
			s.opt.NoFork, s.opt.Retries = c.noFork, DefaultRetries
			s.states, s.trees = newStates(s), newTreeSource(s)
			tries := 0
			s.trees.make = func(context.Context) (*check.Trees, error) {
				tries++
				if c.states > 0 {
					return nil, &noTreesError{errors.New("none")}
				}
				return nil, context.DeadlineExceeded
			}
			a := newAhead(s.needOf)
			s.makeAhead(t.Context(), a, plan(c.checks, 1))
			if tries != c.tries || s.states.slot(check.Upgraded).tries != c.states {
				t.Errorf("trees were tried %d times, state upgraded %d times", tries, s.states.slot(check.Upgraded).tries)
			}
			for n := range needs {
				if !a.has(n) {
					t.Errorf("jobs wait for %d for good", n)
				}
			}
		})
	}
}

// TestOneGuestAtOnce: nothing is made beside the only guest.
func TestOneGuestAtOnce(t *testing.T) {
	a := newAhead(func(job) need { return needsUpgraded })
	a.skip()
	if !a.has(needsTrees) || !a.has(needsUpgraded) {
		t.Error("jobs wait for what nobody makes")
	}
}
