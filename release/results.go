package release

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/reports"
)

// TestNews is what there is to say of one test: that it was asked for, or what
// it found. An answer that came too late, or second, is none.
type TestNews struct {
	// Seq is the event that says it, At when.
	Seq      uint64
	At       time.Time
	Build    BuildID
	Artifact ArtifactID
	Attempt  int
	// Deadline is that of a request; zero for an answer.
	Deadline time.Time
	// Answer is nil for a request.
	Answer *TestAnswered
	// Lapsed says that nobody answered the request in time, and that no other
	// follows it; one who does so later is told of all the same.
	Lapsed bool `json:",omitempty"`
}

// Bounds of what is told of tests. Whoever listens wants to know how tests stand,
// and not how they stood: a bus that was away for a weekend misses nothing, and a
// stage that has just begun to tell does not begin with years ago.
const (
	// ResultsAge is how old news may be.
	ResultsAge = 7 * 24 * time.Hour
	// maxNews is how much of it is kept of a stream: ten builds a day of ten
	// artifacts. Whoever was away while there was more does not hear the oldest.
	maxNews = 2000
)

func (l *Line) addNews(n TestNews) {
	l.news = append(l.news, n)
	if len(l.news) >= 2*maxNews {
		l.news = slices.Clone(l.news[len(l.news)-maxNews:])
	}
}

// ResultWork is one message about a test.
type ResultWork struct {
	TestNews
	// Of is the build, as far as it is known now.
	Of *Build
}

// resultEffects tells each channel what it has not been told, the oldest news
// first and one at a time, so that a queued test is told of before its result,
// and a channel that is away costs one attempt now and then and not one for each
// message.
func resultEffects(p *Policy, l *Line, now time.Time, add func(Effect)) {
	for _, c := range p.Results {
		told := l.told[c.Name]
		owe := func(n TestNews, rest ...any) {
			add(Effect{Key: key(EffectResult, c.Name, append([]any{n.Seq}, rest...)...), Kind: EffectResult, Target: c.Name, Result: &ResultWork{n, l.Build(n.Build)}})
		}
		all := l.news[max(0, len(l.news)-maxNews):]
		// Where there is nothing else to tell of: what was queued and came to nothing.
		next := slices.IndexFunc(all, func(n TestNews) bool { return n.Seq > told && !n.At.Before(now.Add(-ResultsAge)) })
		if next >= 0 {
			owe(all[next])
			continue
		}
		for _, n := range all {
			if !isLapsed(p, l, n, now) {
				continue
			}
			if x := l.Effect(key(EffectResult, c.Name, n.Seq, lapsed)); x.Done == nil && x.Dropped == nil {
				n.Lapsed = true
				owe(n, lapsed)
				break
			}
		}
	}
}

// lapsed is the end of the key of a message that a test came to nothing. There are
// few, so the state keeps each.
const lapsed = "lapsed"

// isLapsed reports whether news is of a request that nobody answered in time and
// that is the last: where another is due, that one's message says so.
func isLapsed(p *Policy, l *Line, n TestNews, now time.Time) bool {
	if n.Answer != nil || n.Deadline.After(now) || n.Deadline.Before(now.Add(-ResultsAge)) || n.Attempt <= p.Tests.Retries {
		return false
	}
	b := l.Build(n.Build)
	if b == nil {
		return false
	}
	a := b.Artifact(n.Artifact)
	return a != nil && a.Attempt == n.Attempt && a.Answer() == nil
}

// resultOf splits the key of a message about a test.
func resultOf(k EffectKey) (channel string, seq uint64, ok bool) {
	rest, ok := strings.CutPrefix(string(k), string(EffectResult)+"/")
	at := strings.LastIndexByte(rest, '/')
	if !ok || at < 0 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(rest[at+1:], 10, 64)
	return rest[:at], seq, err == nil
}

// foldTold forgets messages that are out, so that years of them do not stand in
// the state: how far a channel was told is all that counts. It reports whether
// the key is of one that is over with. Nothing is over with that is still to come.
func (l *Line) foldTold(e Event, k EffectKey, over bool) bool {
	channel, seq, ok := resultOf(k)
	if !ok || seq >= e.Seq {
		return false
	}
	if over {
		l.told[channel] = max(l.told[channel], seq)
		delete(l.effects, k)
	}
	return seq <= l.told[channel]
}

// Outcome is what an answer amounts to, in the words of CI messages.
type Outcome string

// The outcomes. Errored is no result: nobody can say.
const (
	OutcomePassed  Outcome = "passed"
	OutcomeFailed  Outcome = "failed"
	OutcomeInfo    Outcome = "info"             // accepted, and something failed that decides nothing
	OutcomeInspect Outcome = "needs_inspection" // the verdict does not follow from the checks
	OutcomeErrored Outcome = "error"
)

// Outcome is what the run itself found, whatever policy and people make of it.
// For OutcomeErrored, fault is whose fault it was that nothing was found, where
// the run says so.
func (f *TestAnswered) Outcome() (o Outcome, fault reports.Fault) {
	switch {
	case f.Verdict == reports.Rejected && !f.Harsher:
		return OutcomeFailed, reports.FaultNone
	case f.Verdict == reports.Rejected:
		return OutcomeInspect, reports.FaultNone
	case f.Verdict == reports.Accepted && f.Harsher:
		return OutcomeInspect, reports.FaultNone
	case f.Verdict == reports.Accepted:
		if slices.ContainsFunc(f.Cases, func(c Case) bool { return c.Outcome != reports.Skipped }) {
			return OutcomeInfo, reports.FaultNone
		}
		return OutcomePassed, reports.FaultNone
	}
	// Blocking checks first: they are why there is no verdict.
	for _, blocking := range []bool{true, false} {
		for _, c := range f.Cases {
			if c.Blocking == blocking && c.Fault != reports.FaultImage && c.Fault != reports.FaultNone {
				return OutcomeErrored, c.Fault
			}
		}
	}
	return OutcomeErrored, reports.FaultNone
}
