package release

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/reports"
)

// SubjectOfCheck is the bug of one check.
func SubjectOfCheck(id reports.CaseID) Subject { return Subject("check:" + string(id)) }

// SubjectOfRevocation is the bug of a revoked build.
func SubjectOfRevocation(b BuildID) Subject { return Subject("revoked:" + string(b)) }

// bugScan bounds how many builds are looked back over for the first that
// failed: three years of nightlies.
const bugScan = 1100

// foldBug notes what an effect left in a tracker.
func (l *Line) foldBug(f *EffectDone) {
	if f.Kind != EffectBug || f.Bug == nil {
		return
	}
	k := bugKey{f.Bug.Tracker, f.Bug.Subject}
	b := l.bugs[k]
	if b == nil {
		b = &Bug{Tracker: k.tracker, Subject: k.subject}
		l.bugs[k] = b
	}
	b.Changes++
	if f.Ref != "" {
		b.Ref = f.Ref
	}
	if f.URL != "" {
		b.URL = f.URL
	}
	switch action := BugAction(f.Key[strings.LastIndexByte(string(f.Key), '/')+1:]); action {
	case BugOpen, BugReopen:
		b.Open, b.Ours, b.WontFix = true, false, false
		b.FirstBad = f.Bug.FirstBad
	case BugClose:
		b.Open, b.Ours = false, true
	}
	b.Print = f.Bug.Print
}

// bugEffects is what one tracker should say and does not. It compares what the
// builds show with what the tracker was last told, so a tracker that was down
// for a week gets one report of what is so now, not seven.
func bugEffects(p *Policy, l *Line, t TrackerPolicy, add func(Effect)) {
	want := func(w *BugWork, changes int) {
		add(Effect{Key: bugEffectKey(t, w.Subject, changes, w.Action), Kind: EffectBug, Target: t.Name, Bug: w})
	}
	if t.NoImage {
		noImageBug(l, t, want)
	}
	if t.Checks {
		checkBugs(p, l, t, want)
	}
	if t.Revoked {
		for _, r := range l.Releases {
			subject := SubjectOfRevocation(r.Build)
			if r.Revoked == nil || l.Bug(t.Name, subject) != nil {
				continue
			}
			want(&BugWork{Action: BugOpen, Subject: subject, Now: string(r.Build), FirstBad: string(r.Build), Print: "revoked",
				Title: fmt.Sprintf("%s %s was revoked", l.Stream, r.Build), Text: "Revoked by " + r.Revoked.String()}, 0)
		}
	}
}

func bugEffectKey(t TrackerPolicy, subject Subject, changes int, action BugAction) EffectKey {
	return key(EffectBug, t.Name, keyPart(string(subject)), changes+1, action)
}

// begun is the action on a bug that was begun and whose end is not known. It is
// finished before anything else is done to the bug, for it may have happened.
func begun(l *Line, t TrackerPolicy, subject Subject, changes int) BugAction {
	for _, a := range []BugAction{BugOpen, BugReopen, BugComment, BugClose} {
		if x := l.Effect(bugEffectKey(t, subject, changes, a)); x.Started && x.Done == nil && x.Dropped == nil {
			return a
		}
	}
	return ""
}

// step decides what to do to a bug that should be open with a certain content,
// or closed. newer is true when there is evidence from after the time a person
// closed it.
func bugStep(b *Bug, bad, good bool, print string, newer func(time.Time) bool) BugAction {
	switch {
	case b == nil && bad:
		return BugOpen
	case b == nil:
		return ""
	case b.WontFix:
		return "" // a person has spoken
	case b.Open && good:
		return BugClose
	case b.Open && bad && b.Print != print:
		return BugComment
	case !b.Open && bad && (b.Ours || newer(b.observed)):
		return BugReopen
	}
	return ""
}

func noImageBug(l *Line, t TrackerPolicy, want func(*BugWork, int)) {
	bug := l.Bug(t.Name, SubjectNoImage)
	var built *Build
	for b := range l.Builds() {
		if !b.Seen.IsZero() && len(b.Artifacts) > 0 && (built == nil || b.Created.After(built.Created)) {
			built = b
		}
		if built != nil && b.Created.Before(built.Created.AddDate(0, 0, -30)) {
			break
		}
	}
	var since []ComposeFailure
	for _, f := range slices.Backward(l.Failures) {
		if built != nil && !f.Ended.After(built.Created) {
			break
		}
		since = append(since, f)
	}
	slices.Reverse(since)
	w := &BugWork{Subject: SubjectNoImage, Title: fmt.Sprintf("%s: no image", l.Stream)}
	if built != nil {
		w.LastGood = string(built.ID)
		w.Now = string(built.ID)
	}
	if n := len(since); n > 0 {
		w.FirstBad, w.Now = since[0].Compose, since[n-1].Compose
		w.Print = since[n-1].Compose
		w.Title = fmt.Sprintf("%s: no image since %s (%s)", l.Stream, reports.Line(since[0].Compose, 100), reports.Line(since[0].Status, 40))
		var text strings.Builder
		for _, f := range since[max(0, n-10):] {
			fmt.Fprintf(&text, "%s %s, %s", reports.Line(f.Compose, 200), reports.Line(f.Status, 40), f.Ended.Format("2006-01-02 15:04 MST"))
			for _, s := range []string{f.Reason, f.Log} {
				if s != "" {
					text.WriteString(": " + reports.Line(s, 500))
				}
			}
			text.WriteString("\n")
		}
		w.Text = text.String()
	}
	newer := func(at time.Time) bool { return len(since) > 0 && since[len(since)-1].Ended.After(at) }
	emit(l, t, bug, w, bugStep(bug, len(since) > 0, built != nil && len(since) == 0, w.Print, newer), want)
}

func emit(l *Line, t TrackerPolicy, bug *Bug, w *BugWork, action BugAction, want func(*BugWork, int)) {
	changes := 0
	if bug != nil {
		changes, w.Ref = bug.Changes, bug.Ref
	}
	if b := begun(l, t, w.Subject, changes); b != "" {
		action = b
	}
	if action == "" {
		return
	}
	w.Action = action
	if w.Print == "" {
		w.Print = "closed"
	}
	want(w, changes)
}

// concluded yields the builds whose tests are all answered, newest first.
func concluded(p *Policy, l *Line) func(func(*Build) bool) {
	return func(yield func(*Build) bool) {
		n := 0
		for b := range l.Builds() {
			if n++; n > bugScan {
				return
			}
			done := !b.Seen.IsZero()
			any := false
			for _, w := range p.Artifacts {
				if a := b.Artifact(w.ID); a != nil && a.Known {
					any = any || a.Answer() != nil
					done = done && a.Answer() != nil
				}
			}
			if done && any && !yield(b) {
				return
			}
		}
	}
}

// failuresIn are the blocking failures of a build that are the image's, known
// ones left out: those have their bug already.
func failuresIn(p *Policy, b *Build) (out []Failure) {
	for _, a := range b.Artifacts {
		ans := a.Answer()
		if ans == nil || ans.Digest != a.Digest {
			continue
		}
		for _, c := range ans.Cases {
			if c.Outcome == reports.Failed && c.Fault == reports.FaultImage && !c.Known.Covers() && p.blocking(a.ID, c.Check, c.Blocking) {
				out = append(out, Failure{a.ID, c, ans.Results})
			}
		}
	}
	return out
}

// answeredGood reports whether a check passed wherever it was answered, and was
// answered somewhere.
func answeredGood(b *Build, check reports.CaseID) bool {
	good := false
	for _, a := range b.Artifacts {
		ans := a.Answer()
		if ans == nil {
			continue
		}
		if slices.ContainsFunc(ans.Cases, func(c Case) bool { return c.Check == check && c.Outcome != reports.Skipped }) {
			return false
		}
		good = good || slices.Contains(ans.Passed, check) || slices.Contains(ans.PassedAdvisory, check)
	}
	return good
}

func checkBugs(p *Policy, l *Line, t TrackerPolicy, want func(*BugWork, int)) {
	subjects := map[reports.CaseID]bool{}
	for _, b := range l.Bugs() {
		if id, ok := strings.CutPrefix(string(b.Subject), "check:"); ok && b.Tracker == t.Name && !b.WontFix {
			subjects[reports.CaseID(id)] = true
		}
	}
	n := 0
	for b := range concluded(p, l) {
		for _, f := range failuresIn(p, b) {
			subjects[f.Case.Check] = true
		}
		if n++; n >= max(t.OpenAfter, 1) {
			break
		}
	}
	for _, check := range slices.Sorted(maps.Keys(subjects)) {
		h := historyOf(p, l, check, max(t.CloseAfter, 1))
		bug := l.Bug(t.Name, SubjectOfCheck(check))
		bad := len(h.bad) >= max(t.OpenAfter, 1)
		good := h.good >= max(t.CloseAfter, 1)
		w := &BugWork{Subject: SubjectOfCheck(check), Title: fmt.Sprintf("%s: %s fails", l.Stream, check)}
		if h.newest != nil {
			w.Now = string(h.newest.ID)
		}
		if len(h.bad) > 0 {
			newest, oldest := h.bad[0], h.bad[len(h.bad)-1]
			w.FirstBad, w.Failures = string(oldest.ID), failuresOf(p, newest, check)
			w.Print = fingerprint(w.Failures)
			arch := w.Failures[0].Artifact.Arch()
			w.PackagesBad = oldest.PackagesAt(arch)
			if h.lastGood != nil {
				w.LastGood, w.PackagesGood = string(h.lastGood.ID), h.lastGood.PackagesAt(arch)
			}
		}
		newer := func(at time.Time) bool { return len(h.bad) > 0 && h.bad[0].Created.After(at) }
		emit(l, t, bug, w, bugStep(bug, bad, good, w.Print, newer), want)
	}
}

func failuresOf(p *Policy, b *Build, check reports.CaseID) []Failure {
	return slices.DeleteFunc(failuresIn(p, b), func(f Failure) bool { return f.Case.Check != check })
}

type checkHistory struct {
	// bad are the builds of the present streak of failures, newest first.
	bad []*Build
	// good counts the present streak of passes.
	good     int
	lastGood *Build
	newest   *Build
}

// historyOf looks back until the present streak has begun. Builds in which the
// check was not answered say nothing.
func historyOf(p *Policy, l *Line, check reports.CaseID, enough int) (h checkHistory) {
	for b := range concluded(p, l) {
		switch {
		case len(failuresOf(p, b, check)) > 0:
			if h.newest == nil {
				h.newest = b
			}
			if h.good > 0 {
				return h
			}
			h.bad = append(h.bad, b)
		case answeredGood(b, check):
			if h.newest == nil {
				h.newest = b
			}
			if len(h.bad) > 0 {
				h.lastGood = b
				return h
			}
			if h.good++; h.good >= enough {
				return h
			}
		}
	}
	return h
}

// Numbers in messages (addresses, times, process ids) change from night to
// night and mean nothing new.
var digits = regexp.MustCompile(`(0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]*`)

// fingerprint is the same as long as the same artifacts fail in the same way.
func fingerprint(fs []Failure) string {
	var b strings.Builder
	for _, f := range fs {
		fmt.Fprintf(&b, "%s %s %s\n", f.Artifact, f.Case.Check, digits.ReplaceAllString(reports.Line(f.Case.Message, 200), "#"))
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String())))[:16]
}
