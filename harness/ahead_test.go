package harness

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"assay/harness/host"
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
	layered := reg("layering", "a", func(c *check.Check) { c.State, c.Isolated = check.Layered, true })
	another := reg("layering", "b", func(c *check.Check) { c.State, c.Isolated = check.Layered, true })
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
		"layered":                 {[]check.Registered{layered, another}, false, 0, 0},
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
			if len(c.checks) > 1 && s.states.slot(check.Layered).err == nil {
				t.Error("nobody tried to make state layered")
			}
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
	if !a.has(needsTrees) || !a.has(needsUpgraded) || !a.has(needsLayered) {
		t.Error("jobs wait for what nobody makes")
	}
}

// TestLayeredForItself: state layered is made for several jobs alone, and where
// something can layer.
func TestLayeredForItself(t *testing.T) {
	layered := func(name string) check.Registered {
		return reg("layering", name, func(c *check.Check) { c.State, c.Isolated = check.Layered, true })
	}
	for name, c := range map[string]struct {
		checks []check.Registered
		tools  []host.Tool
		noFork bool
		want   check.State
	}{
		"two":          {[]check.Registered{layered("a"), layered("b")}, []host.Tool{host.OSTree, host.AtomicHost}, false, check.Layered},
		"one":          {[]check.Registered{layered("a"), reg("layering", "b", nil)}, []host.Tool{host.RPMOSTree}, false, check.Booted},
		"no tool":      {[]check.Registered{layered("a"), layered("b")}, []host.Tool{host.OSTree}, false, check.Booted},
		"without fork": {[]check.Registered{layered("a"), layered("b")}, []host.Tool{host.RPMOSTree}, true, check.Booted},
	} {
		t.Run(name, func(t *testing.T) {
			s := emptySession()
			s.tools, s.opt.NoFork = &tools{names: c.tools}, c.noFork
			jobs := plan(c.checks, 1)
			s.layersForItself(jobs)
			if jobs[0].State != c.want {
				t.Errorf("it starts from %s, want %s", jobs[0].State, c.want)
			}
		})
	}
}
