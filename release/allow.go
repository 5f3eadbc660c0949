package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/reports"
)

// ErrNotAllowed wraps every refusal of Allow.
var ErrNotAllowed = errors.New("not allowed")

// Allow says whether an event that somebody wants to record makes sense and is
// permitted now: whether the build exists, the test no longer runs, the person
// may. Ask it inside State.Update, so that the answer still holds when the
// event is appended. Refusals wrap ErrNotAllowed.
//
// What Next and Effects propose need not be asked about.
func Allow(p *Policy, s *State, e Event, now time.Time) error {
	if e.Fact == nil {
		return fmt.Errorf("%w: the event has no content", ErrNotAllowed)
	}
	err := errors.Join(e.Fact.Validate(), e.Actor.Validate())
	if err == nil && e.Stream != "" && e.Stream != p.Stream {
		err = fmt.Errorf("the event is of %s and the policy of %s", e.Stream, p.Stream)
	}
	if err == nil {
		err = allow(p, s, e, now)
	}
	if err != nil {
		return fmt.Errorf("cannot record %s of %s: %w: %w", e.Type, p.Stream, ErrNotAllowed, err)
	}
	return nil
}

func allow(p *Policy, s *State, e Event, now time.Time) error {
	l := s.Line(p.Stream)
	build := func(id BuildID) (*Build, error) {
		if b := l.Build(id); b != nil && !b.Seen.IsZero() {
			return b, nil
		}
		return nil, fmt.Errorf("there is no build %s", id)
	}
	switch f := e.Fact.(type) {
	case *TestAnswered:
		if err := allowAnswer(l, f); err != nil {
			return err
		}
		return p.has(e.Actor, MayAnswer)
	case *CheckWaived:
		return allowWaiver(p, l, e.Actor, f, now)
	case *WaiverWithdrawn:
		w := l.Waiver(f.Waiver)
		if w == nil || w.Withdrawn != nil {
			return fmt.Errorf("there is no waiver %q in force", f.Waiver)
		}
		return p.may(e.Actor, MayWaive, w.Check)
	case *BuildMarked:
		if _, err := build(f.Build); err != nil {
			return err
		}
		return p.may(e.Actor, MayMark, "")
	case *StreamBlocked:
		return p.may(e.Actor, MayBlock, "")
	case *StreamUnblocked:
		if l.Block == nil {
			return errors.New("the stream is not blocked")
		}
		return p.may(e.Actor, MayBlock, "")
	case *PromotionRequested:
		b, err := build(f.Build)
		if err != nil {
			return err
		}
		if b.Revoked != nil {
			return fmt.Errorf("%s was revoked by %s: lift the revocation first", f.Build, b.Revoked)
		}
		if out := l.Out(); out != nil && f.Build.Compare(out.Build) <= 0 && (!f.Older || f.Build == out.Build) {
			return fmt.Errorf("%s is not newer than %s, which is out: to go back, say that an older build is meant, or revoke %[2]s", f.Build, out.Build)
		}
		return p.may(e.Actor, MayPromote, "")
	case *PromotionWithdrawn:
		for _, r := range l.Promotions() {
			if r.Request == f.Request {
				return p.may(e.Actor, MayPromote, "")
			}
		}
		return fmt.Errorf("there is no request %q that still stands", f.Request)
	case *ReleaseRevoked:
		for _, r := range l.Releases {
			if r.Build == f.Build && r.Revoked == nil {
				return p.may(e.Actor, MayRevoke, "")
			}
		}
		return fmt.Errorf("%s is no release that is in force", f.Build)
	case *RevocationLifted:
		b, err := build(f.Build)
		if err != nil {
			return err
		}
		if b.Revoked == nil {
			return fmt.Errorf("%s is not revoked", f.Build)
		}
		return p.may(e.Actor, MayRevoke, "")
	case *RebuildRequested:
		if p.Follow == nil || !p.Follow.Rebuild || f.From.Stream != p.Follow.Stream {
			return fmt.Errorf("the policy asks for no rebuilds of %s", f.From.Stream)
		}
		if n := len(l.Rebuilds(f.From)); f.Number != n+1 {
			return fmt.Errorf("rebuild %d of %s was asked for, the next is %d", n, f.From, n+1)
		}
		return p.may(e.Actor, MayRepair, "")
	case *SlotsReopened:
		if f.After.Before(now) {
			return fmt.Errorf("dates up to %s have come and had their turn: only later ones can be reopened", now.UTC().Format(time.RFC3339))
		}
		return p.may(e.Actor, MayRepair, "")
	case *ReleasesRetired:
		return allowRetired(p, l, e.Actor, f)
	case *SlotSkipped:
		if open, ok := OpenDate(p, s, now); !ok || open.ID != f.Slot || !open.At.Equal(f.At) {
			return fmt.Errorf("%s is no release date that is open: a date is skipped once it has begun, and before it has its release", f.Slot)
		}
		return p.may(e.Actor, MayRepair, "")
	case *EffectDropped:
		return p.may(e.Actor, MayRepair, "")
	case *HistoryAcknowledged:
		if len(s.Findings()) == 0 {
			return errors.New("nothing is wrong with the history")
		}
		return p.may(e.Actor, MayRepair, "")
	case *ReleaseDecided:
		return errors.New("only Decide releases; ask for a promotion")
	case *PolicySet:
		return errors.New("the stage itself records the policy it goes by")
	case *BuildSeen:
		if err := allowDay(e.Actor, f, now); err != nil {
			return err
		}
		if b := l.Build(f.Build); b != nil && b.Compose != "" && f.Compose != "" && b.Compose != f.Compose {
			return fmt.Errorf("%s is the number of compose %s already", f.Build, b.Compose)
		}
		if b := l.ByCompose(f.Compose); f.Compose != "" && b != nil && b.ID != f.Build {
			return fmt.Errorf("compose %s has the number %s already", f.Compose, b.ID)
		}
		if f.From != nil {
			if err := p.isRebuilder(e.Actor); err != nil {
				return err
			}
		}
		return p.has(e.Actor, MayAnnounce)
	case *RebuildFailed:
		return errors.Join(p.isRebuilder(e.Actor), p.has(e.Actor, MayAnnounce))
	case *BuildFailed, *PackagesListed:
		return p.has(e.Actor, MayAnnounce)
	}
	return nil
}

// maxAhead is how far ahead of ours the clock of those who make builds may be: a
// day for their time zone, and one more.
const maxAhead = 48 * time.Hour

// allowDay refuses builds that are to come. Once one was released, none that is
// made before its day would be newer. A person may give a build any number.
func allowDay(by Actor, f *BuildSeen, now time.Time) error {
	limit := now.Add(maxAhead).UTC()
	switch {
	case f.Created.After(limit):
		return fmt.Errorf("%s says it was created at %s, and it is %s now: correct the clock, or the announcement", f.Build, f.Created.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case by.Kind != Person && f.Build.Date() > limit.Format("20060102"):
		return fmt.Errorf("%s is the number of a day to come, and today is %s: correct the clock, or the announcement", f.Build, now.UTC().Format(time.DateOnly))
	}
	return nil
}

// allowAnswer fences workers: a late or second answer loses.
func allowAnswer(l *Line, f *TestAnswered) error {
	b := l.Build(f.Build)
	var a *BuildArtifact
	if b != nil {
		a = b.Artifact(f.Artifact)
	}
	switch {
	case a == nil || a.Attempt < f.Attempt:
		return fmt.Errorf("nobody asked for test %d of %s %s", f.Attempt, f.Build, f.Artifact)
	case a.Attempt > f.Attempt:
		return fmt.Errorf("the answer to test %d of %s %s came too late: test %d was asked for at %s", f.Attempt, f.Build, f.Artifact, a.Attempt, a.AskedAt.Format(time.RFC3339))
	case f.Attempt > 1 && f.Finished.Before(a.AskedAt):
		// The first may be answered with a run that somebody had made already.
		return fmt.Errorf("test %d of %s %s was asked for at %s, and run %s had finished by %s: another attempt wants another run", f.Attempt, f.Build, f.Artifact,
			a.AskedAt.Format(time.RFC3339), f.Run, f.Finished.Format(time.RFC3339))
	case a.Answer() != nil:
		return fmt.Errorf("test %d of %s %s was answered already, by run %s", f.Attempt, f.Build, f.Artifact, a.Answer().Run)
	}
	return nil
}

func allowWaiver(p *Policy, l *Line, by Actor, f *CheckWaived, now time.Time) error {
	b := l.Build(f.Build)
	switch {
	case b == nil || b.Seen.IsZero():
		return fmt.Errorf("there is no build %s", f.Build)
	case f.Artifact != "" && b.Artifact(f.Artifact) == nil:
		return fmt.Errorf("%s has no artifact %s", f.Build, f.Artifact)
	case l.Waiver(f.Waiver) != nil:
		return fmt.Errorf("there is a waiver %q already", f.Waiver)
	case !f.Expires.After(now):
		return fmt.Errorf("it would expire at %s, which is past", f.Expires.Format(time.RFC3339))
	}
	for _, w := range p.Artifacts {
		if f.Forced || f.Artifact != "" && f.Artifact != w.ID {
			continue
		}
		a := b.Artifact(w.ID)
		switch {
		case a == nil || !a.Known:
			if !w.Optional {
				return fmt.Errorf("%s was not announced yet: wait for it, or force the waiver (assay release waive --force)", w.ID)
			}
		case a.Attempt == 0 || a.Answer() == nil && (a.isAwaited(p, now) || a.Attempt <= p.Tests.Retries):
			return fmt.Errorf("the test of %s has not finished: wait for it, or force the waiver (assay release waive --force)", a.ID)
		}
	}
	return p.may(by, MayWaive, f.Check)
}

// AnswerOf makes the answer to a request of what a run found. What it holds of
// the guest's words is cleaned and cut; results is where the run's folder can
// be had.
func AnswerOf(q TestRequested, run *reports.Run, results string) *TestAnswered {
	judged, why := reports.Judge(run.Suites)
	f := &TestAnswered{
		Build: q.Build, Artifact: q.Artifact, Attempt: q.Attempt, Digest: run.Image.Digest,
		Verdict: run.Verdict, Reason: reports.Line(run.Reason, maxWord),
		Harsher: run.Verdict != judged || run.Verdict == reports.Undecided && run.Reason != why || run.Incomplete != "",
		Run:     run.ID, Results: results, Finished: run.Finished.UTC(), OSTreeCommit: reports.Line(run.Image.OSTreeCommit, maxCommit),
	}
	if s := run.Selection; s != nil {
		f.LeftOut = s.Labels
		chosen := slices.ContainsFunc(s.Labels, func(l string) bool { return !strings.HasPrefix(l, "!") })
		if chosen || len(s.Suites)+len(s.Checks) > 0 || len(s.Labels) > maxLabels {
			// What was chosen says nothing of the rest.
			f.LeftOut, f.Harsher = nil, true
			f.Reason = reports.Line(fmt.Sprintf("only a selection of checks ran (suites %q, checks %q, labels %q)", s.Suites, s.Checks, s.Labels), maxWord)
		}
	}
	cases := map[string]int{}
	for _, s := range run.Suites {
		cases[s.Name] += len(s.Cases)
		for _, c := range s.Cases {
			switch {
			case c.Outcome == reports.Passed && c.Fault == reports.FaultNone && c.Blocking:
				f.Passed = append(f.Passed, c.ID)
			case c.Outcome == reports.Passed && c.Fault == reports.FaultNone:
				f.PassedAdvisory = append(f.PassedAdvisory, c.ID)
			default:
				f.Cases = append(f.Cases, caseOf(c, len(f.Cases) < fullCases))
			}
		}
	}
	for _, s := range run.Suites {
		if cases[s.Name] == 0 {
			f.Empty = append(f.Empty, s.Name)
			cases[s.Name] = -1
		}
	}
	return f
}

// Bounds of what a case brings into the history, in bytes and entries: the rest
// stands in the results folder.
const (
	maxCommit     = 80 // a guest may say anything
	maxLabels     = 50
	eventMessage  = 600
	eventExcerpt  = 2 << 10
	eventEvidence = 8
	// fullCases is how many cases bring more than a short message: where so
	// much fails, nobody reads on, and an event has its limit.
	fullCases    = 100
	shortMessage = 80
)

func caseOf(c reports.Case, full bool) Case {
	if !full {
		c.Message, c.Replay, c.Evidence = reports.Line(c.Message, shortMessage), "", nil
	}
	out := Case{Check: c.ID, Outcome: c.Outcome, Fault: c.Fault, Blocking: c.Blocking, Inapplicable: c.Inapplicable,
		Message: reports.Line(c.Message, eventMessage), Replay: reports.Line(c.Replay, eventMessage)}
	if c.Known != nil {
		out.Known = &reports.Known{Tracker: reports.Line(c.Known.Tracker, eventMessage), Reason: reports.Line(c.Known.Reason, eventMessage), Expires: reports.Line(c.Known.Expires, 40)}
	}
	for _, e := range c.Evidence[:min(len(c.Evidence), eventEvidence)] {
		if e.Path != "" {
			out.Evidence = append(out.Evidence, e.Path)
		}
		if out.Excerpt == "" && e.Excerpt != "" {
			out.Excerpt = reports.Clean(e.Excerpt)
			if len(out.Excerpt) > eventExcerpt {
				out.Excerpt = strings.ToValidUTF8(out.Excerpt[:eventExcerpt], "") + "…"
			}
		}
	}
	return out
}
