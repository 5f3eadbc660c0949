package release

import (
	"fmt"
	"slices"
	"time"

	"assay/reports"
)

// Policy is what the owner of a stream has decided. release/policy reads it from
// YAML and checks it whole.
type Policy struct {
	Stream Stream
	// Source is the text it was read from, for the history; nil for a policy that
	// came from no file.
	Source *PolicySet
	// Title, About and Docs are for pages and announcements.
	Title string
	About string
	Docs  []Link
	// Disclaimer says that the base is not released yet; empty if it is.
	Disclaimer string

	Artifacts []Wanted
	// Refs are the ostree refs that the stream owns: a commit of another is
	// treated as an artifact that is not listed.
	Refs []Glob
	// Unlisted is what becomes of a build's artifacts that Artifacts does not
	// name: false refuses the build, true leaves them out of the release.
	LeaveOutUnlisted bool
	Criteria         []Criterion
	Require          []Required
	Tests            Tests

	// Exactly one of the two.
	Calendar *Calendar
	Follow   *Follow
	// OnNothing is what happens when nothing passed at a release date.
	OnNothing OnNothing
	// Grace is how long tests that still run may hold up a date that would
	// otherwise be skipped.
	Grace time.Duration
	// Nightly is when a day's build has to be there, on which days; nil when
	// nobody promised one.
	Nightly *Nightly

	// Gates are further conditions of a release.
	Gates []Gate

	Overrides []Permission
	Trackers  []TrackerPolicy
	Keys      []Key
	Targets   []Target
	Announce  []Channel
	// Results are the channels that are told of each test.
	Results []Channel
}

// Gate is a condition that other policies set, such as Greenwave's. It is a
// pure function; what it returns keeps the build from being released.
type Gate interface {
	Judge(b *Build, now time.Time) []Reason
}

// Link is a page to point to.
type Link struct{ Title, URL string }

// Wanted is an artifact of the release.
type Wanted struct {
	ID ArtifactID
	// Optional artifacts are published when they passed and left out when not.
	Optional bool
}

// Criterion makes checks blocking or advisory. The last that matches counts;
// where none does, the run's own word.
type Criterion struct {
	Checks    Glob
	Artifacts Glob
	Blocking  bool
}

// Required is a check, or a family of them, that must have been answered.
type Required struct {
	Checks    Glob
	Artifacts Glob
}

// Tests says how artifacts are tested.
type Tests struct {
	// Retries is how many further attempts an undecided or lost test gets.
	Retries int
	// Timeout is how long an answer is waited for.
	Timeout time.Duration
	// LeaveOut are the labels whose checks a run may leave out and still count.
	LeaveOut []string
}

// OnNothing is the choice of R10.
type OnNothing string

// The choices.
const (
	// Retry takes the first build that passes, until the next date comes.
	Retry OnNothing = "retry"
	// Skip waits for the next date.
	Skip OnNothing = "skip"
)

// Nightly is when a build is promised for.
type Nightly struct {
	Hour, Minute int
	Zone         *time.Location
	// Days are those with a build; empty is all.
	Days []time.Weekday
}

// Permission lets people override, and says who brings in builds and answers.
// An override that no permission allows is refused; see Rights for the others.
type Permission struct {
	Users, Groups []string
	// Machines are services, by name; they have Rights and no overrides.
	Machines []Glob
	May      []Override
	// Checks narrows waivers; empty is all checks, Except takes some away.
	Checks []Glob
	Except []Glob
}

// Override is something only a person may do.
type Override string

// The overrides.
const (
	MayWaive   Override = "waive"
	MayMark    Override = "mark"
	MayBlock   Override = "block"
	MayPromote Override = "promote"
	MayRevoke  Override = "revoke"
	MayRepair  Override = "repair" // reopen dates, drop effects, ask for rebuilds
)

// Overrides lists them all.
var Overrides = []Override{MayWaive, MayMark, MayBlock, MayPromote, MayRevoke, MayRepair}

// The rights, which machines may have, too. Where a policy names nobody for
// one, all have it who can write the history at all; the stage itself always has.
const (
	MayAnnounce Override = "announce" // tell of builds, packages and failed composes
	MayAnswer   Override = "answer"   // answer test requests
)

// Rights lists them all.
var Rights = []Override{MayAnnounce, MayAnswer}

// TrackerPolicy is a tracker and what is filed there.
type TrackerPolicy struct {
	Name string
	// NoImage, Checks and Revoked say which bugs are wanted.
	NoImage, Checks, Revoked bool
	// OpenAfter and CloseAfter are how many builds in a row must have failed
	// or passed, against flapping; 1 at least.
	OpenAfter, CloseAfter int
}

// Key signs releases.
type Key struct {
	// Name is what the configuration of signers calls it.
	Name string
}

// Target is a place that releases are published to.
type Target struct {
	Name string
	// Steps are those that make sense there; empty is all.
	Steps []Step
	// AfterAnnounce targets do not hold up announcements.
	AfterAnnounce bool
}

// Channel is where releases are announced, or results told.
type Channel struct{ Name string }

// blocking says whether a check decides about an artifact.
func (p *Policy) blocking(a ArtifactID, check reports.CaseID, said bool) bool {
	for _, c := range slices.Backward(p.Criteria) {
		if c.Checks.Match(string(check)) && c.Artifacts.Match(string(a)) {
			return c.Blocking
		}
	}
	return said
}

func (p *Policy) wanted(id ArtifactID) (Wanted, bool) {
	i := slices.IndexFunc(p.Artifacts, func(w Wanted) bool { return w.ID == id })
	if i < 0 {
		return Wanted{}, false
	}
	return p.Artifacts[i], true
}

// Zone is the zone in which the stream's days begin.
func (p *Policy) Zone() *time.Location {
	switch {
	case p.Calendar != nil:
		return p.Calendar.zone()
	case p.Nightly != nil && p.Nightly.Zone != nil:
		return p.Nightly.Zone
	}
	return time.UTC
}

// may reports whether by is allowed to override so; check narrows a waiver.
func (p *Policy) may(by Actor, o Override, check reports.CaseID) error {
	if by.Kind != Person {
		return fmt.Errorf("%s is not a person, and only a person may %s", by, o)
	}
	for _, perm := range p.Overrides {
		if !slices.Contains(perm.May, o) || !perm.names(by) {
			continue
		}
		if check != "" {
			in := func(globs []Glob) bool {
				return slices.ContainsFunc(globs, func(g Glob) bool { return g.Match(string(check)) })
			}
			if len(perm.Checks) > 0 && !in(perm.Checks) || in(perm.Except) {
				continue
			}
		}
		return nil
	}
	if check != "" {
		return fmt.Errorf("the policy of %s does not let %s %s %s: somebody named under its overrides must", p.Stream, by, o, check)
	}
	return fmt.Errorf("the policy of %s does not let %s %s: somebody named under its overrides must", p.Stream, by, o)
}

func (perm *Permission) names(by Actor) bool {
	if by.Kind != Person {
		return slices.ContainsFunc(perm.Machines, func(g Glob) bool { return g.Match(by.Name) })
	}
	return slices.Contains(perm.Users, by.Name) || slices.ContainsFunc(by.Groups, func(g string) bool { return slices.Contains(perm.Groups, g) })
}

// has reports whether by has a right.
func (p *Policy) has(by Actor, right Override) error {
	if by.Kind == Self.Kind && by.Name == Self.Name {
		return nil
	}
	named := false
	for _, perm := range p.Overrides {
		if slices.Contains(perm.May, right) {
			if perm.names(by) {
				return nil
			}
			named = true
		}
	}
	if !named {
		return nil
	}
	return fmt.Errorf("the policy of %s does not let %s %s: its overrides name who may", p.Stream, by, right)
}

// LetsAnswer reports whether the policy lets somebody say what tests found.
func (p *Policy) LetsAnswer(by Actor) bool { return p.has(by, MayAnswer) == nil }

// isRebuilder refuses what only the signing build system can say.
func (p *Policy) isRebuilder(by Actor) error {
	if p.Follow == nil || !p.Follow.Rebuild || by.Kind == Service && by.Name == p.Follow.Rebuilder {
		return nil
	}
	return fmt.Errorf("rebuilds of %s come from the machine %s, and this was said by the %s %s", p.Stream, p.Follow.Rebuilder, by.Kind, by)
}

// Check refuses a policy under which a decision would make no sense.
func (p *Policy) Check() error {
	if err := p.Stream.Validate(); err != nil {
		return err
	}
	switch {
	case !slices.ContainsFunc(p.Artifacts, func(w Wanted) bool { return !w.Optional }):
		return fmt.Errorf("policy of %s: it wants no artifact, so every build would pass", p.Stream)
	case (p.Calendar == nil) == (p.Follow == nil):
		return fmt.Errorf("policy of %s: want either a calendar or a stream to follow", p.Stream)
	case p.OnNothing != Retry && p.OnNothing != Skip:
		return fmt.Errorf("policy of %s: when nothing passed, want retry or skip, not %q", p.Stream, p.OnNothing)
	case p.Calendar != nil && p.Calendar.Weeks < 1:
		return fmt.Errorf("policy of %s: a cadence of %d weeks", p.Stream, p.Calendar.Weeks)
	case p.Follow != nil && (p.Follow.Every < 1 || p.Follow.Offset < 0 || p.Follow.Stream == p.Stream):
		return fmt.Errorf("policy of %s: it cannot follow every %d. release of %s from %d on", p.Stream, p.Follow.Every, p.Follow.Stream, p.Follow.Offset)
	}
	return nil
}
