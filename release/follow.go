package release

import "fmt"

// follow decides for a stream that comes after another.
func (d *decider) follow() {
	f := d.p.Follow
	up := d.s.Line(f.Stream)
	// The latest dated release of the upstream that is one to follow. Those
	// before it that were missed have passed, as dates of a calendar do.
	var due *Release
	for _, r := range up.Releases {
		if r.Dated > 0 && f.due(r.Dated) {
			due = r
		}
	}
	if due == nil {
		d.because(ReasonNotDue, "%s has had %d dated releases, and every %d. is followed", f.Stream, up.dated, f.Every)
		return
	}
	slot := f.slot(due.Dated, due.At)
	if c, closed := d.l.Closed[slot.ID]; closed {
		if c.Build != "" {
			d.because(ReasonNotDue, "release %d of %s was followed with %s", due.Dated, f.Stream, c.Build)
		} else {
			d.because(ReasonNotDue, "release %d of %s was skipped", due.Dated, f.Stream)
		}
		return
	}
	d.out.Slot = &slot
	if !f.Rebuild {
		d.newest(func(*Build) bool { return true })
		return
	}
	from, ok := d.upstream(up, due)
	if !ok {
		return
	}
	asked := d.l.Rebuilds(from)
	if len(asked) == 0 {
		d.out.Action = AskRebuild
		d.out.rebuild = &RebuildRequested{Slot: slot.ID, From: from, Number: 1}
		d.because(ReasonRebuild, "%s is release %d of %s, and its content has to be built and signed", from.Build, due.Dated, f.Stream)
		return
	}
	last := asked[len(asked)-1]
	d.newest(func(b *Build) bool { return b.From != nil && *b.From == from })
	if d.out.Action == SkipSlot {
		// Whether to redo, rework, release or skip is for people to say.
		d.out.Action = Wait
		d.because(ReasonRebuild, "a person may ask for another rebuild, waive checks, or skip the date")
	}
	if d.out.Action == Promote || d.rebuilt(from, last.Number) {
		return
	}
	// That there is no build follows from it.
	others := d.out.Reasons
	d.out.Reasons = nil
	if last.Failed != nil {
		d.because(ReasonRebuild, "rebuild %d of %s failed: %s; a person may ask for another", last.Number, from, last.Failed.Reason)
	} else {
		d.because(ReasonRebuild, "rebuild %d of %s has not come back", last.Number, from)
	}
	d.out.Reasons = append(d.out.Reasons, others...)
}

// upstream is the build to rebuild: that of the release that is due, or, once
// that was revoked, the one that is out instead, if it is newer than what the
// downstream has.
func (d *decider) upstream(up *Line, due *Release) (BuildRef, bool) {
	if due.Revoked == nil {
		return BuildRef{up.Stream, due.Build}, true
	}
	for _, r := range up.Releases {
		if r.Seq > due.Seq && r.Revoked == nil && r.Dated == 0 {
			// Replaced out of band before the next date.
			return BuildRef{up.Stream, r.Build}, true
		}
	}
	d.because(ReasonRevoked, "release %d of %s, %s, was revoked: waiting for what replaces it", due.Dated, up.Stream, due.Build)
	return BuildRef{}, false
}

// rebuilt reports whether a build answers a rebuild request.
func (d *decider) rebuilt(from BuildRef, number int) bool {
	for b := range d.l.Builds() {
		if b.From != nil && *b.From == from && b.Rebuild >= number {
			return true
		}
	}
	return false
}

// unasked says why b is no rebuild that this stage asked for of a build that
// the upstream still stands by; empty when it is one.
func (d *decider) unasked(b *Build) string {
	stream := d.p.Follow.Stream
	if b.From == nil || b.From.Stream != stream {
		return "it was not built by the signing build system from a build of " + string(stream)
	}
	for _, by := range b.By {
		if err := d.p.isRebuilder(by); err != nil {
			return err.Error()
		}
	}
	if r := d.l.rebuilds[rebuildKey{*b.From, b.Rebuild}]; r == nil || !r.Asked {
		return fmt.Sprintf("nobody asked for rebuild %d of %s", b.Rebuild, b.From)
	}
	switch up := d.s.Line(stream).Build(b.From.Build); {
	case up == nil || up.Seen.IsZero():
		return fmt.Sprintf("nobody has announced %s, which it was built from", b.From)
	case up.Revoked != nil:
		return fmt.Sprintf("%s, which it was built from, was revoked by %s", b.From, up.Revoked)
	case up.MarkedBad:
		return fmt.Sprintf("%s, which it was built from, was marked bad by %s", b.From, up.Marked)
	case up.Contradiction != "":
		return fmt.Sprintf("the announcements of %s, which it was built from, contradict each other: %s", b.From, up.Contradiction)
	}
	return ""
}
