package release

import (
	"context"
	"errors"
	"time"
)

// EffectKey names one effect for ever. It is derived from the state alone, so
// that two processes, or one before and after a crash, mean the same thing.
type EffectKey string

// EffectKind says which interface does it.
type EffectKind string

// The kinds of effects.
const (
	EffectBug      EffectKind = "bug"      // Tracker
	EffectSign     EffectKind = "sign"     // Signer
	EffectPublish  EffectKind = "publish"  // Publisher
	EffectAnnounce EffectKind = "announce" // Announcer
	EffectRebuild  EffectKind = "rebuild"  // Rebuilder
	EffectResult   EffectKind = "result"   // Teller
)

// Effect is something the world outside is owed. Exactly one of the pointers is
// set, by Kind.
type Effect struct {
	Key    EffectKey
	Kind   EffectKind
	Stream Stream
	// Target is the name, in the policy, of the adapter that does it.
	Target string
	// Due is when to try: the past unless an attempt failed or is under way.
	Due time.Time
	// Ready is Due but for attempts of other effects on the target that were
	// begun and did not end: where nobody else can be at work, they are dead.
	Ready time.Time
	// Attempt is the number of the attempt to make, from 1.
	Attempt int
	// Unsure is true when an earlier attempt began and nothing says how it
	// ended: the effect may have happened.
	Unsure bool
	// LastError is why the last attempt failed.
	LastError string

	Bug      *BugWork
	Sign     *SignWork
	Publish  *PublishWork
	Announce *AnnounceWork
	Rebuild  *RebuildRequested
	Result   *ResultWork
}

// ErrPermanent wraps errors that no later attempt mends, such as a revoked
// token: the next attempt waits for the longest time, and a person is told.
var ErrPermanent = errors.New("will not mend by itself")

// Patient is an error of an adapter that was told to stay away for a while. The
// next attempt is not made before, if it was a day at most.
type Patient interface {
	error
	// RetryAfter is zero when nothing was said.
	RetryAfter() time.Duration
}

// maxPatience bounds what a service may ask for.
const maxPatience = 24 * time.Hour

// BackoffAfter is how long after an attempt that failed with err the next is
// made.
func BackoffAfter(err error, attempt int) time.Duration {
	wait := Backoff(attempt)
	if errors.Is(err, ErrPermanent) {
		wait = Backoff(1 << 20)
	}
	var p Patient
	if errors.As(err, &p) {
		wait = max(wait, min(p.RetryAfter(), maxPatience))
	}
	return wait
}

// Receipt is what an adapter reports of an effect that has happened.
type Receipt struct {
	Ref   string
	URL   string
	Files []File
	// Commits are the ostree commits that readers get, when a publisher's
	// pointer names others than those that were tested.
	Commits []Commit
}

// Done is the fact that an effect has happened, with what its adapter reports.
func (e Effect) Done(r Receipt) *EffectDone {
	f := &EffectDone{Key: e.Key, Attempt: e.Attempt, Kind: e.Kind, Ref: r.Ref, URL: r.URL, Files: r.Files, Commits: r.Commits}
	if e.Bug != nil {
		f.Bug = &BugNote{Tracker: e.Target, Subject: e.Bug.Subject, Print: e.Bug.Print, FirstBad: e.Bug.FirstBad}
	}
	if e.Publish != nil {
		f.Pages = e.Publish.Pages
	}
	return f
}

// Performer does effects of one kind for one target. Every adapter is one.
//
// Do returns once the effect is certain, and is safe to call again for one
// Effect.Key: after a crash the same effect comes with Unsure set, and the
// adapter first looks whether it is there (a marker in the bug, a Message-ID,
// the published digest). It returns within ctx's deadline. Several calls for
// one target never overlap.
type Performer interface {
	Do(ctx context.Context, e Effect) (Receipt, error)
}

// Tracker files, changes and closes bugs; e.Bug says which. Receipt.Ref is the
// bug's number, Receipt.URL its page.
type Tracker interface {
	Performer
	// Bugs reports the present state of bugs this stage has filed, so that
	// what people did to them is respected. Refs it does not find are left out.
	Bugs(ctx context.Context, refs []string) ([]BugObserved, error)
}

// Signer signs what e.Sign lists and verifies the signatures with the public
// key alone before it returns. Receipt.Files are the signatures and signed
// checksum files.
type Signer interface{ Performer }

// Publisher takes one step towards a release at one target; see PublishWork.
type Publisher interface{ Performer }

// Announcer tells people and machines of a release or a revocation.
type Announcer interface{ Performer }

// Rebuilder hands a rebuild request to the signing build system. The answer
// comes as a build.seen or rebuild.failed event.
type Rebuilder interface{ Performer }

// Teller tells others of a test that was asked for, or of what it found.
type Teller interface{ Performer }

// Subject is what a bug is about: "no-image", "check:CRITERION/CHECK",
// "revoked:BUILD". One bug per tracker, stream and subject is open at a time.
type Subject string

// SubjectNoImage is the bug of composes that made no image.
const SubjectNoImage Subject = "no-image"

// BugAction is what is to happen to a bug.
type BugAction string

// The actions. BugOpen opens a new bug only when there is none for the subject;
// BugReopen reopens Ref.
const (
	BugOpen    BugAction = "open"
	BugComment BugAction = "comment"
	BugClose   BugAction = "close"
	BugReopen  BugAction = "reopen"
)

// BugWork is everything a bug's text needs. Texts come from guests and from
// other systems: the adapter renders them as plain text.
type BugWork struct {
	Action  BugAction
	Subject Subject
	// Ref is the bug to change; empty for BugOpen.
	Ref string
	// Title is one line.
	Title string
	// Check and the failures, for a check's bug.
	Failures []Failure
	// FirstBad and LastGood are builds or compose ids; empty when unknown.
	FirstBad string
	LastGood string
	// Now is the build that the comment or the closing is about.
	Now string
	// Text is the rest, for a person.
	Text string
	// Print is the fingerprint of what the bug will say; see BugNote.
	Print string
	// Packages are where the manifests of LastGood and FirstBad stand in the
	// history, for the package differences; zero when unknown.
	PackagesGood, PackagesBad uint64
}

// Failure is a check that failed on one artifact.
type Failure struct {
	Artifact ArtifactID
	Case     Case
	Results  string
}

// SignWork is what is signed for a release.
type SignWork struct {
	Build     BuildID
	Key       string
	Artifacts []Artifact
	Commits   []Commit
	// Answers are the test results, for the attestation.
	Answers []TestAnswered
}

// Step is one step of publishing at one target. Steps are taken in the order
// of PublishSteps; readers see the old release until StepPointer.
type Step string

// The steps of publishing.
const (
	// StepStage copies images, checksum files and signatures to where no
	// reader looks, and verifies digests and signatures there.
	StepStage Step = "stage"
	// StepObjects makes the ostree objects and static deltas available.
	StepObjects Step = "objects"
	// StepRefs moves refs, then the summary and its signature.
	StepRefs Step = "refs"
	// StepImages puts the staged files at their public place.
	StepImages Step = "images"
	// StepPointer switches stream metadata and pages: the release is out.
	StepPointer Step = "pointer"
	// StepPages is no step of a release: it makes pages and metadata anew beside
	// the pointer that is there.
	StepPages Step = "pages"
	// StepRetire is no step of a release: it removes what is not kept any more.
	StepRetire Step = "retire"
)

// PublishSteps is the order that is safe to stop at any line.
var PublishSteps = []Step{StepStage, StepObjects, StepRefs, StepImages, StepPointer}

// PublishWork is one step for one release. After a revocation the release
// before is published again, all steps: those that find their work done return
// at once.
type PublishWork struct {
	Step    Step
	Release Release
	// Build is what the release is of, with its artifacts and commits.
	Build *Build
	// Signed are the files that the signers made.
	Signed []File
	// Fallback is true when this release is out again because a later one was
	// revoked; Revoked is that one.
	Fallback bool
	Revoked  *Release
	// Retire are builds whose files are removed; Keep are ostree commits that
	// stay, besides those of refs.
	Retire []BuildID
	Keep   []string
	// Pages is a fingerprint of what pages made now will say, for the steps that
	// publish them.
	Pages string
}

// AnnounceWork is one announcement.
type AnnounceWork struct {
	// Revoked is nil for a release, and the release taken back for a revocation.
	Revoked *Release
	// Since and Until are from when to when the revoked release was out.
	Since, Until time.Time
	// Older is true when the revoked release was no longer out.
	Older bool
	// Release is what is out now, with the ostree commits that readers get; its
	// Build is empty when nothing is.
	Release Release
	// Build is what the release is of, nil when nothing is out.
	Build *Build
	// PackagesBefore and PackagesNow are where the manifests stand.
	PackagesBefore, PackagesNow uint64
	// Known are failures that the release was made in spite of.
	Known []Failure
	// Bugs are pages of open bugs of the stream.
	Bugs []string
}
