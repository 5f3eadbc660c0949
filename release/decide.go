package release

import (
	"fmt"
	"slices"
	"time"

	"assay/artifact"
	"assay/reports"
)

// Action is what Decide wants to happen.
type Action string

// The actions.
const (
	// Wait changes nothing.
	Wait Action = "wait"
	// Promote releases Build.
	Promote Action = "promote"
	// SkipSlot closes Slot without a release.
	SkipSlot Action = "skip"
	// AskRebuild asks the signing build system for Build's successor.
	AskRebuild Action = "rebuild"
)

// Decision is what policy, state and time amount to for one stream.
type Decision struct {
	Stream Stream    `json:"stream"`
	At     time.Time `json:"at"`
	Action Action    `json:"action"`
	// Build is what to promote.
	Build BuildID `json:"build,omitempty"`
	// Slot is the release date in question, nil between dates.
	Slot *Slot `json:"slot,omitempty"`
	// Policy is the digest of the policy that it was made by, if it has one.
	Policy artifact.Digest `json:"policy,omitempty"`
	// Reasons say why, most telling first; never empty.
	Reasons []Reason `json:"reasons"`
	// Candidates are the builds that were looked at, newest first.
	Candidates []Judgement `json:"candidates,omitempty"`

	judged  *Judgement
	request *Promotion
	rebuild *RebuildRequested
	out     *Release
}

// Text is the first line of what a person reads.
func (d Decision) Text() string {
	switch d.Action {
	case Promote:
		return fmt.Sprintf("%s %s is released: %s", d.Stream, d.Build, first(d.Reasons))
	case SkipSlot:
		return fmt.Sprintf("%s: no release for %s: %s", d.Stream, d.Slot.ID, first(d.Reasons))
	case AskRebuild:
		return fmt.Sprintf("%s: a rebuild is asked for: %s", d.Stream, first(d.Reasons))
	}
	if len(d.Reasons) > 0 && d.Reasons[0].Code == ReasonNotDue {
		// There may well be a release that is out.
		return fmt.Sprintf("%s: no release is due: %s", d.Stream, first(d.Reasons))
	}
	return fmt.Sprintf("%s: nothing is released: %s", d.Stream, first(d.Reasons))
}

func first(r []Reason) string {
	if len(r) == 0 {
		return "no reason was given"
	}
	return r[0].Text
}

// Bounds of what a decision says in the history, in entries and in bytes of
// each: an event has its limit, and what was decided has to fit.
const (
	maxReasons = 300
	maxReason  = 1000
)

// Fact is the event that carries the decision out, nil for Wait. It must be
// appended right after the head of the state it was made from, so that nothing
// comes in between.
func (d Decision) Fact() Fact {
	texts := func(rs ...[]Reason) (out []string) {
		all := slices.Concat(rs...)
		for _, r := range all[:min(len(all), maxReasons)] {
			out = append(out, reports.Line(r.Text, maxReason))
		}
		if n := len(all) - maxReasons; n > 0 {
			out = append(out, fmt.Sprintf("and %d more", n))
		}
		return out
	}
	switch d.Action {
	case Promote:
		f := &ReleaseDecided{Build: d.Build, Policy: d.Policy, Artifacts: d.judged.Artifacts, Commits: d.judged.Commits, Waivers: d.judged.Waivers, Reasons: texts(d.Reasons, d.judged.Remarks)}
		if d.Slot != nil {
			f.Slot, f.SlotAt = d.Slot.ID, d.Slot.At.UTC()
		}
		if d.request != nil {
			f.Request = d.request.Request
		}
		if d.out != nil {
			f.Previous = d.out.Build
		}
		return f
	case SkipSlot:
		return &SlotSkipped{Slot: d.Slot.ID, At: d.Slot.At.UTC(), Policy: d.Policy, Reasons: texts(d.Reasons)}
	case AskRebuild:
		return d.rebuild
	}
	return nil
}

// Decide says what is to happen to a stream at now. It is a pure function: the
// same policy, history and time give the same decision for ever.
//
// It never promotes while the history has findings or the stream is blocked,
// never twice for one slot, and never a build that JudgeBuild does not call
// Good, nor one that is not newer than what is out unless a person's request
// says so. A request of a person comes before the cadence.
func Decide(p *Policy, s *State, now time.Time) Decision {
	d := decider{p: p, s: s, l: s.Line(p.Stream), now: now}
	d.out = Decision{Stream: p.Stream, At: now, Action: Wait, Policy: p.Digest()}
	d.decide()
	d.out.out = d.l.Out()
	return d.out
}

type decider struct {
	p   *Policy
	s   *State
	l   *Line
	now time.Time
	out Decision
}

func (d *decider) because(code ReasonCode, format string, args ...any) {
	d.out.Reasons = append(d.out.Reasons, Reason{Code: code, Text: fmt.Sprintf(format, args...)})
}

func (d *decider) decide() {
	if err := d.p.Check(); err != nil {
		d.because(ReasonPolicy, "%v", err)
		return
	}
	if f := d.s.Findings(); len(f) > 0 {
		d.because(ReasonHistory, "the history is damaged, and nobody has acknowledged it: %s", f[0].Text)
		for _, f := range f[1:min(len(f), 10)] {
			d.because(ReasonHistory, "%s", f.Text)
		}
		return
	}
	if d.l.Block != nil {
		d.because(ReasonBlocked, "the stream is blocked by %s", d.l.Block)
		return
	}
	if d.requested() {
		return
	}
	if d.p.Follow != nil {
		d.follow()
		return
	}
	d.calendar()
}

// requested looks for a person's request that can be met.
func (d *decider) requested() bool {
	for _, r := range d.l.Promotions() {
		j, ok := d.candidate(r.Build, r.Older)
		d.out.Candidates = append(d.out.Candidates, j)
		if !ok {
			d.because(ReasonNoCandidate, "%s asked for %s, which is not released: %s", r.By, r.Build, first(j.Reasons))
			continue
		}
		d.out.Reasons = nil
		d.because(ReasonPassed, "asked for by %s: %s", r.By, r.Reason)
		d.promote(j)
		d.out.request = r
		return true
	}
	return false
}

func (d *decider) promote(j Judgement) {
	d.out.Action, d.out.Build, d.out.judged = Promote, j.Build, &j
	d.because(ReasonPassed, "%s passed with the digests that are released", counted(len(j.Artifacts), "artifact"))
}

// goesBack reports whether readers have had a newer release, so that only a
// person's word may give them this build: a request, or the lifting of its own
// revocation.
func (d *decider) goesBack(b *Build) bool {
	newer, lifted := false, false
	for _, r := range d.l.Releases {
		newer = newer || b.ID.Compare(r.Build) <= 0
		lifted = lifted || r.Build == b.ID && r.Revoked != nil && b.Revoked == nil
	}
	return newer && !lifted
}

// candidate judges a build as the next release.
func (d *decider) candidate(id BuildID, older bool) (Judgement, bool) {
	b := d.l.Build(id)
	if b == nil {
		j := Judgement{Stream: d.p.Stream, Build: id, Standing: Refused}
		j.refuse(Reason{Code: ReasonUnannounced, Text: fmt.Sprintf("there is no build %s", id)})
		return j, false
	}
	j := JudgeBuild(d.p, b, d.now)
	if out := d.l.Out(); out != nil && id.Compare(out.Build) <= 0 && (!older || id == out.Build) {
		j.refuse(Reason{Code: ReasonOlder, Text: fmt.Sprintf("it is not newer than %s, which is out", out.Build)})
	}
	if d.p.Follow != nil && d.p.Follow.Rebuild {
		if why := d.unasked(b); why != "" {
			j.refuse(Reason{Code: ReasonRebuild, Text: why})
		}
	}
	return j, j.Standing == Good
}

func (d *decider) calendar() {
	slot, ok := d.p.Calendar.Latest(d.now)
	if !ok {
		d.because(ReasonNotDue, "the first release date is %s", d.p.Calendar.Slot(0).At.Format("2006-01-02 15:04 MST"))
		return
	}
	if c, closed := d.l.Closed[slot.ID]; closed {
		next := d.p.Calendar.Next(d.now).At.Format("2006-01-02 15:04 MST")
		if c.Build != "" {
			revoked := ""
			if b := d.l.Build(c.Build); b != nil && b.Revoked != nil {
				revoked = ", which was revoked"
			}
			d.because(ReasonNotDue, "release date %s has had its release, %s%s; the next is %s", slot.ID, c.Build, revoked, next)
		} else {
			d.because(ReasonNotDue, "release date %s was skipped; the next is %s", slot.ID, next)
		}
		return
	}
	var future SlotID
	for id, c := range d.l.Closed {
		// Slot ids of the calendar sort by date.
		if len(id) == len(slot.ID) && id > slot.ID && c.At.After(slot.At) {
			future = max(future, id)
		}
	}
	if future != "" {
		d.because(ReasonClock, "release date %s is closed already, and by the clock it has not come: if the clock is right, a person has to reopen the dates after it", future)
		return
	}
	d.out.Slot = &slot
	d.newest(func(*Build) bool { return true })
}

// newest promotes the newest good build that is newer than what is out, or says
// why there is none.
func (d *decider) newest(eligible func(*Build) bool) {
	out := d.l.Out()
	waiting := false
	for b := range d.l.Builds() {
		if out != nil && b.ID.Compare(out.Build) <= 0 {
			break
		}
		if !eligible(b) || d.goesBack(b) {
			continue
		}
		j, ok := d.candidate(b.ID, false)
		if len(d.out.Candidates) < maxCandidates {
			d.out.Candidates = append(d.out.Candidates, j)
		}
		if ok {
			d.out.Reasons = nil
			d.because(ReasonPassed, "it is the newest build that passed since %s, for release date %s", sinceText(out), d.out.Slot.ID)
			d.promote(j)
			return
		}
		waiting = waiting || j.Standing == Waiting
	}
	switch {
	case len(d.out.Candidates) == 0:
		d.because(ReasonNoCandidate, "there is no build since %s", sinceText(out))
	default:
		c := d.out.Candidates[0]
		d.because(ReasonNoCandidate, "no build since %s passed; the newest, %s: %s", sinceText(out), c.Build, first(c.Reasons))
	}
	if d.p.OnNothing != Skip {
		return
	}
	if until := d.out.Slot.At.Add(d.p.Grace); waiting && d.now.Before(until) {
		d.because(ReasonNoAnswer, "tests still run, and are waited for until %s", until.Format("2006-01-02 15:04 MST"))
		return
	}
	d.out.Action = SkipSlot
}

// maxCandidates bounds what a decision lists. All are judged.
const maxCandidates = 50

func sinceText(out *Release) string {
	if out == nil {
		return "the beginning"
	}
	return string(out.Build)
}

// counted is "1 artifact", "2 artifacts".
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
