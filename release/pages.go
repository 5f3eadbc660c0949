package release

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"
)

// pagesNote is what a target's pages say, as far as it is known.
type pagesNote struct {
	print string
	// changes counts how often they were published, with a pointer or alone.
	changes int
}

// foldPages notes what the pages of a target say since an effect is done.
func (l *Line) foldPages(f *EffectDone) {
	if f.Kind != EffectPublish || f.Pages == "" {
		return
	}
	target, _, _ := strings.Cut(strings.TrimPrefix(string(f.Key), string(EffectPublish)+"/"), "/")
	n := l.pages[target]
	l.pages[target] = pagesNote{f.Pages, n.changes + 1}
}

// pagesPrint is the same as long as the pages of a stream have nothing new to
// tell their readers. It leaves out what changes many times a night: each test
// that is asked for and answered. A build whose tests are all answered is news.
func pagesPrint(p *Policy, s *State, now time.Time) string {
	l, st := s.Line(p.Stream), StatusOf(p, s, now)
	h := sha256.New()
	note := func(args ...any) { fmt.Fprintf(h, "%q\n", fmt.Sprintln(args...)) }
	seq := func(x *Said) uint64 {
		if x == nil {
			return 0
		}
		return x.Seq
	}
	slot := func(x *Slot) SlotID {
		if x == nil {
			return ""
		}
		return x.ID
	}
	note(p.Title, p.About, p.Docs, p.Disclaimer)
	note(seq(st.Block), st.Stale, slot(st.Date), slot(st.Next), len(l.Closed), len(s.Findings()))
	for _, w := range st.Warnings {
		note(w)
	}
	for _, r := range l.Releases {
		note(r.Seq, seq(r.Revoked))
	}
	for _, r := range l.retirements {
		note(r.seq)
	}
	for _, b := range l.Bugs() {
		note(b.Tracker, b.Subject, b.Ref, b.URL, b.Open)
	}
	words := func(b *Build) {
		if b.Marked == nil && b.Revoked == nil && b.Contradiction == "" && len(b.Waivers) == 0 {
			return
		}
		note(b.ID, seq(b.Marked), seq(b.Revoked), b.Contradiction)
		for _, w := range b.Waivers {
			note(w.Waiver, seq(w.Withdrawn), w.Counts(now))
		}
	}
	for _, r := range l.Releases {
		if b := l.Build(r.Build); b != nil {
			words(b)
		}
	}
	n := 0
	for b := range l.Builds() {
		if n++; n > pagesBuilds {
			break
		}
		words(b)
	}
	for b := range concluded(p, l) {
		note(b.ID)
		break
	}
	return fmt.Sprintf("%x", h.Sum(nil))[:16]
}

// pagesBuilds is how many builds the pages show the tests of.
const pagesBuilds = 30

// pagesEffects brings the pages of a target up to date between releases: they
// were published with a pointer, and something was said or has passed since.
// Like a bug's text they are compared with what was last published, so that a
// target that was down for a week gets them once.
func pagesEffects(p *Policy, l *Line, print string, add func(Effect)) {
	for _, t := range p.Targets {
		shown, ok := l.ShownAt(t)
		if !ok {
			continue // the first pointer brings the pages along
		}
		note := l.pages[t.Name]
		if note.print == print {
			continue
		}
		w := &PublishWork{Step: StepPages, Pages: print}
		if shown.Release != nil {
			w.Release, w.Build = *shown.Release, l.Build(shown.Release.Build)
		}
		add(Effect{Key: key(EffectPublish, t.Name, StepPages, note.changes+1), Kind: EffectPublish, Target: t.Name, Publish: w})
	}
}

// ShownAt is the last turn whose pointer readers have at a target; ok is false
// while they have none.
func (l *Line) ShownAt(t Target) (shown Turn, ok bool) {
	for _, turn := range slices.Backward(l.turns) {
		if l.Effect(publishKey(t, turn.Cause, StepPointer)).Done != nil {
			return turn, true
		}
	}
	return Turn{}, false
}

// PublishedAt are the builds whose files readers find at a target, with the
// ostree commits that they get there: those that were tested, or what was made
// of them. What was retired is not among them, unless it was published anew.
func (l *Line) PublishedAt(t Target) map[BuildID][]Commit {
	out := map[BuildID][]Commit{}
	for _, turn := range l.turns {
		x := l.Effect(publishKey(t, turn.Cause, StepPointer))
		if turn.Release == nil || x.Done == nil || l.retiredAt(t.Name, turn.Release.Build, turn.Cause) {
			continue
		}
		commits := turn.Release.Commits
		if len(x.Done.Commits) > 0 {
			commits = x.Done.Commits
		}
		out[turn.Release.Build] = commits
	}
	return out
}
