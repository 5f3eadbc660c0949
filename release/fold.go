package release

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/artifact"
)

// Report adds a finding that the storage made.
func (s *State) Report(f Finding) { s.findings[f.Key] = f }

func (s *State) find(seq uint64, kind, text string, raw []byte) {
	// The key carries what was found: other damage at the same place is new.
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s", s.head.Hash, text, raw))
	s.Report(Finding{Key: fmt.Sprintf("%s:%d:%x", kind, seq, sum[:8]), Seq: seq, Text: text})
}

// lost is the finding of the run of events up to the one numbered to that are
// missing or unreadable. It is the same while the run is the end of the history
// and when more was appended after it.
func (s *State) lost(to uint64) Finding {
	text := fmt.Sprintf("events %d to %d are not there, or cannot be read", s.gap, to)
	if s.gap == to {
		text = fmt.Sprintf("event %d is not there, or cannot be read", to)
	}
	sum := sha256.Sum256([]byte(s.head.Hash))
	return Finding{Key: fmt.Sprintf("lost:%d-%d:%x", s.gap, to, sum[:8]), Seq: s.gap, Text: text}
}

// Apply folds the next record and checks that it continues the chain. What is
// wrong with it becomes a finding; it returns nothing because there is nothing
// the caller could do instead.
//
// Deliveries of machines (builds, tests, effects) may come in any order and any
// number of times; the words of people count in the order of the history.
func (s *State) Apply(r Record) { s.apply(readRecord(r)) }

func (s *State) apply(r read) {
	if r.Seq <= s.head.Seq {
		s.find(r.Seq, "order", fmt.Sprintf("event %d came after event %d", r.Seq, s.head.Seq), r.Raw)
		return
	}
	if s.gap == 0 && (r.Seq > s.head.Seq+1 || r.Err != nil) {
		s.gap = s.head.Seq + 1
	}
	if r.Err != nil {
		// The hash stays that of the last event that could be read.
		s.head.Seq = r.Seq
		return
	}
	gap := s.gap > 0
	if gap {
		s.Report(s.lost(r.Seq - 1))
		s.gap = 0
	}
	before := s.head
	s.head = Head{Seq: r.Seq, Hash: r.hash}
	e, err := r.event, r.fault
	var unknown *UnknownError
	if err != nil && !errors.As(err, &unknown) {
		s.find(r.Seq, "malformed", fmt.Sprintf("event %d: %v", r.Seq, err), r.Raw)
		return
	}
	if e.Seq != r.Seq {
		s.find(r.Seq, "moved", fmt.Sprintf("event %d says that it is event %d", r.Seq, e.Seq), r.Raw)
	}
	if !gap && e.Prev != before.Hash {
		s.find(r.Seq, "chain", fmt.Sprintf("event %d does not continue event %d: one of the two was changed, or events between them are lost", r.Seq, before.Seq), r.Raw)
	}
	if (e.Type == "history.opened") != (r.Seq == 1) {
		s.find(r.Seq, "opening", fmt.Sprintf("event %d is %s: a history has history.opened as its first event and nowhere else", r.Seq, e.Type), r.Raw)
	}
	if _, dup := s.seen[r.id]; dup {
		return
	}
	if !s.asOf.IsZero() && e.Time.After(s.asOf) {
		// Later acknowledgements still speak of the chain, which is checked
		// to its end.
		if ack, ok := e.Fact.(*HistoryAcknowledged); ok {
			s.acknowledge(e, ack)
		}
		return
	}
	s.seen[r.id] = struct{}{}
	if unknown != nil {
		s.find(r.Seq, "unknown", fmt.Sprintf("event %d: %v", r.Seq, unknown), r.Raw)
		return
	}
	s.fold(e)
}

func (s *State) acknowledge(e Event, f *HistoryAcknowledged) {
	if e.Actor.Kind != Person {
		return
	}
	for _, g := range f.Findings {
		s.looked[g.Key] = true
	}
}

func (s *State) fold(e Event) {
	switch f := e.Fact.(type) {
	case *HistoryOpened:
		return
	case *HistoryAcknowledged:
		s.acknowledge(e, f)
		return
	}
	l := s.streams[e.Stream]
	if l == nil {
		l = newLine(e.Stream)
		s.streams[e.Stream] = l
	}
	defer l.noteOut(e)
	switch f := e.Fact.(type) {
	case *BuildSeen:
		l.foldBuild(e, f)
	case *PolicySet:
		l.Policy = &InForce{Digest: f.Digest, Since: e.Time, Seq: e.Seq}
	case *BuildFailed:
		if !slices.ContainsFunc(l.Failures, func(o ComposeFailure) bool { return !o.Missing && o.Compose == f.Compose }) {
			l.addFailure(ComposeFailure{BuildFailed: *f, Seq: e.Seq})
		}
	case *BuildMissing:
		if !l.missing[f.Date] {
			l.missing[f.Date] = true
			l.addFailure(ComposeFailure{Missing: true, Seq: e.Seq,
				BuildFailed: BuildFailed{Compose: f.Date, Status: "MISSING", Ended: f.Due, Reason: "no build came by " + f.Due.Format("2006-01-02 15:04 MST")}})
		}
	case *PackagesListed:
		b := l.ensureBuild(f.Build)
		if b.packages == nil {
			b.packages = map[artifact.Arch]uint64{}
		}
		if b.packages[f.Arch] == 0 {
			b.packages[f.Arch] = e.Seq
		}
	case *TestRequested:
		l.foldRequest(e, f)
	case *TestAnswered:
		s.foldAnswer(l, e, f)
	case *EffectStarted, *EffectDone, *EffectFailed, *EffectDropped, *BugObserved:
		l.foldEffect(e)
	case *ReleaseDecided:
		l.foldRelease(e, f)
	case *SlotSkipped:
		if l.Closed[f.Slot].Build != "" {
			return // it has had its release
		}
		l.Closed[f.Slot] = Closed{At: f.At, Seq: e.Seq, Reasons: f.Reasons}
	case *RebuildRequested:
		r := l.ensureRebuild(rebuildKey{f.From, f.Number})
		if !r.Asked {
			r.RebuildRequested, r.Asked, r.At = *f, true, e.Time
		}
	case *RebuildFailed:
		if r := l.ensureRebuild(rebuildKey{f.From, f.Number}); r.Failed == nil {
			r.Failed = f
		}
	default:
		l.foldWord(e)
	}
}

// noteOut remembers what is out and since which event, so that each change is
// published once.
func (l *Line) noteOut(e Event) {
	if out := l.fallback(); out != l.out {
		l.out, l.cause = out, e.Seq
		l.turns = append(l.turns, Turn{Release: out, Cause: e.Seq, At: e.Time, Revoked: l.LastRevoked()})
		for _, p := range l.promotions {
			p.Lapsed = true
		}
	}
}

// foldWord folds what people say. A service that says it is not heard: such an
// event can only come from a program that did not ask Allow.
func (l *Line) foldWord(e Event) {
	said := func(w Word) *Said { return &Said{By: e.Actor, At: e.Time, Seq: e.Seq, Word: w} }
	// What makes releases rarer is heard from anyone.
	switch f := e.Fact.(type) {
	case *StreamBlocked:
		l.Block = said(f.Word)
		l.Blocks = append(l.Blocks, &Block{Said: *l.Block})
	case *BuildMarked:
		if f.Mark == MarkBad {
			b := l.ensureBuild(f.Build)
			b.Marked, b.MarkedBad = said(f.Word), true
			b.Marks = append(b.Marks, Marking{*b.Marked, f.Mark})
		}
	case *WaiverWithdrawn:
		if w := l.waivers[f.Waiver]; w != nil && w.Withdrawn == nil {
			w.Withdrawn = said(f.Word)
		}
	case *PromotionWithdrawn:
		for _, p := range l.promotions {
			if p.Request == f.Request && p.Withdrawn == nil {
				p.Withdrawn = said(f.Word)
			}
		}
	case *ReleaseRevoked:
		l.ensureBuild(f.Build).Revoked = said(f.Word)
		for _, r := range l.Releases {
			if r.Build == f.Build && r.Revoked == nil {
				r.Revoked = said(f.Word)
			}
		}
	}
	if e.Actor.Kind != Person {
		return
	}
	switch f := e.Fact.(type) {
	case *StreamUnblocked:
		l.Block = nil
		for _, b := range l.Blocks {
			if b.Ended == nil {
				b.Ended = said(f.Word)
			}
		}
	case *BuildMarked:
		if f.Mark == MarkGood {
			b := l.ensureBuild(f.Build)
			b.Marked, b.MarkedBad = said(f.Word), false
			b.Marks = append(b.Marks, Marking{*b.Marked, f.Mark})
		}
	case *CheckWaived:
		if l.waivers[f.Waiver] == nil {
			w := &Waiver{CheckWaived: *f, By: e.Actor, At: e.Time}
			l.waivers[f.Waiver] = w
			b := l.ensureBuild(f.Build)
			b.Waivers = append(b.Waivers, w)
		}
	case *PromotionRequested:
		if !slices.ContainsFunc(l.promotions, func(p *Promotion) bool { return p.Request == f.Request }) {
			l.promotions = append(l.promotions, &Promotion{PromotionRequested: *f, By: e.Actor, At: e.Time})
		}
	case *ReleasesRetired:
		l.retirements = append(l.retirements, retirement{*f, e.Seq})
	case *RevocationLifted:
		b := l.ensureBuild(f.Build)
		b.Revoked, b.Lifted = nil, append(b.Lifted, said(f.Word))
	case *SlotsReopened:
		for id, c := range l.Closed {
			// A date that had come is not given a second release, whatever
			// was asked for.
			if c.At.After(f.After) && c.At.After(e.Time) {
				delete(l.Closed, id)
			}
		}
	}
}

func (l *Line) addFailure(f ComposeFailure) {
	i, _ := slices.BinarySearchFunc(l.Failures, f, func(a, b ComposeFailure) int {
		return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.Compose, b.Compose))
	})
	l.Failures = slices.Insert(l.Failures, i, f)
}

func (l *Line) ensureRebuild(k rebuildKey) *Rebuild {
	r := l.rebuilds[k]
	if r == nil {
		r = &Rebuild{}
		l.rebuilds[k] = r
	}
	return r
}

func (l *Line) ensureBuild(id BuildID) *Build {
	if b := l.byID[id]; b != nil {
		return b
	}
	b := &Build{Stream: l.Stream, ID: id}
	l.byID[id] = b
	i, _ := slices.BinarySearchFunc(l.builds, id, func(b *Build, id BuildID) int { return b.ID.Compare(id) })
	l.builds = slices.Insert(l.builds, i, b)
	return b
}

func (b *Build) ensureArtifact(id ArtifactID) *BuildArtifact {
	if a := b.Artifact(id); a != nil {
		return a
	}
	a := &BuildArtifact{Artifact: Artifact{ID: id}}
	b.Artifacts = append(b.Artifacts, a)
	slices.SortFunc(b.Artifacts, func(x, y *BuildArtifact) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return a
}

// contradict keeps the smallest of the texts, so that the order of deliveries
// does not show.
func (b *Build) contradict(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); b.Contradiction == "" || text < b.Contradiction {
		b.Contradiction = text
	}
}

func (l *Line) foldBuild(e Event, f *BuildSeen) {
	b := l.ensureBuild(f.Build)
	first := b.Seen.IsZero()
	if first {
		b.Seen, b.Created = e.Time, f.Created
	} else if !f.Created.Equal(b.Created) {
		lo, hi := b.Created, f.Created
		if hi.Before(lo) {
			lo, hi = hi, lo
		}
		b.Created = lo
		b.contradict("it was announced as made at two times: %s and %s", lo.UTC().Format(time.RFC3339Nano), hi.UTC().Format(time.RFC3339Nano))
	}
	if f.Compose != "" {
		if b.Compose != "" && b.Compose != f.Compose {
			b.contradict("two composes claim this number: %s and %s", min(b.Compose, f.Compose), max(b.Compose, f.Compose))
		}
		if other := l.composes[f.Compose]; other != "" && other != f.Build {
			// Which numbers is not said: of three, each build would learn of
			// others by the order in which they came.
			const text = "compose %s has more than one build number"
			b.contradict(text, f.Compose)
			l.byID[other].contradict(text, f.Compose)
			l.composes[f.Compose] = min(other, f.Build)
		} else {
			l.composes[f.Compose] = f.Build
		}
		if b.Compose == "" || f.Compose < b.Compose {
			b.Compose = f.Compose
		}
	}
	for _, a := range f.Artifacts {
		got := b.ensureArtifact(a.ID)
		switch {
		case !got.Known:
			got.Artifact, got.Known = a, true
		case got.Artifact == a:
		case got.Digest == a.Digest:
			b.contradict("artifact %s was announced with two names, sizes or locations", a.ID)
			if describe(a) < describe(got.Artifact) {
				got.Artifact = a
			}
		default:
			b.contradict("artifact %s was announced with two digests: %s and %s", a.ID, min(got.Digest, a.Digest), max(got.Digest, a.Digest))
		}
	}
	for i, a := range b.Artifacts {
		for _, o := range b.Artifacts[:i] {
			if a.Known && o.Known && a.Name == o.Name {
				b.contradict("artifacts %s and %s have one name: %s", o.ID, a.ID, a.Name)
			}
		}
	}
	for _, c := range f.Commits {
		i := slices.IndexFunc(b.Commits, func(o Commit) bool { return o.Arch == c.Arch && o.Ref == c.Ref })
		switch {
		case i < 0:
			b.Commits = append(b.Commits, c)
			slices.SortFunc(b.Commits, func(x, y Commit) int {
				return cmp.Or(cmp.Compare(x.Arch, y.Arch), cmp.Compare(x.Ref, y.Ref))
			})
		case b.Commits[i].Checksum != c.Checksum:
			b.contradict("ostree ref %s %s was announced with two commits: %s and %s", c.Ref, c.Arch,
				min(b.Commits[i].Checksum, c.Checksum), max(b.Commits[i].Checksum, c.Checksum))
		case b.Commits[i] != c:
			b.contradict("ostree ref %s %s was announced with two repositories or versions", c.Ref, c.Arch)
		}
	}
	if i, known := slices.BinarySearchFunc(b.By, e.Actor, compareActors); !known {
		b.By = slices.Insert(b.By, i, Actor{Kind: e.Actor.Kind, Name: e.Actor.Name})
	}
	switch {
	case first:
		b.From, b.Rebuild = f.From, f.Rebuild
	case (b.From == nil) != (f.From == nil) || f.From != nil && (*b.From != *f.From || b.Rebuild != f.Rebuild):
		// What a build was made of is known from the beginning.
		b.contradict("its announcements say different things of what it was rebuilt from")
	}
}

func compareActors(a, b Actor) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// describe orders announcements of one artifact.
func describe(a Artifact) string {
	return fmt.Sprintf("%q", []any{a.Name, a.Location, a.Size, a.Uncompressed})
}

func (l *Line) foldRequest(e Event, f *TestRequested) {
	a := l.ensureBuild(f.Build).ensureArtifact(f.Artifact)
	if f.Attempt <= a.Attempt {
		return
	}
	a.Attempt, a.AskedAt, a.Deadline = f.Attempt, e.Time, f.Deadline
	l.addNews(TestNews{Seq: e.Seq, At: e.Time, Build: f.Build, Artifact: f.Artifact, Attempt: f.Attempt, Deadline: f.Deadline})
	for n := range a.answers {
		if n < a.Attempt {
			delete(a.answers, n) // it lost
		}
	}
}

func (s *State) foldAnswer(l *Line, e Event, f *TestAnswered) {
	a := l.ensureBuild(f.Build).ensureArtifact(f.Artifact)
	if f.Attempt < a.Attempt || a.AnswerTo(f.Attempt) != nil {
		return // late, or second
	}
	f.Passed, f.PassedAdvisory = s.intern(f.Passed), s.intern(f.PassedAdvisory)
	if a.answers == nil {
		a.answers = map[int]answered{}
	}
	a.answers[f.Attempt] = answered{f, e.Time}
	l.addNews(TestNews{Seq: e.Seq, At: e.Time, Build: f.Build, Artifact: f.Artifact, Attempt: f.Attempt, Answer: f})
}

func (s *State) intern(l CheckList) CheckList {
	h := sha256.New()
	for _, id := range l {
		h.Write([]byte(id))
		h.Write([]byte{0})
	}
	k := [32]byte(h.Sum(nil))
	if known, ok := s.lists[k]; ok {
		return known
	}
	s.lists[k] = l
	return l
}

func (l *Line) foldRelease(e Event, f *ReleaseDecided) {
	l.ensureBuild(f.Build)
	r := &Release{ReleaseDecided: *f, Stream: e.Stream, Number: len(l.Releases) + 1, Seq: e.Seq, At: e.Time}
	if f.Slot != "" {
		l.dated++
		r.Dated = l.dated
		l.Closed[f.Slot] = Closed{At: f.SlotAt, Seq: e.Seq, Build: f.Build}
	}
	l.Releases = append(l.Releases, r)
	for _, p := range l.promotions {
		if f.Request != "" && p.Request == f.Request {
			p.Met = true
		}
	}
}

func (l *Line) ensureEffect(k EffectKey) *EffectState {
	x := l.effects[k]
	if x == nil {
		x = &EffectState{}
		l.effects[k] = x
	}
	return x
}

func (l *Line) foldEffect(e Event) {
	switch f := e.Fact.(type) {
	case *EffectStarted:
		if l.foldTold(e, f.Key, false) {
			return
		}
		if x := l.ensureEffect(f.Key); f.Attempt > x.Attempt {
			x.Attempt, x.Started, x.Lease = f.Attempt, true, f.Lease
		}
	case *EffectFailed:
		if l.foldTold(e, f.Key, false) {
			return
		}
		if x := l.ensureEffect(f.Key); f.Attempt >= x.Attempt && x.Done == nil {
			x.Attempt, x.Started, x.Retry, x.LastError = f.Attempt, false, f.Retry, f.Error
		}
	case *EffectDropped:
		if l.foldTold(e, f.Key, true) {
			return
		}
		l.ensureEffect(f.Key).Dropped = &Said{By: e.Actor, At: e.Time, Seq: e.Seq, Word: f.Word}
	case *EffectDone:
		if l.foldTold(e, f.Key, true) {
			return
		}
		x := l.ensureEffect(f.Key)
		if x.Done != nil {
			return
		}
		x.Done, x.DoneAt, x.Started = f, e.Time, false
		l.foldBug(f)
		l.foldPages(f)
	case *BugObserved:
		for _, b := range l.bugs {
			if b.Tracker == f.Tracker && b.Ref == f.Ref && !f.At.Before(b.observed) {
				b.observed = f.At
				b.Open, b.WontFix = f.Open, f.WontFix && !f.Open
			}
		}
	}
}
