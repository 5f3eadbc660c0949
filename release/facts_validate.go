package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/reports"
)

// The Type and Validate methods of every fact, in the order of facts.go.

func (*HistoryOpened) Type() Type { return "history.opened" }
func (f *HistoryOpened) Validate() error {
	v := &validator{}
	v.name("history", f.History)
	return v.err
}

func (*HistoryAcknowledged) Type() Type { return "history.acknowledged" }
func (f *HistoryAcknowledged) Validate() error {
	v := &validator{}
	v.word(Word{Reason: f.Reason})
	v.count("findings", len(f.Findings), 5000)
	if len(f.Findings) == 0 {
		v.check(fmt.Errorf("it acknowledges no finding"))
	}
	for _, g := range f.Findings {
		v.name("finding key", g.Key)
	}
	return v.err
}

func (*PolicySet) Type() Type { return "policy.set" }
func (f *PolicySet) Validate() error {
	v := &validator{}
	v.check(needed("text", f.Text))
	v.check(short("text", f.Text, MaxPolicy))
	v.count("files", len(f.Files), maxPolicyFiles)
	size := len(f.Text)
	for i, x := range f.Files {
		v.name("file name", x.Name)
		v.check(short("file "+x.Name, x.Text, MaxPolicy))
		size += len(x.Text)
		if i > 0 && f.Files[i-1].Name >= x.Name {
			v.check(fmt.Errorf("the files are not in the order of their names"))
		}
	}
	if size > MaxPolicy {
		v.check(fmt.Errorf("the policy and the files it names have %d bytes, more than %d", size, MaxPolicy))
	}
	if d := PolicyDigest(f.Text, f.Files); v.err == nil && d != f.Digest {
		v.check(fmt.Errorf("its digest is %s, and it says %.80q", d, f.Digest))
	}
	return v.err
}

func (*BuildSeen) Type() Type { return "build.seen" }
func (f *BuildSeen) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.optional("compose", f.Compose)
	v.moment("created", f.Created)
	v.count("artifacts", len(f.Artifacts), maxArtifacts)
	v.count("commits", len(f.Commits), maxArtifacts)
	seen, names := map[ArtifactID]bool{}, map[string]bool{}
	for _, a := range f.Artifacts {
		v.check(a.Validate())
		if seen[a.ID] || names[a.Name] {
			v.check(fmt.Errorf("artifact %s (%s) is listed twice", a.ID, a.Name))
		}
		seen[a.ID], names[a.Name] = true, true
	}
	v.commits(f.Commits)
	if f.From != nil {
		v.ref("from", *f.From)
	}
	if f.Rebuild < 0 {
		v.check(fmt.Errorf("rebuild is %d", f.Rebuild))
	}
	return v.err
}

// Validate refuses what could not be fetched, checked and published under its
// own name.
func (a Artifact) Validate() error {
	v := &validator{}
	v.check(a.ID.Validate())
	v.wrap("artifact "+string(a.ID), fileName(a.Name))
	v.name("location", a.Location)
	v.link("location", a.Location)
	v.digest("artifact "+string(a.ID), a.Digest)
	if a.Uncompressed != "" {
		v.digest("artifact "+string(a.ID)+", uncompressed", a.Uncompressed)
	}
	if a.Size <= 0 {
		v.check(fmt.Errorf("artifact %s has %d bytes", a.ID, a.Size))
	}
	return v.err
}

func (v *validator) commits(l []Commit) {
	for i, c := range l {
		v.check(c.Validate())
		if slices.ContainsFunc(l[:i], func(o Commit) bool { return o.Arch == c.Arch && o.Ref == c.Ref }) {
			v.check(fmt.Errorf("ostree ref %s %s is listed twice", c.Ref, c.Arch))
		}
	}
}

// Validate refuses commits that could not be looked up.
func (c Commit) Validate() error {
	v := &validator{}
	v.name("arch", string(c.Arch))
	v.name("ref", c.Ref)
	v.check(hexChecksum(c.Checksum))
	v.link("repo", c.Repo)
	v.optional("version", c.Version)
	return v.err
}

func (*BuildFailed) Type() Type { return "build.failed" }
func (f *BuildFailed) Validate() error {
	v := &validator{}
	v.name("compose", f.Compose)
	v.name("status", f.Status)
	v.moment("ended", f.Ended)
	v.text("reason", f.Reason)
	v.link("log", f.Log)
	return v.err
}

func (*BuildMissing) Type() Type { return "build.missing" }
func (f *BuildMissing) Validate() error {
	v := &validator{}
	_, err := time.Parse(time.DateOnly, f.Date)
	v.check(err)
	v.moment("due", f.Due)
	return v.err
}

func (*PackagesListed) Type() Type { return "packages.listed" }
func (f *PackagesListed) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.name("arch", string(f.Arch))
	v.count("packages", len(f.Packages), maxPackages)
	if len(f.Packages) == 0 {
		v.check(fmt.Errorf("it lists no package"))
	}
	if !slices.IsSorted(f.Packages) {
		v.check(fmt.Errorf("the packages are not sorted"))
	}
	for _, p := range f.Packages {
		v.name("package", p)
	}
	return v.err
}

func (*TestRequested) Type() Type { return "test.requested" }
func (f *TestRequested) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.check(f.Artifact.Validate())
	v.digest("digest", f.Digest)
	v.positive("attempt", f.Attempt)
	v.moment("deadline", f.Deadline)
	return v.err
}

func (*TestAnswered) Type() Type { return "test.answered" }
func (f *TestAnswered) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.check(f.Artifact.Validate())
	v.digest("digest", f.Digest)
	v.positive("attempt", f.Attempt)
	// The words themselves are not checked: what is unknown is no pass.
	v.name("verdict", string(f.Verdict))
	v.text("reason", f.Reason)
	v.name("run", f.Run)
	v.link("results", f.Results)
	v.moment("finished", f.Finished)
	v.optional("ostree commit", f.OSTreeCommit)
	v.count("checks", len(f.Passed)+len(f.PassedAdvisory)+len(f.Cases)+len(f.Empty), maxChecks)
	for _, l := range []CheckList{f.Passed, f.PassedAdvisory} {
		for _, id := range l {
			v.caseID("check", id)
		}
	}
	v.count("labels left out", len(f.LeftOut), maxLabels)
	for _, l := range f.LeftOut {
		v.name("label", l)
	}
	for _, s := range f.Empty {
		v.name("criterion", s)
	}
	for _, c := range f.Cases {
		v.caseID("check", c.Check)
		v.name("outcome", string(c.Outcome))
		v.optional("fault", string(c.Fault))
		v.text("message", c.Message)
		v.text("replay", c.Replay)
		v.check(short("excerpt", c.Excerpt, reports.ExcerptLimit))
		v.count("evidence", len(c.Evidence), 100)
	}
	return v.err
}

func (*CheckWaived) Type() Type { return "check.waived" }
func (f *CheckWaived) Validate() error {
	v := &validator{}
	v.name("waiver", f.Waiver)
	v.check(f.Build.Validate())
	v.caseID("check", f.Check)
	if strings.ContainsAny(string(f.Check), "*?[\\") {
		v.check(fmt.Errorf("a waiver of %.80q: want the name of one check, no pattern", f.Check))
	}
	if f.Artifact != "" {
		v.check(f.Artifact.Validate())
	}
	v.word(f.Word)
	v.check(needed("tracker", f.Tracker))
	v.optional("product version", f.ProductVersion)
	v.moment("expires", f.Expires)
	return v.err
}

func (*WaiverWithdrawn) Type() Type { return "waiver.withdrawn" }
func (f *WaiverWithdrawn) Validate() error {
	v := &validator{}
	v.name("waiver", f.Waiver)
	v.word(f.Word)
	return v.err
}

func (*BuildMarked) Type() Type { return "build.marked" }
func (f *BuildMarked) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.word(f.Word)
	if f.Mark != MarkBad && f.Mark != MarkGood {
		v.check(fmt.Errorf("mark %.40q: want bad or good", f.Mark))
	}
	return v.err
}

func (*StreamBlocked) Type() Type          { return "stream.blocked" }
func (f *StreamBlocked) Validate() error   { return f.valid() }
func (*StreamUnblocked) Type() Type        { return "stream.unblocked" }
func (f *StreamUnblocked) Validate() error { return f.valid() }

func (w Word) valid() error {
	v := &validator{}
	v.word(w)
	return v.err
}

func (*PromotionRequested) Type() Type { return "promotion.requested" }
func (f *PromotionRequested) Validate() error {
	v := &validator{}
	v.name("request", f.Request)
	v.check(f.Build.Validate())
	v.word(f.Word)
	return v.err
}

func (*PromotionWithdrawn) Type() Type { return "promotion.withdrawn" }
func (f *PromotionWithdrawn) Validate() error {
	v := &validator{}
	v.name("request", f.Request)
	v.word(f.Word)
	return v.err
}

func (*ReleaseDecided) Type() Type { return "release.decided" }
func (f *ReleaseDecided) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.optional("slot", string(f.Slot))
	if f.Slot != "" {
		v.moment("slot_at", f.SlotAt)
	}
	v.optional("request", f.Request)
	if f.Previous != "" {
		v.check(f.Previous.Validate())
	}
	v.policy(f.Policy)
	v.count("artifacts", len(f.Artifacts), maxArtifacts)
	if len(f.Artifacts) == 0 {
		v.check(fmt.Errorf("it releases no artifact"))
	}
	for i, a := range f.Artifacts {
		v.check(a.Artifact.Validate())
		v.digest("artifact "+string(a.Artifact), a.Digest)
		if slices.ContainsFunc(f.Artifacts[:i], func(b Tested) bool { return a.Artifact == b.Artifact }) {
			v.check(fmt.Errorf("artifact %s is listed twice", a.Artifact))
		}
	}
	v.count("commits", len(f.Commits), maxArtifacts)
	v.commits(f.Commits)
	v.count("waivers", len(f.Waivers), maxChecks)
	v.count("reasons", len(f.Reasons), maxChecks)
	return v.err
}

func (*ReleaseRevoked) Type() Type { return "release.revoked" }
func (f *ReleaseRevoked) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.word(f.Word)
	return v.err
}

func (*RevocationLifted) Type() Type { return "revocation.lifted" }
func (f *RevocationLifted) Validate() error {
	v := &validator{}
	v.check(f.Build.Validate())
	v.word(f.Word)
	return v.err
}

func (*SlotSkipped) Type() Type { return "slot.skipped" }
func (f *SlotSkipped) Validate() error {
	v := &validator{}
	v.name("slot", string(f.Slot))
	v.moment("at", f.At)
	v.policy(f.Policy)
	v.count("reasons", len(f.Reasons), maxChecks)
	return v.err
}

func (*SlotsReopened) Type() Type { return "slots.reopened" }
func (f *SlotsReopened) Validate() error {
	v := &validator{}
	v.moment("after", f.After)
	v.word(f.Word)
	return v.err
}

func (*RebuildRequested) Type() Type { return "rebuild.requested" }
func (f *RebuildRequested) Validate() error {
	v := &validator{}
	v.name("slot", string(f.Slot))
	v.ref("from", f.From)
	v.positive("number", f.Number)
	v.text("reason", f.Reason)
	if f.Number > 1 {
		v.check(needed("reason", f.Reason))
	}
	return v.err
}

func (*RebuildFailed) Type() Type { return "rebuild.failed" }
func (f *RebuildFailed) Validate() error {
	v := &validator{}
	v.ref("from", f.From)
	v.positive("number", f.Number)
	v.text("reason", f.Reason)
	v.link("log", f.Log)
	return v.err
}

func (*EffectStarted) Type() Type { return "effect.started" }
func (f *EffectStarted) Validate() error {
	v := &validator{}
	v.key(f.Key)
	v.positive("attempt", f.Attempt)
	v.moment("lease", f.Lease)
	return v.err
}

func (*EffectDone) Type() Type { return "effect.done" }
func (f *EffectDone) Validate() error {
	v := &validator{}
	v.key(f.Key)
	v.positive("attempt", f.Attempt)
	v.name("kind", string(f.Kind))
	v.optional("ref", f.Ref)
	v.link("url", f.URL)
	v.count("files", len(f.Files), 10*maxArtifacts)
	for _, x := range f.Files {
		v.check(fileName(x.Name))
		v.digest("file "+x.Name, x.Digest)
		v.link("location", x.Location)
	}
	v.optional("pages", f.Pages)
	v.count("commits", len(f.Commits), maxArtifacts)
	v.commits(f.Commits)
	if b := f.Bug; b != nil {
		v.name("tracker", b.Tracker)
		v.name("subject", string(b.Subject))
		v.optional("print", b.Print)
		v.optional("first bad", b.FirstBad)
	}
	return v.err
}

func (*EffectFailed) Type() Type { return "effect.failed" }
func (f *EffectFailed) Validate() error {
	v := &validator{}
	v.key(f.Key)
	v.positive("attempt", f.Attempt)
	v.text("error", f.Error)
	v.moment("retry", f.Retry)
	return v.err
}

func (*EffectDropped) Type() Type { return "effect.dropped" }
func (f *EffectDropped) Validate() error {
	v := &validator{}
	v.key(f.Key)
	v.word(f.Word)
	return v.err
}

func (*BugObserved) Type() Type { return "bug.observed" }
func (f *BugObserved) Validate() error {
	v := &validator{}
	v.name("tracker", f.Tracker)
	v.name("ref", f.Ref)
	v.moment("at", f.At)
	return v.err
}
