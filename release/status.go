package release

import (
	"fmt"
	"slices"
	"time"
)

// Status is how a stream stands, for pages, mails and the command line.
type Status struct {
	Stream Stream    `json:"stream"`
	At     time.Time `json:"at"`
	// Out is what readers should be given, nil when there is nothing.
	Out *Release `json:"out,omitempty"`
	// Published is false while some target still lacks it.
	Published bool `json:"published"`
	// Block is the block in force.
	Block *Said `json:"block,omitempty"`
	// Stale is true when the last release date brought no release.
	Stale bool `json:"stale"`
	// Date is the last release date that has begun, Next the one after it;
	// nil when the calendar has none (a stream that follows another).
	Date *Slot `json:"date,omitempty"`
	Next *Slot `json:"next,omitempty"`
	// Revoked are releases that were taken back, newest first.
	Revoked []*Release `json:"revoked,omitempty"`
	// Bugs are open.
	Bugs []*Bug `json:"bugs,omitempty"`
	// Warnings are sentences for whoever reads the page.
	Warnings []string `json:"warnings,omitempty"`
}

// StatusOf sums up a stream.
func StatusOf(p *Policy, s *State, now time.Time) Status {
	l := s.Line(p.Stream)
	st := Status{Stream: p.Stream, At: now, Out: l.Out(), Block: l.Block, Published: IsPublished(p, s)}
	for _, b := range l.Bugs() {
		if b.Open {
			st.Bugs = append(st.Bugs, b)
		}
	}
	for _, r := range slices.Backward(l.Releases) {
		if r.Revoked != nil {
			st.Revoked = append(st.Revoked, r)
		}
	}
	warn := func(format string, args ...any) { st.Warnings = append(st.Warnings, fmt.Sprintf(format, args...)) }
	if r := l.LastRevoked(); r != nil {
		warn("%s was revoked by %s. Do not use it.", r.Build, r.Revoked)
	}
	for _, r := range l.RevokedBefore(now) {
		_, until := l.WasOut(r)
		warn("%s, which was out until %s, was revoked by %s. Do not use it.", r.Build, until.UTC().Format("2006-01-02 15:04 MST"), r.Revoked)
	}
	if slot, ok := lastSlot(p, s, now); ok {
		st.Date = &slot
		if c := l.Closed[slot.ID]; c.Build == "" && (st.Out == nil || st.Out.At.Before(slot.At)) {
			st.Stale = true
			switch {
			case st.Out == nil:
				warn("No build has passed yet.")
			default:
				warn("No build has passed since %s: this image is stale. The release of %s did not come.", st.Out.Build, slot.At.Format(time.DateOnly))
			}
		}
	}
	if p.Calendar != nil {
		next := p.Calendar.Next(now)
		st.Next = &next
	}
	if l.Block != nil {
		warn("Releases are blocked by %s.", l.Block)
	}
	if b := outBuild(l); b != nil && b.MarkedBad {
		warn("%s was marked bad by %s.", b.ID, b.Marked)
	}
	if f := s.Findings(); len(f) > 0 {
		warn("The release history is damaged; nothing is released until somebody has looked.")
	}
	if p.Disclaimer != "" {
		warn("%s", p.Disclaimer)
	}
	return st
}

func outBuild(l *Line) *Build {
	if out := l.Out(); out != nil {
		return l.Build(out.Build)
	}
	return nil
}

// OpenDate is the release date that has begun and has neither its release nor
// was skipped; ok is false between dates.
func OpenDate(p *Policy, s *State, now time.Time) (slot Slot, ok bool) {
	slot, ok = lastSlot(p, s, now)
	if !ok {
		return slot, false
	}
	_, closed := s.Line(p.Stream).Closed[slot.ID]
	return slot, !closed
}

// lastSlot is the last release date that has begun, whatever became of it.
func lastSlot(p *Policy, s *State, now time.Time) (Slot, bool) {
	switch {
	case p.Check() != nil:
		return Slot{}, false
	case p.Calendar != nil:
		return p.Calendar.Latest(now)
	}
	for _, r := range slices.Backward(s.Line(p.Follow.Stream).Releases) {
		if r.Dated > 0 && p.Follow.due(r.Dated) {
			return p.Follow.slot(r.Dated, r.At), true
		}
	}
	return Slot{}, false
}
