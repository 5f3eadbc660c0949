package release

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"assay/artifact"
	"assay/reports"
)

// State is what a history amounts to. It is made by NewState or NewStateAsOf and
// changed by Apply and Report alone; what it hands out is not to be modified. It
// is not safe for concurrent use.
type State struct {
	head Head
	asOf time.Time
	// seen holds the beginning of a hash of each event's id: 3,650 builds have
	// some 60,000 events, and their ids would be most of the state.
	seen     map[[16]byte]struct{}
	findings map[string]Finding
	looked   map[string]bool
	// gap is where the present run of unreadable events began, 0 outside one.
	gap     uint64
	streams map[Stream]*Line
	// lists interns the lists of checks that passed: night after night they
	// are the same.
	lists map[[32]byte]CheckList
}

// NewState is the state before the first event.
func NewState() *State {
	return &State{
		seen: map[[16]byte]struct{}{}, findings: map[string]Finding{}, looked: map[string]bool{},
		streams: map[Stream]*Line{}, lists: map[[32]byte]CheckList{},
	}
}

// NewStateAsOf is a state that leaves out what was recorded after t. The chain
// of events is still checked to its end.
func NewStateAsOf(t time.Time) *State {
	s := NewState()
	s.asOf = t
	return s
}

// Head is the end of what was folded.
func (s *State) Head() Head { return s.head }

// Has reports whether an event of this id was folded.
func (s *State) Has(id string) bool {
	_, ok := s.seen[idKey(id)]
	return ok
}

func idKey(id string) (k [16]byte) {
	sum := sha256.Sum256([]byte(id))
	copy(k[:], sum[:])
	return k
}

// Findings are what is wrong with the history and was not acknowledged, in the
// order of the history. While there is one, nothing is promoted.
func (s *State) Findings() []Finding {
	return slices.DeleteFunc(s.AllFindings(), func(f Finding) bool { return s.looked[f.Key] })
}

// AllFindings are those that a person has looked at, too.
func (s *State) AllFindings() []Finding {
	out := slices.Collect(maps.Values(s.findings))
	if s.gap > 0 {
		out = append(out, s.lost(s.head.Seq))
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Key, b.Key)) })
	return out
}

// Streams are the streams with any event, sorted.
func (s *State) Streams() []Stream { return slices.Sorted(maps.Keys(s.streams)) }

// Line is one stream's part of the state; never nil.
func (s *State) Line(name Stream) *Line {
	if l := s.streams[name]; l != nil {
		return l
	}
	return newLine(name)
}

// Line is what the history says of one stream.
type Line struct {
	Stream Stream
	// Block is the block in force, nil if there is none.
	Block *Said
	// Blocks are all that there were, in the order of the history.
	Blocks []*Block
	// Policy is the one that was set last, nil if none was.
	Policy *InForce
	// Releases are all that were decided, in the order of the history.
	Releases []*Release
	// Closed are the slots that have had their release or were skipped.
	Closed map[SlotID]Closed
	// Failures are composes that made no image, oldest first.
	Failures []ComposeFailure

	builds     []*Build // by number, oldest first
	byID       map[BuildID]*Build
	composes   map[string]BuildID
	waivers    map[string]*Waiver
	promotions []*Promotion
	rebuilds   map[rebuildKey]*Rebuild
	effects    map[EffectKey]*EffectState
	bugs       map[bugKey]*Bug
	missing    map[string]bool
	// dated counts the releases that had a slot.
	dated int
	// out is the release that is out, cause the event that made it so; turns
	// are both for all times, oldest first.
	out   *Release
	cause uint64
	turns []Turn
	// pages is what each target's pages were last known to say.
	pages map[string]pagesNote
	// retirements are in the order of the history.
	retirements []retirement
	// news is what there is to say of tests, in the order of the history; told how
	// far each channel was told.
	news []TestNews
	told map[string]uint64
}

// Turn is a time during which one release was out, or none.
type Turn struct {
	// Release is nil while nothing was out.
	Release *Release
	// Cause is the event that began it, At when.
	Cause uint64
	At    time.Time
	// Revoked is the revocation that it followed from; nil when it is simply
	// the last release.
	Revoked *Release
}

func newLine(name Stream) *Line {
	return &Line{
		Stream: name, Closed: map[SlotID]Closed{}, byID: map[BuildID]*Build{}, composes: map[string]BuildID{},
		waivers: map[string]*Waiver{}, rebuilds: map[rebuildKey]*Rebuild{}, effects: map[EffectKey]*EffectState{},
		bugs: map[bugKey]*Bug{}, missing: map[string]bool{}, pages: map[string]pagesNote{}, told: map[string]uint64{},
	}
}

// Said is something an actor said, and when.
type Said struct {
	By  Actor     `json:"by"`
	At  time.Time `json:"at"`
	Seq uint64    `json:"seq"`
	Word
}

func (s *Said) String() string {
	out := fmt.Sprintf("%s, %s: %s", s.By, s.At.Format("2006-01-02 15:04 MST"), reports.Line(s.Reason, 400))
	if s.Tracker != "" {
		out += " (" + reports.Line(s.Tracker, 200) + ")"
	}
	return out
}

// Block is a time in which nothing was released by somebody's word.
type Block struct {
	Said
	// Ended is by whom, when and why it was taken away; nil while it is in force.
	Ended *Said
}

// Marking is what somebody said of a whole build.
type Marking struct {
	Said
	Mark Mark
}

// Build is one build, as far as it is known.
type Build struct {
	Stream Stream
	ID     BuildID
	// Compose is the upstream's name of it, empty if there is none.
	Compose string
	Created time.Time
	// Seen is when it was first announced; zero for a build that only other
	// events speak of.
	Seen      time.Time
	Artifacts []*BuildArtifact // sorted by ID
	Commits   []Commit
	From      *BuildRef
	Rebuild   int
	// By are who announced it or parts of it, by kind and name.
	By []Actor
	// Contradiction says how announcements of this build differ; such a build
	// is not released.
	Contradiction string
	// Marked is the last mark; MarkedBad whether it is "bad".
	Marked    *Said
	MarkedBad bool
	// Marks are all that were said, in the order of the history.
	Marks []Marking
	// Revoked is set while the build must not be released again.
	Revoked *Said
	// Lifted are those who took a revocation away.
	Lifted  []*Said
	Waivers []*Waiver

	packages map[artifact.Arch]uint64
}

// Artifact finds one by its id; nil if the build has none such.
func (b *Build) Artifact(id ArtifactID) *BuildArtifact {
	for _, a := range b.Artifacts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// Holds reports whether all of a part was announced before. A nil Build holds
// nothing.
func (b *Build) Holds(part *BuildSeen) bool {
	if b == nil || b.Seen.IsZero() || b.Compose != part.Compose || b.Rebuild != part.Rebuild || (b.From == nil) != (part.From == nil) || b.From != nil && *b.From != *part.From {
		return false
	}
	for _, a := range part.Artifacts {
		if have := b.Artifact(a.ID); have == nil || have.Artifact != a {
			return false
		}
	}
	return !slices.ContainsFunc(part.Commits, func(c Commit) bool { return !slices.Contains(b.Commits, c) })
}

// PackagesAt is the Seq of the packages.listed event for an architecture, 0 if
// there is none.
func (b *Build) PackagesAt(arch artifact.Arch) uint64 { return b.packages[arch] }

// BuildArtifact is one artifact of a build and how its tests stand.
type BuildArtifact struct {
	Artifact
	// Known is false while only tests speak of it.
	Known bool
	// Attempt is the highest attempt that was asked for; 0 is none. An answer
	// to any other does not count.
	Attempt  int
	AskedAt  time.Time
	Deadline time.Time
	// answers are the first to each attempt from Attempt on.
	answers map[int]answered
}

// answered is an answer, and when the history heard it.
type answered struct {
	*TestAnswered
	at time.Time
}

// Answer is the one that counts, nil while there is none.
func (a *BuildArtifact) Answer() *TestAnswered {
	if a.Attempt == 0 {
		return nil
	}
	return a.answers[a.Attempt].TestAnswered
}

// AnsweredAt is when the stage was told the answer that counts, by its own clock;
// the zero time while there is none.
func (a *BuildArtifact) AnsweredAt() time.Time {
	if a.Attempt == 0 {
		return time.Time{}
	}
	return a.answers[a.Attempt].at
}

// AnswerTo is the first answer to an attempt, for telling a worker that it lost.
func (a *BuildArtifact) AnswerTo(attempt int) *TestAnswered {
	return a.answers[attempt].TestAnswered
}

// Waiver is a waiver and its end.
type Waiver struct {
	CheckWaived
	By        Actor
	At        time.Time
	Withdrawn *Said
}

// Counts reports whether it is in force at now.
func (w *Waiver) Counts(now time.Time) bool { return w.Withdrawn == nil && now.Before(w.Expires) }

func (w *Waiver) covers(a ArtifactID, check reports.CaseID) bool {
	return w.Check == check && (w.Artifact == "" || w.Artifact == a)
}

// Promotion is a person's request and what became of it.
type Promotion struct {
	PromotionRequested
	By        Actor
	At        time.Time
	Withdrawn *Said
	Met       bool
	// Lapsed is set when what is out changed: the request was made in view of
	// another release.
	Lapsed bool
}

// Release is one decided release.
type Release struct {
	ReleaseDecided
	Stream Stream `json:"stream"`
	// Number counts the stream's releases from 1; Dated those with a slot, 0
	// for one without.
	Number  int       `json:"number"`
	Dated   int       `json:"dated,omitempty"`
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Revoked *Said     `json:"revoked,omitempty"`
}

// Closed says how a slot ended.
type Closed struct {
	At      time.Time // the slot's own moment, as recorded
	Seq     uint64
	Build   BuildID // empty when skipped
	Reasons []string
}

// ComposeFailure is a compose that made no image, or a day without one.
type ComposeFailure struct {
	BuildFailed
	// Missing is true when there was not even a compose.
	Missing bool
	Seq     uint64
}

type rebuildKey struct {
	from   BuildRef
	number int
}

// Rebuild is a request to the signing build system and its answer.
type Rebuild struct {
	RebuildRequested
	Asked  bool // false while only an answer speaks of it
	At     time.Time
	Failed *RebuildFailed
}

// EffectState is how far an effect has come.
type EffectState struct {
	Attempt   int
	Started   bool // an attempt began and has not ended
	Lease     time.Time
	Retry     time.Time
	LastError string
	Done      *EffectDone
	DoneAt    time.Time
	Dropped   *Said
}

type bugKey struct {
	tracker string
	subject Subject
}

// Bug is what is known of a bug this stage filed.
type Bug struct {
	Tracker string  `json:"tracker"`
	Subject Subject `json:"subject"`
	Ref     string  `json:"ref"`
	URL     string  `json:"url,omitempty"`
	Open    bool    `json:"open"`
	WontFix bool    `json:"wont_fix,omitempty"`
	// Ours is true when the stage closed it.
	Ours bool `json:"-"`
	// Print is what it says; Changes how often it was changed.
	Print    string `json:"-"`
	FirstBad string `json:"first_bad,omitempty"`
	Changes  int    `json:"-"`
	observed time.Time
}

// Build finds a build; nil if no event speaks of it.
func (l *Line) Build(id BuildID) *Build { return l.byID[id] }

// Builds yields the builds from the newest number to the oldest.
func (l *Line) Builds() iter.Seq[*Build] {
	return func(yield func(*Build) bool) {
		for _, b := range slices.Backward(l.builds) {
			if !yield(b) {
				return
			}
		}
	}
}

// ByCompose finds the build of an upstream compose.
func (l *Line) ByCompose(compose string) *Build { return l.byID[l.composes[compose]] }

// NextBuildID numbers a new build of a day: the build that compose already has,
// or else the first number that no event has spoken of. Record it with Update,
// so that no two composes get one number.
func (l *Line) NextBuildID(compose string, day time.Time) BuildID {
	if b := l.ByCompose(compose); compose != "" && b != nil {
		return b.ID
	}
	n := 1
	for l.byID[NewBuildID(day, n)] != nil {
		n++
	}
	return NewBuildID(day, n)
}

// Out is the release that readers should be given: the last that was decided.
// Once that was revoked it is the last before it of which nothing bad is known:
// neither revoked, nor marked bad, nor contradicted. It is nil when there is none.
func (l *Line) Out() *Release { return l.out }

// Turns are what was out, one after the other, oldest first; the last is Out's.
func (l *Line) Turns() []Turn { return l.turns }

// WasOut is from when to when a release was out; until is zero while it is, and
// both are when it never was.
func (l *Line) WasOut(r *Release) (since, until time.Time) {
	for i, t := range l.turns {
		if t.Release != r {
			continue
		}
		if since.IsZero() {
			since = t.At
		}
		until = time.Time{}
		if i+1 < len(l.turns) {
			until = l.turns[i+1].At
		}
	}
	return since, until
}

// fallback is Out from the releases themselves.
func (l *Line) fallback() *Release {
	for i, r := range slices.Backward(l.Releases) {
		if r.Revoked != nil {
			continue
		}
		b := l.byID[r.Build]
		if i == len(l.Releases)-1 || b.Revoked == nil && !b.MarkedBad && b.Contradiction == "" {
			return r
		}
	}
	return nil
}

// ManifestArch is the architecture whose packages stand for a release where it is
// announced and shown: x86_64 if it has that.
func (r *Release) ManifestArch() artifact.Arch {
	for _, t := range r.Artifacts {
		if t.Artifact.Arch() == artifact.X8664 {
			return artifact.X8664
		}
	}
	return r.Artifacts[0].Artifact.Arch()
}

// LastRevoked is the latest revocation among the releases after Out; nil when
// Out is simply the last release.
func (l *Line) LastRevoked() *Release {
	var last *Release
	for _, r := range slices.Backward(l.Releases) {
		if r == l.out {
			break
		}
		if r.Revoked != nil && (last == nil || r.Revoked.Seq > last.Revoked.Seq) {
			last = r
		}
	}
	return last
}

// Promotions are the requests that still stand, oldest first.
func (l *Line) Promotions() []*Promotion {
	var out []*Promotion
	for _, p := range l.promotions {
		if p.Withdrawn == nil && !p.Met && !p.Lapsed {
			out = append(out, p)
		}
	}
	return out
}

// Waiver finds a waiver by its name.
func (l *Line) Waiver(name string) *Waiver { return l.waivers[name] }

// Effect is how far an effect has come; never nil.
func (l *Line) Effect(k EffectKey) *EffectState {
	if e := l.effects[k]; e != nil {
		return e
	}
	return &EffectState{}
}

// Bug is the bug of a subject in a tracker, nil if none was filed.
func (l *Line) Bug(tracker string, subject Subject) *Bug { return l.bugs[bugKey{tracker, subject}] }

// Bugs are all that were filed, sorted by tracker and subject.
func (l *Line) Bugs() []*Bug {
	return slices.SortedFunc(maps.Values(l.bugs), func(a, b *Bug) int {
		return cmp.Or(cmp.Compare(a.Tracker, b.Tracker), cmp.Compare(a.Subject, b.Subject))
	})
}

// Rebuilds are the requests for one upstream build, by number.
func (l *Line) Rebuilds(from BuildRef) []*Rebuild {
	var out []*Rebuild
	for k, r := range l.rebuilds {
		if k.from == from && r.Asked {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *Rebuild) int { return a.Number - b.Number })
	return out
}
