package harness

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/reports"
	"assay/suites/check"
)

func keys(jobs []job) string {
	var all []string
	for _, j := range jobs {
		all = append(all, j.Key)
	}
	return strings.Join(all, ", ")
}

func TestLongestFirst(t *testing.T) {
	jobs := plan(some, 1)
	estimates{map[string]float64{"base": 5, "storage": 500}, 10}.longestFirst(jobs)
	if got, want := keys(jobs), "storage, base@fresh, base/b, base"; got != want {
		t.Errorf("order is %q, want %q: remembered first, then by what such jobs usually take", got, want)
	}
}

// slow are checks of a suite that can be divided, "a", "b", ...
func slow(n int) (all []check.Registered) {
	for i := range n {
		r := reg("slow", string(rune('a'+i)), nil)
		r.Suite.Divisible = true
		all = append(all, r)
	}
	return all
}

func TestSplit(t *testing.T) {
	isolated := reg("slow", "own", func(c *check.Check) { c.Isolated = true })
	isolated.Suite.Divisible = true
	var quick []check.Registered
	for i := range 20 {
		quick = append(quick, reg("quick", fmt.Sprint(i), nil))
	}
	for _, c := range []struct {
		name       string
		checks     []check.Registered
		guests     int
		remembered map[string]float64
		want       string
	}{
		// 124 s of 324 s in all: none of four guests should do more than 61 s of it.
		{"more than its share", append(slow(8), quick...), 4, nil, "slow 1/3, slow 2/3, slow 3/3, quick"},
		{"one guest", append(slow(8), quick...), 1, nil, "slow, quick"},
		{"no more than its share", append(slow(8), quick...), 2, map[string]float64{"quick": 800}, "slow, quick"},
		{"not worth a fork", slow(3), 4, nil, "slow"},
		{"remembered as quick", slow(4), 4, map[string]float64{"slow/a": 1, "slow/b": 1, "slow/c": 1, "slow/d": 1}, "slow"},
		{"alone in its guest", []check.Registered{isolated}, 4, map[string]float64{"slow/own": 1000}, "slow/own"},
		{"not to be divided", quick, 4, map[string]float64{"quick": 1000}, "quick"},
	} {
		if got := keys(estimates{c.remembered, 10}.split(plan(c.checks, 1), c.guests)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestParts: every check is in one part, in the old order, and no part is empty.
func TestParts(t *testing.T) {
	for name, took := range map[string][]float64{
		"alike": {10, 10, 10, 10, 10, 10}, "one takes it all": {1, 400, 1}, "the first": {400, 1, 1}, "the last": {1, 1, 400}, "nothing": {0, 0, 0, 0}, "one": {7},
	} {
		checks, remembered := slow(len(took)), map[string]float64{}
		for i, r := range checks {
			remembered[string(r.ID())] = took[i]
		}
		for n := 1; n <= len(took); n++ {
			e := estimates{remembered, 10}
			parts := e.parts(plan(checks, 1)[0], n)
			var all []string
			for _, p := range parts {
				all = append(all, ids(p.Checks))
				if len(p.Checks) == 0 || len(parts) > 1 && !strings.Contains(p.Key, fmt.Sprintf("/%d", len(parts))) {
					t.Errorf("%s in %d: part %+v", name, n, p)
				}
			}
			if got := strings.Join(all, " "); got != ids(checks) {
				t.Errorf("%s in %d: %q", name, n, got)
			}
			if name == "alike" && len(parts) != n {
				t.Errorf("%s in %d: %d parts", name, n, len(parts))
			}
		}
	}
}

// What is remembered of a job that can be split is what its checks took.
func TestRemember(t *testing.T) {
	s := emptySession()
	s.memory = loadDurations(filepath.Join(t.TempDir(), "durations.json"))
	checks := append(slow(2), reg("base", "a", nil))
	for i, r := range checks {
		s.cases[r.ID()] = &reports.Case{ID: r.ID(), Outcome: reports.Passed, Duration: time.Duration(i+1) * time.Second}
	}
	s.cases["slow/b"].Outcome = reports.Skipped
	for _, j := range plan(checks, 1) {
		s.remember(j, time.Minute)
	}
	if got, want := s.memory.get(), map[string]float64{"slow/a": 1, "base": 60}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
