package release

import (
	"fmt"
	"slices"
	"time"
)

// Next is what the stage itself has to add to the history now: a policy that is
// not the one in force, tests to ask for, days without a build, and what Decide came to. The events are in the
// order in which to append them, and each makes sense alone.
//
// Appended with State.Update, it is asked again whenever the history moves, so
// a decision is never recorded over news it had not seen.
func Next(p *Policy, s *State, now time.Time) ([]Event, error) {
	if p.Check() != nil {
		return nil, p.Check()
	}
	var facts []Fact
	if !p.isInForce(s.Line(p.Stream)) {
		facts = append(facts, p.Source)
	}
	facts = append(facts, missingBuilds(p, s.Line(p.Stream), now)...)
	for b := range recent(s.Line(p.Stream)) {
		facts = append(facts, testRequests(p, b, now)...)
	}
	// A decision alone: it has to follow directly on the state it is made of.
	if len(facts) == 0 {
		if f := Decide(p, s, now).Fact(); f != nil {
			facts = append(facts, f)
		}
	}
	out := make([]Event, 0, len(facts))
	for _, f := range facts {
		e, err := NewEvent(p.Stream, now, Self, f)
		if err != nil {
			return nil, err
		}
		switch f.(type) {
		case *ReleaseDecided, *SlotSkipped, *RebuildRequested, *PolicySet:
			// The same decision may be due again after a revocation was lifted
			// or dates were reopened, and a policy may be what it was before.
			e.ID = fmt.Sprintf("%s@%d", e.ID, s.Head().Seq)
		}
		out = append(out, e)
	}
	return out, nil
}

// recent yields the builds that may still become a release by themselves:
// those newer than what is out, and those that a person asked for.
func recent(l *Line) func(func(*Build) bool) {
	return func(yield func(*Build) bool) {
		out := l.Out()
		for b := range l.Builds() {
			if out != nil && b.ID.Compare(out.Build) <= 0 {
				break
			}
			if !yield(b) {
				return
			}
		}
		for _, r := range l.Promotions() {
			if b := l.Build(r.Build); b != nil && out != nil && b.ID.Compare(out.Build) <= 0 && !yield(b) {
				return
			}
		}
	}
}

// testRequests asks for the first test of each artifact the policy names, and
// for another where the last was lost or left a question open.
func testRequests(p *Policy, b *Build, now time.Time) (out []Fact) {
	if b.Seen.IsZero() || b.Contradiction != "" {
		return nil
	}
	for _, w := range p.Artifacts {
		a := b.Artifact(w.ID)
		if a == nil || !a.Known || !isTestDue(p, b, a, now) {
			continue
		}
		out = append(out, &TestRequested{Build: b.ID, Artifact: a.ID, Digest: a.Digest, Attempt: a.Attempt + 1, Deadline: now.Add(p.testTimeout()).UTC()})
	}
	return out
}

func isTestDue(p *Policy, b *Build, a *BuildArtifact, now time.Time) bool {
	switch {
	case a.Attempt == 0:
		return true
	case a.Attempt > p.Tests.Retries:
		return false
	case a.Answer() == nil:
		return !a.isAwaited(p, now)
	}
	return judgeArtifact(p, b, a, now).Standing == Waiting
}

// defaultTestTimeout is generous: a run under emulation takes hours.
const defaultTestTimeout = 12 * time.Hour

func (p *Policy) testTimeout() time.Duration {
	if p.Tests.Timeout <= 0 {
		return defaultTestTimeout
	}
	return p.Tests.Timeout
}

// maxDeadline is the longest that a policy file can have a test take.
const maxDeadline = 90 * 24 * time.Hour

// isAwaited reports whether the answer may still come. A deadline further off
// than any test can take was written by a clock that ran ahead.
func (a *BuildArtifact) isAwaited(p *Policy, now time.Time) bool {
	return now.Before(a.Deadline) && !a.Deadline.After(now.Add(max(maxDeadline, p.testTimeout())))
}

// missingBuilds notes the last promised day without any build or failed
// compose. Only the last: a service that slept for weeks says so once.
func missingBuilds(p *Policy, l *Line, now time.Time) []Fact {
	n := p.Nightly
	if n == nil || len(l.builds) == 0 {
		return nil // before the first build nothing can be missed
	}
	local := now.In(p.nightlyZone())
	y, m, d := local.Date()
	due := time.Date(y, m, d, n.Hour, n.Minute, 0, 0, local.Location())
	if due.After(now) {
		d--
		due = time.Date(y, m, d, n.Hour, n.Minute, 0, 0, local.Location())
	}
	if len(n.Days) > 0 && !slices.Contains(n.Days, due.Weekday()) {
		return nil
	}
	date := due.Format(time.DateOnly)
	if l.missing[date] || l.heardOf(due) {
		return nil
	}
	return []Fact{&BuildMissing{Date: date, Due: due.UTC()}}
}

func (p *Policy) nightlyZone() *time.Location {
	if p.Nightly != nil && p.Nightly.Zone != nil {
		return p.Nightly.Zone
	}
	return p.Zone()
}

// heardOf reports whether any build or failure was made in the day before due.
func (l *Line) heardOf(due time.Time) bool {
	since := due.AddDate(0, 0, -1)
	for b := range l.Builds() {
		if b.Created.After(since) {
			return true
		}
		if b.Created.Before(since.AddDate(0, 0, -7)) && !b.Created.IsZero() {
			break // numbers follow dates, give or take a week
		}
	}
	return slices.ContainsFunc(l.Failures, func(f ComposeFailure) bool { return !f.Missing && f.Ended.After(since) })
}
