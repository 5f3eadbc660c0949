package release

import (
	"time"

	"assay/artifact"
	"assay/reports"
)

// vocabulary is every event this program knows. Where a field changes its
// meaning or goes away the version rises, and the old one needs a reader of its
// own; new fields do not raise it.
var vocabulary = map[Type]struct {
	version   int
	perStream bool
	make      func() Fact
	tells     string
}{
	"history.opened":       {1, false, func() Fact { return new(HistoryOpened) }, "a history begins"},
	"history.acknowledged": {1, false, func() Fact { return new(HistoryAcknowledged) }, "a person has looked at what is wrong with the history"},

	"policy.set": {1, true, func() Fact { return new(PolicySet) }, "the policy by which the stream is released from now on"},

	"build.seen":      {1, true, func() Fact { return new(BuildSeen) }, "a build, or a part of it, was made"},
	"build.failed":    {1, true, func() Fact { return new(BuildFailed) }, "a compose ended without images"},
	"build.missing":   {1, true, func() Fact { return new(BuildMissing) }, "the day's build did not come in time"},
	"packages.listed": {1, true, func() Fact { return new(PackagesListed) }, "the packages in a build"},

	"test.requested": {1, true, func() Fact { return new(TestRequested) }, "an artifact is to be tested"},
	"test.answered":  {1, true, func() Fact { return new(TestAnswered) }, "a worker's answer to a test request"},

	"check.waived":        {1, true, func() Fact { return new(CheckWaived) }, "a person lets a build pass in spite of one check"},
	"waiver.withdrawn":    {1, true, func() Fact { return new(WaiverWithdrawn) }, "a waiver no longer counts"},
	"build.marked":        {1, true, func() Fact { return new(BuildMarked) }, "a person says that a build is bad, or good after all"},
	"stream.blocked":      {1, true, func() Fact { return new(StreamBlocked) }, "nothing of the stream is released"},
	"stream.unblocked":    {1, true, func() Fact { return new(StreamUnblocked) }, "the stream is released again"},
	"promotion.requested": {1, true, func() Fact { return new(PromotionRequested) }, "a person wants one build released now"},
	"promotion.withdrawn": {1, true, func() Fact { return new(PromotionWithdrawn) }, "a promotion is no longer wanted"},

	"release.decided":   {1, true, func() Fact { return new(ReleaseDecided) }, "a build is the release"},
	"release.revoked":   {1, true, func() Fact { return new(ReleaseRevoked) }, "a release is taken back"},
	"releases.retired":  {1, true, func() Fact { return new(ReleasesRetired) }, "a target need not keep the files of old releases"},
	"revocation.lifted": {1, true, func() Fact { return new(RevocationLifted) }, "a revoked build may be released again"},
	"slot.skipped":      {1, true, func() Fact { return new(SlotSkipped) }, "a release date passes without a release"},
	"slots.reopened":    {1, true, func() Fact { return new(SlotsReopened) }, "release dates closed by a wrong clock count again"},
	"rebuild.requested": {1, true, func() Fact { return new(RebuildRequested) }, "the signing build system is to build again"},
	"rebuild.failed":    {1, true, func() Fact { return new(RebuildFailed) }, "the signing build system made nothing"},

	"effect.started": {1, true, func() Fact { return new(EffectStarted) }, "an adapter begins with an effect"},
	"effect.done":    {1, true, func() Fact { return new(EffectDone) }, "an effect has happened"},
	"effect.failed":  {1, true, func() Fact { return new(EffectFailed) }, "an effect has not happened, and waits"},
	"effect.dropped": {1, true, func() Fact { return new(EffectDropped) }, "an effect will not happen, by a person's word"},
	"bug.observed":   {1, true, func() Fact { return new(BugObserved) }, "a bug has changed in its tracker"},
}

// Types lists every event type this program knows, with a few words about each.
func Types() map[Type]string {
	out := map[Type]string{}
	for t, v := range vocabulary {
		out[t] = v.tells
	}
	return out
}

// HistoryOpened is the first event of every history.
type HistoryOpened struct {
	// History is a random name that tells this history from all others.
	History string `json:"history"`
}

// HistoryAcknowledged lists findings that a person has looked at. They no
// longer keep anything from being promoted; damage found later has other keys.
type HistoryAcknowledged struct {
	Findings []Finding `json:"findings"`
	Reason   string    `json:"reason"`
}

// PolicySet is the policy of a stream from here on, whole, so that what was
// decided by it can be decided again when the file has long changed.
type PolicySet struct {
	// Digest is PolicyDigest of the rest.
	Digest artifact.Digest `json:"digest"`
	// Text is the policy file as it was read.
	Text string `json:"text"`
	// Files are those that it names, in the order of their names.
	Files []PolicyFile `json:"files,omitempty"`
}

// PolicyFile is a file that a policy names.
type PolicyFile struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// BuildSeen announces a build. Several of one Build add up: each architecture
// may come in a message of its own. A part that contradicts an earlier one
// keeps the build from being released for ever.
type BuildSeen struct {
	Build BuildID `json:"build"`
	// Compose is the upstream's name of it: "Fedora-43-20261121.n.0".
	Compose string    `json:"compose,omitempty"`
	Created time.Time `json:"created"`
	// Artifacts are the files, each at most once.
	Artifacts []Artifact `json:"artifacts,omitempty"`
	// Commits are the ostree commits the images were made from.
	Commits []Commit `json:"commits,omitempty"`
	// From is the upstream build that this one was rebuilt from.
	From *BuildRef `json:"from,omitempty"`
	// Rebuild is the number of the rebuild request that this build answers.
	Rebuild int `json:"rebuild,omitempty"`
}

// Artifact is one file of a build.
type Artifact struct {
	ID ArtifactID `json:"id"`
	// Name is the file's name, without a folder.
	Name string `json:"name"`
	// Location is where it can be had: a URL or an absolute path.
	Location string          `json:"location"`
	Digest   artifact.Digest `json:"digest"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// Uncompressed is the digest of the disk image within, where known.
	Uncompressed artifact.Digest `json:"uncompressed,omitempty"`
}

// Commit is an ostree commit of a build.
type Commit struct {
	Arch artifact.Arch `json:"arch"`
	Ref  string        `json:"ref"`
	// Checksum is 64 hexadecimal digits.
	Checksum string `json:"checksum"`
	// Repo is the repository that has it: a URL or an absolute path.
	Repo    string `json:"repo,omitempty"`
	Version string `json:"version,omitempty"`
}

// BuildRef names a build of any stream.
type BuildRef struct {
	Stream Stream  `json:"stream"`
	Build  BuildID `json:"build"`
}

func (r BuildRef) String() string { return string(r.Stream) + " " + string(r.Build) }

// BuildFailed tells of a compose that made no images.
type BuildFailed struct {
	Compose string `json:"compose"`
	// Status is the upstream's word: "DOOMED".
	Status string    `json:"status"`
	Ended  time.Time `json:"ended"`
	Reason string    `json:"reason,omitempty"`
	Log    string    `json:"log,omitempty"`
}

// BuildMissing notes that no build was made on a day that should have had one.
type BuildMissing struct {
	// Date is YYYY-MM-DD in the stream's zone.
	Date string `json:"date"`
	// Due is when it should have been there.
	Due time.Time `json:"due"`
}

// PackagesListed is the package manifest of a build. State keeps only where it
// stands; see State.PackagesAt.
type PackagesListed struct {
	Build BuildID       `json:"build"`
	Arch  artifact.Arch `json:"arch"`
	// Packages are "name-[epoch:]version-release.arch", sorted.
	Packages []string `json:"packages"`
}

// TestRequested asks for a test. It is the message that a worker pulls.
type TestRequested struct {
	Build    BuildID    `json:"build"`
	Artifact ArtifactID `json:"artifact"`
	// Digest is of the bytes to test.
	Digest artifact.Digest `json:"digest"`
	// Attempt counts from 1. The highest is the one that counts.
	Attempt int `json:"attempt"`
	// Deadline is when the stage stops waiting for the answer.
	Deadline time.Time `json:"deadline"`
}

// TestAnswered is a worker's answer. The first answer to the highest attempt
// counts; others lose.
type TestAnswered struct {
	Build    BuildID    `json:"build"`
	Artifact ArtifactID `json:"artifact"`
	Attempt  int        `json:"attempt"`
	// Digest is of the bytes that were tested.
	Digest  artifact.Digest `json:"digest"`
	Verdict reports.Verdict `json:"verdict"`
	Reason  string          `json:"reason,omitempty"`
	// Harsher means that the verdict does not follow from the cases alone: the
	// run was interrupted, was of a selection of checks, or says so by itself.
	Harsher bool `json:"harsher,omitempty"`
	// LeftOut are labels, as "!slow", whose checks the run left out.
	LeftOut []string `json:"left_out,omitempty"`
	// Run is the id of the run, Results where its folder can be had.
	Run      string    `json:"run"`
	Results  string    `json:"results,omitempty"`
	Finished time.Time `json:"finished"`
	// OSTreeCommit is what the guest said it had booted, empty when it said
	// nothing of the kind.
	OSTreeCommit string `json:"ostree_commit,omitempty"`
	// Passed are the blocking checks that passed, PassedAdvisory the others
	// that did. Most checks pass, and a list of names is short.
	Passed         CheckList `json:"passed,omitempty"`
	PassedAdvisory CheckList `json:"passed_advisory,omitempty"`
	// Cases are all that did not pass.
	Cases []Case `json:"cases,omitempty"`
	// Empty names criteria without any case.
	Empty []string `json:"empty,omitempty"`
}

// Case is a check that did not pass; the words are those of reports.
type Case struct {
	Check    reports.CaseID  `json:"check"`
	Outcome  reports.Outcome `json:"outcome"`
	Fault    reports.Fault   `json:"fault,omitempty"`
	Blocking bool            `json:"blocking,omitempty"`
	// Inapplicable: see reports.Case.
	Inapplicable bool   `json:"inapplicable,omitempty"`
	Message      string `json:"message,omitempty"`
	// Known is the known-failure entry that covers it.
	Known *reports.Known `json:"known,omitempty"`
	// Replay runs just this check again; Evidence are paths beside Results.
	Replay   string   `json:"replay,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
	Excerpt  string   `json:"excerpt,omitempty"`
}

// Word is what a person gives with every override.
type Word struct {
	Reason string `json:"reason"`
	// Tracker links to where it is discussed.
	Tracker string `json:"tracker,omitempty"`
}

// CheckWaived lets one build pass in spite of one check.
type CheckWaived struct {
	// Waiver names it, for withdrawal: unique in its stream.
	Waiver string  `json:"waiver"`
	Build  BuildID `json:"build"`
	// Check is one check; no patterns.
	Check reports.CaseID `json:"check"`
	// Artifact narrows it to one artifact; empty is all of the build.
	Artifact ArtifactID `json:"artifact,omitempty"`
	Word
	// Expires is the first moment at which it no longer counts.
	Expires time.Time `json:"expires"`
	// Forced waives although the test still runs.
	Forced bool `json:"forced,omitempty"`
	// ProductVersion is the one that it was filed for elsewhere: gates of others do
	// not count it. Empty is all.
	ProductVersion string `json:"product_version,omitempty"`
}

// WaiverWithdrawn ends a waiver before its time.
type WaiverWithdrawn struct {
	Waiver string `json:"waiver"`
	Word
}

// Mark is a person's judgement of a whole build.
type Mark string

// The marks. Good takes a bad mark away; it waives nothing.
const (
	MarkBad  Mark = "bad"
	MarkGood Mark = "good"
)

// BuildMarked is the last word on a build until the next.
type BuildMarked struct {
	Build BuildID `json:"build"`
	Mark  Mark    `json:"mark"`
	Word
}

// StreamBlocked stops all releases of the stream.
type StreamBlocked struct{ Word }

// StreamUnblocked takes the block away.
type StreamUnblocked struct{ Word }

// PromotionRequested asks for the release of one build now, outside the
// cadence. The build still has to pass.
type PromotionRequested struct {
	// Request names it, for withdrawal: unique in its stream.
	Request string  `json:"request"`
	Build   BuildID `json:"build"`
	Word
	// Older allows a build older than the one that is out.
	Older bool `json:"older,omitempty"`
}

// PromotionWithdrawn ends a request that was not met yet.
type PromotionWithdrawn struct {
	Request string `json:"request"`
	Word
}

// ReleaseDecided makes a build the release. Publishing follows from it.
type ReleaseDecided struct {
	Build BuildID `json:"build"`
	// Slot is the release date it was made for; empty when out of band.
	Slot SlotID `json:"slot,omitempty"`
	// SlotAt is when that date began.
	SlotAt time.Time `json:"slot_at,omitzero"`
	// Request is the person's request it meets, if any.
	Request string `json:"request,omitempty"`
	// Previous is the build that was out before, if any.
	Previous BuildID `json:"previous,omitempty"`
	// Policy is the digest of the policy it was decided by; see PolicySet. It is
	// empty where the policy came from no file.
	Policy artifact.Digest `json:"policy,omitempty"`
	// Artifacts are what is published, and nothing else is.
	Artifacts []Tested `json:"artifacts"`
	// Commits are the ostree commits that are signed and published, and no
	// others are: those that the tests booted.
	Commits []Commit `json:"commits,omitempty"`
	// Waivers are those that it needed.
	Waivers []string `json:"waivers,omitempty"`
	// Reasons say why, for a person.
	Reasons []string `json:"reasons"`
}

// Tested pairs an artifact with the digest that was tested.
type Tested struct {
	Artifact ArtifactID      `json:"artifact"`
	Digest   artifact.Digest `json:"digest"`
}

// ReleaseRevoked takes a release back. The one before is the release again, and
// the build is not released again unless the revocation is lifted.
type ReleaseRevoked struct {
	Build BuildID `json:"build"`
	Word
}

// RevocationLifted lets a revoked build be released again.
type RevocationLifted struct {
	Build BuildID `json:"build"`
	Word
}

// SlotSkipped closes a release date without a release.
type SlotSkipped struct {
	Slot SlotID    `json:"slot"`
	At   time.Time `json:"at"`
	// Policy is the digest of the policy it was decided by; see ReleaseDecided.
	Policy  artifact.Digest `json:"policy,omitempty"`
	Reasons []string        `json:"reasons"`
}

// SlotsReopened forgets which dates after a moment were closed: a clock that
// ran ahead closed them.
type SlotsReopened struct {
	After time.Time `json:"after"`
	Word
}

// RebuildRequested asks the signing build system for a build of the same
// content, signed.
type RebuildRequested struct {
	Slot SlotID   `json:"slot"`
	From BuildRef `json:"from"`
	// Number counts the requests for one slot and upstream build, from 1.
	Number int `json:"number"`
	// Word is why it is asked for again; empty in the first request.
	Word
}

// RebuildFailed is the signing build system's refusal.
type RebuildFailed struct {
	From   BuildRef `json:"from"`
	Number int      `json:"number"`
	Reason string   `json:"reason"`
	Log    string   `json:"log,omitempty"`
}

// EffectStarted is written before an adapter begins, so that after a crash the
// next one knows to look whether it happened.
type EffectStarted struct {
	Key     EffectKey `json:"key"`
	Attempt int       `json:"attempt"`
	// Lease is when another may try, if neither end is reported.
	Lease time.Time `json:"lease"`
}

// EffectDone is written once the effect is certain.
type EffectDone struct {
	Key     EffectKey  `json:"key"`
	Attempt int        `json:"attempt"`
	Kind    EffectKind `json:"kind"`
	// Ref is the adapter's handle on what it made: a bug's number, a message id.
	Ref string `json:"ref,omitempty"`
	// URL is where a person can see it.
	URL string `json:"url,omitempty"`
	// Bug is set for effects on bugs.
	Bug *BugNote `json:"bug,omitempty"`
	// Files are what was made: signatures, checksum files.
	Files []File `json:"files,omitempty"`
	// Pages is the fingerprint of what the pages of a target say now.
	Pages string `json:"pages,omitempty"`
	// Commits are the ostree commits that readers of a target are given.
	Commits []Commit `json:"commits,omitempty"`
}

// BugNote is what an effect left behind in a tracker.
type BugNote struct {
	Tracker string  `json:"tracker"`
	Subject Subject `json:"subject"`
	// Print is the fingerprint of what the bug says now.
	Print string `json:"print,omitempty"`
	// FirstBad is the build that began it.
	FirstBad string `json:"first_bad,omitempty"`
}

// File is something that a signer or publisher made.
type File struct {
	Name   string          `json:"name"`
	Digest artifact.Digest `json:"digest"`
	// Location is where the next step finds it.
	Location string `json:"location,omitempty"`
}

// EffectFailed is written when an attempt ended without the effect.
type EffectFailed struct {
	Key     EffectKey `json:"key"`
	Attempt int       `json:"attempt"`
	Error   string    `json:"error"`
	// Retry is when to try again.
	Retry time.Time `json:"retry"`
}

// EffectDropped gives an effect up.
type EffectDropped struct {
	Key EffectKey `json:"key"`
	Word
}

// BugObserved tells what people did to a bug.
type BugObserved struct {
	Tracker string `json:"tracker"`
	// Ref is the bug's number in the tracker.
	Ref  string `json:"ref"`
	Open bool   `json:"open"`
	// WontFix means that a person closed it and wants no more of it.
	WontFix bool      `json:"wont_fix,omitempty"`
	At      time.Time `json:"at"`
}
