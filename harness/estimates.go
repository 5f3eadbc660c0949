package harness

import (
	"fmt"
	"math"
	"sort"
	"time"

	"assay/reports"
	"assay/suites/check"
)

// estimates say how long checks and jobs are thought to take, in seconds: as they
// did here before, else as they do elsewhere.
type estimates struct {
	remembered map[string]float64 // by check id, and by key of jobs that cannot be split
	scale      float64            // 1 for a KVM host, 10 for one that emulates
}

// Of what one guest of several would have to do, in seconds on a KVM host.
const (
	// partShare bounds a part by its share of what each guest has to do in all, so
	// that none is still at work when the others have nothing left.
	partShare = 0.75
	// partLeast is what a fork of its own is worth.
	partLeast = 6.0
	// usualCheck is what a check of a suite that can be divided takes where it was
	// never run: these are divided for being slow.
	usualCheck = 1.5
)

func (e estimates) check(r check.Registered) float64 {
	if s, ok := e.remembered[string(r.ID())]; ok {
		return s
	}
	return usualCheck * e.scale
}

func (e estimates) job(j job) float64 {
	if j.divisible() {
		s := 0.4 * e.scale // the fork
		for _, r := range j.Checks {
			s += e.check(r)
		}
		return s
	}
	if s, ok := e.remembered[j.Key]; ok {
		return s
	}
	s := float64(len(j.Checks))
	if j.State == check.Fresh {
		s += 20
	}
	if len(j.Checks) == 1 && j.Checks[0].Isolated {
		s += 10 // isolated checks mostly reboot
	}
	return s * e.scale
}

// divisible reports whether a job's checks can be done by several forks as well.
func (j job) divisible() bool {
	return j.State == check.Booted && j.Checks[0].Suite.Divisible && !j.Checks[0].Isolated
}

// split cuts jobs that would keep one guest busy when the others have nothing
// left to do.
func (e estimates) split(jobs []job, guests int) (out []job) {
	all := 0.0
	for _, j := range jobs {
		all += e.job(j)
	}
	most := max(partShare*all/float64(guests), partLeast*e.scale)
	for _, j := range jobs {
		n := min(int(math.Ceil(e.job(j)/most)), len(j.Checks))
		if guests < 2 || n < 2 || !j.divisible() {
			out = append(out, j)
			continue
		}
		out = append(out, e.parts(j, n)...)
	}
	return out
}

// parts cuts a job into n, in the order of its checks, which take about as long.
func (e estimates) parts(j job, n int) []job {
	all, done := 0.0, 0.0
	for _, r := range j.Checks {
		all += e.check(r)
	}
	cut := make([][]check.Registered, n)
	for i, r := range j.Checks {
		took := e.check(r)
		at := i * n / len(j.Checks) // where nothing takes any time
		if all > 0 {
			at = min(int((done+took/2)/all*float64(n)), n-1)
		}
		cut[at] = append(cut[at], r)
		done += took
	}
	var out []job
	for _, checks := range cut {
		if len(checks) > 0 {
			part := j
			part.Checks = checks
			out = append(out, part)
		}
	}
	if len(out) == 1 {
		return []job{j}
	}
	for i := range out {
		out[i].Key = fmt.Sprintf("%s %d/%d", j.Key, i+1, len(out))
	}
	return out
}

// longestFirst orders jobs by how long they are thought to take, so that the
// last one running is a short one.
func (e estimates) longestFirst(jobs []job) {
	sort.SliceStable(jobs, func(a, b int) bool { return e.job(jobs[a]) > e.job(jobs[b]) })
}

// remember keeps what a job took: as a whole, or of each check where the job
// may be cut another way next time. What was skipped took no time that is worth
// remembering: another image will not skip it.
func (s *session) remember(j job, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	judged := false
	for _, r := range j.Checks {
		c := s.cases[r.ID()]
		if c == nil || c.Outcome == reports.Skipped {
			continue
		}
		judged = true
		if j.divisible() {
			s.memory.add(string(r.ID()), c.Duration)
		}
	}
	if judged && !j.divisible() {
		s.memory.add(j.Key, took)
	}
}
