package release

import (
	"fmt"
	"time"
)

// SlotID names one release date of a stream: "2026-11-24" by the calendar, or
// "fedora-43#4" for the fourth dated release of the stream that is followed.
type SlotID string

// Slot is one release date.
type Slot struct {
	ID SlotID `json:"id"`
	// At is when it begins.
	At time.Time `json:"at"`
}

// Calendar is a cadence in weeks: a local time of day in a zone, from a first
// date on. Summer time moves the moment, not the time on the wall.
type Calendar struct {
	// Weeks between two dates: 2 for the two-week release.
	Weeks int
	// First is the first date; only year, month and day count.
	First time.Time
	// Hour and Minute are local.
	Hour, Minute int
	Zone         *time.Location
}

// Slot is the nth date, from 0.
func (c Calendar) Slot(n int) Slot {
	y, m, d := c.First.Date()
	at := time.Date(y, m, d+7*c.Weeks*n, c.Hour, c.Minute, 0, 0, c.zone())
	return Slot{SlotID(at.Format(time.DateOnly)), at}
}

// Latest is the last date that has begun at now. ok is false before the first.
//
// A service that slept through several dates finds only the last of them: each
// is worth one release, and those that passed are past.
func (c Calendar) Latest(now time.Time) (s Slot, ok bool) {
	if c.Weeks < 1 || now.Before(c.Slot(0).At) {
		return Slot{}, false
	}
	// Days rarely have other than 24 hours, so the estimate is off by one at
	// most.
	n := int(now.Sub(c.Slot(0).At) / (time.Duration(c.Weeks) * 7 * 24 * time.Hour))
	for c.Slot(n).At.After(now) {
		n--
	}
	for !c.Slot(n + 1).At.After(now) {
		n++
	}
	return c.Slot(n), true
}

// Next is the first date that begins after now.
func (c Calendar) Next(now time.Time) Slot {
	latest, ok := c.Latest(now)
	if !ok {
		return c.Slot(0)
	}
	s := latest
	for n := 1; !s.At.After(now); n++ {
		y, m, d := latest.At.Date()
		at := time.Date(y, m, d+7*max(c.Weeks, 1)*n, c.Hour, c.Minute, 0, 0, c.zone())
		s = Slot{SlotID(at.Format(time.DateOnly)), at}
	}
	return s
}

func (c Calendar) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// Follow is a cadence behind another stream: due with every Every-th of its
// dated releases (the 2/4 model: 2).
type Follow struct {
	Stream Stream
	Every  int
	// Offset is which of the first Every releases begins: 1 is the first.
	// 0 means Every, so that {Every: 2} is due with releases 2, 4, 6.
	Offset int
	// Rebuild asks the signing build system for a build of the same content;
	// only such a build is released. Otherwise the stream's own builds are.
	Rebuild bool
	// Rebuilder is the name of the signing build system: of its adapter, and of
	// the machine that alone may announce rebuilds.
	Rebuilder string
}

// due reports whether the nth dated release of the followed stream, from 1,
// is one to follow.
func (f Follow) due(n int) bool {
	every := max(f.Every, 1)
	return n > 0 && n%every == f.Offset%every && n >= f.Offset
}

// slot names it.
func (f Follow) slot(n int, at time.Time) Slot {
	return Slot{SlotID(fmt.Sprintf("%s#%d", f.Stream, n)), at}
}
