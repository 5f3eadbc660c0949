package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"assay/reports"
)

// Standing is what evidence says of a build.
type Standing string

// The standings. Only Good is released.
const (
	// Good has passed everything that decides, or has it waived.
	Good Standing = "good"
	// Waiting lacks an answer that is still expected.
	Waiting Standing = "waiting"
	// Refused will not pass unless a person speaks or a test is done again.
	Refused Standing = "refused"
)

// ReasonCode is a Reason for programs.
type ReasonCode string

// The reason codes.
const (
	ReasonUnannounced  ReasonCode = "unannounced"  // no announcement of the build
	ReasonContradict   ReasonCode = "contradicts"  // announcements differ
	ReasonMarkedBad    ReasonCode = "marked-bad"   //
	ReasonRevoked      ReasonCode = "revoked"      //
	ReasonNoArtifact   ReasonCode = "no-artifact"  // a wanted artifact is missing
	ReasonUnlisted     ReasonCode = "unlisted"     // an artifact the policy does not name
	ReasonNotAsked     ReasonCode = "not-asked"    // no test was requested
	ReasonNoAnswer     ReasonCode = "no-answer"    // the test runs, or is lost
	ReasonDigest       ReasonCode = "digest"       // other bytes were tested
	ReasonFailed       ReasonCode = "failed"       // a blocking check failed
	ReasonUndecided    ReasonCode = "undecided"    // a blocking check was not answered
	ReasonNothing      ReasonCode = "nothing-ran"  // no blocking check passed
	ReasonMissing      ReasonCode = "missing"      // a required check has no answer
	ReasonOlder        ReasonCode = "older"        // not newer than what is out
	ReasonWaived       ReasonCode = "waived"       // a remark: passes by a waiver
	ReasonInapplicable ReasonCode = "inapplicable" // a remark: a criterion is not about this kind of image
	ReasonKnown        ReasonCode = "known"        // a remark: a known failure
	ReasonAdvisory     ReasonCode = "advisory"     // a remark: an advisory failure
	ReasonLeftOut      ReasonCode = "left-out"     // a remark: an artifact is not released
	ReasonBlocked      ReasonCode = "blocked"      // the stream is blocked
	ReasonHistory      ReasonCode = "history"      // the history is damaged
	ReasonPolicy       ReasonCode = "policy"       // the policy makes no sense
	ReasonClock        ReasonCode = "clock"        // the clock contradicts the history
	ReasonNotDue       ReasonCode = "not-due"      // no release date is open
	ReasonNoCandidate  ReasonCode = "no-candidate" // no build since the last release passed
	ReasonRebuild      ReasonCode = "rebuild"      // waits for the signing build system
	ReasonGate         ReasonCode = "gate"         // a gate is shut
	ReasonPassed       ReasonCode = "passed"       // the build passed
)

// Reason is why, in plain words.
type Reason struct {
	Code     ReasonCode     `json:"code"`
	Text     string         `json:"text"`
	Artifact ArtifactID     `json:"artifact,omitempty"`
	Check    reports.CaseID `json:"check,omitempty"`
}

func (r Reason) String() string { return r.Text }

// Judgement is the judgement of one build.
type Judgement struct {
	Stream   Stream   `json:"stream"`
	Build    BuildID  `json:"build"`
	Standing Standing `json:"standing"`
	// Reasons are why it is not Good; empty when it is.
	Reasons []Reason `json:"reasons,omitempty"`
	// Remarks are what a reader should know all the same.
	Remarks []Reason `json:"remarks,omitempty"`
	// Artifacts are what would be released, with the digests that were tested.
	Artifacts []Tested `json:"artifacts,omitempty"`
	// Commits are what would be released of ostree, as the tests booted them.
	Commits []Commit `json:"commits,omitempty"`
	// Waivers are those it needs.
	Waivers []string `json:"waivers,omitempty"`
}

func (j *Judgement) refuse(r Reason) { j.Reasons = append(j.Reasons, r); j.Standing = Refused }
func (j *Judgement) remark(r Reason) { j.Remarks = append(j.Remarks, r) }
func (j *Judgement) wait(r Reason) {
	j.Reasons = append(j.Reasons, r)
	if j.Standing == Good {
		j.Standing = Waiting
	}
}

// JudgeBuild says whether the evidence lets a build be released at now. It does not
// ask whether a release is due, nor what is out already.
func JudgeBuild(p *Policy, b *Build, now time.Time) Judgement {
	j := Judgement{Stream: p.Stream, Build: b.ID, Standing: Good}
	if b.Seen.IsZero() {
		j.refuse(Reason{Code: ReasonUnannounced, Text: fmt.Sprintf("nobody has announced build %s; only tests or words speak of it", b.ID)})
	}
	if b.Contradiction != "" {
		j.refuse(Reason{Code: ReasonContradict, Text: "its announcements contradict each other: " + b.Contradiction})
	}
	if b.MarkedBad {
		j.refuse(Reason{Code: ReasonMarkedBad, Text: "marked bad by " + b.Marked.String()})
	}
	if b.Revoked != nil {
		j.refuse(Reason{Code: ReasonRevoked, Text: "revoked by " + b.Revoked.String()})
	}
	if err := p.Check(); err != nil {
		j.refuse(Reason{Code: ReasonPolicy, Text: err.Error()})
		return j
	}
	for _, w := range p.Artifacts {
		a := b.Artifact(w.ID)
		if a == nil || !a.Known {
			if !w.Optional {
				j.refuse(Reason{Code: ReasonNoArtifact, Text: fmt.Sprintf("it has no %s", w.ID), Artifact: w.ID})
			}
			continue
		}
		part := judgeArtifact(p, b, a, now)
		if w.Optional && part.Standing != Good {
			why := "it was not tested"
			if len(part.Reasons) > 0 {
				why = part.Reasons[0].Text
			}
			j.remark(Reason{Code: ReasonLeftOut, Text: fmt.Sprintf("%s is left out: %s", w.ID, why), Artifact: w.ID})
			continue
		}
		j.Reasons = append(j.Reasons, part.Reasons...)
		j.Remarks = append(j.Remarks, part.Remarks...)
		j.Waivers = append(j.Waivers, part.Waivers...)
		if part.Standing == Refused || j.Standing == Good {
			j.Standing = part.Standing
		}
		if part.Standing == Good {
			j.Artifacts = append(j.Artifacts, Tested{a.ID, a.Digest})
		}
	}
	for _, a := range b.Artifacts {
		if _, ok := p.wanted(a.ID); ok || !a.Known {
			continue
		}
		if p.LeaveOutUnlisted {
			j.remark(Reason{Code: ReasonLeftOut, Text: fmt.Sprintf("%s is left out: the policy does not name it", a.ID), Artifact: a.ID})
			continue
		}
		j.refuse(Reason{Code: ReasonUnlisted, Text: fmt.Sprintf("the policy does not name %s: list it, or let the policy leave out what it does not list", a.ID), Artifact: a.ID})
	}
	judgeCommits(p, b, &j)
	for _, g := range p.Gates {
		for _, r := range g.Judge(b, now) {
			// While a test runs, what a gate misses may still come.
			if j.Standing == Waiting {
				j.wait(r)
			} else {
				j.refuse(r)
			}
		}
	}
	slices.Sort(j.Waivers)
	j.Waivers = slices.Compact(j.Waivers)
	if j.Standing == Good && len(j.Artifacts) == 0 {
		j.refuse(Reason{Code: ReasonNothing, Text: "nothing of it was tested"})
	}
	if j.Standing != Good {
		j.Artifacts, j.Commits = nil, nil
	}
	return j
}

// judgeCommits lets out the commits of the stream's own refs that a test of an
// artifact that is released booted. What nobody booted was not tested, whenever
// it was announced.
func judgeCommits(p *Policy, b *Build, j *Judgement) {
	for _, c := range b.Commits {
		leaveOut := func(why string) {
			j.remark(Reason{Code: ReasonLeftOut, Text: fmt.Sprintf("ostree ref %s %s is left out: %s", c.Ref, c.Arch, why)})
		}
		arch, booted := false, false
		for _, t := range j.Artifacts {
			if t.Artifact.Arch() == c.Arch {
				arch = true
				booted = booted || b.Artifact(t.Artifact).Answer().OSTreeCommit == c.Checksum
			}
		}
		switch listed := slices.ContainsFunc(p.Refs, func(g Glob) bool { return g.Match(c.Ref) }); {
		case !listed && p.LeaveOutUnlisted:
			leaveOut("the policy does not name it")
		case !listed:
			j.refuse(Reason{Code: ReasonUnlisted, Text: fmt.Sprintf("the policy does not name ostree ref %s: list it under refs, or let the policy leave out what it does not list", c.Ref)})
		case j.Standing != Good:
		case !arch:
			leaveOut(fmt.Sprintf("nothing of %s is released", c.Arch))
		case !booted:
			j.refuse(Reason{Code: ReasonMissing, Text: fmt.Sprintf("no test on %s booted ostree commit %s of %s", c.Arch, c.Checksum, c.Ref)})
		default:
			j.Commits = append(j.Commits, c)
		}
	}
}

// bootedOther reports whether a test booted a commit other than those that were
// announced for its architecture.
func bootedOther(b *Build, a *BuildArtifact) bool {
	announced := false
	for _, c := range b.Commits {
		if c.Arch == a.ID.Arch() {
			if announced = true; c.Checksum == a.Answer().OSTreeCommit {
				return false
			}
		}
	}
	return announced && a.Answer().OSTreeCommit != ""
}

// judgeArtifact follows reports.Judge, with the policy's view of what blocks and
// with waivers. A test keeps it from being milder where neither speaks.
func judgeArtifact(p *Policy, b *Build, a *BuildArtifact, now time.Time) Judgement {
	j := Judgement{Stream: p.Stream, Build: b.ID, Standing: Good}
	about := func(code ReasonCode, format string, args ...any) Reason {
		return Reason{Code: code, Artifact: a.ID, Text: fmt.Sprintf(format, args...)}
	}
	ans := a.Answer()
	switch {
	case a.Attempt == 0:
		j.wait(about(ReasonNotAsked, "no test of %s was asked for", a.ID))
		return j
	case ans == nil && a.isAwaited(p, now):
		j.wait(about(ReasonNoAnswer, "the test of %s has not finished (attempt %d, expected by %s)", a.ID, a.Attempt, a.Deadline.Format("2006-01-02 15:04 MST")))
		return j
	case ans == nil && a.Attempt <= p.Tests.Retries:
		j.wait(about(ReasonNoAnswer, "the test of %s was lost and will be repeated (attempt %d of %d)", a.ID, a.Attempt, p.Tests.Retries+1))
		return j
	case ans == nil:
		j.refuse(about(ReasonNoAnswer, "the test of %s never finished (attempt %d of %d)", a.ID, a.Attempt, p.Tests.Retries+1))
		return j
	case ans.Digest != a.Digest:
		j.refuse(about(ReasonDigest, "the test of %s was of other bytes: %s, and the artifact is %s", a.ID, ans.Digest, a.Digest))
		return j
	case bootedOther(b, a):
		j.refuse(about(ReasonContradict, "the test of %s booted ostree commit %s, which is not what was announced", a.ID, reports.Line(ans.OSTreeCommit, maxCommit)))
		return j
	}
	v := verdict{p: p, b: b, a: a, now: now, j: &j, criteria: map[string]*tally{}}
	v.weigh(ans)
	if j.Standing == Refused && v.open && !v.failed && a.Attempt <= p.Tests.Retries {
		// Nobody's fault is known yet, and another try is coming.
		j.Standing = Waiting
	}
	return j
}

type tally struct{ blocking, answered, inapplicable int }

// verdict weighs one answer.
type verdict struct {
	p        *Policy
	b        *Build
	a        *BuildArtifact
	now      time.Time
	j        *Judgement
	criteria map[string]*tally
	passed   int
	// failed and open tell the image's failures from unanswered questions.
	failed, open bool
}

func (v *verdict) weigh(ans *TestAnswered) {
	// Lists come criterion by criterion, and a map look-up for each check of
	// ten years would be felt.
	var suite string
	var of *tally
	asked := func(id reports.CaseID) *tally {
		if of == nil || len(id) <= len(suite) || id[len(suite)] != '/' || string(id[:len(suite)]) != suite {
			suite = id.Suite()
			if of = v.criteria[suite]; of == nil {
				of = &tally{}
				v.criteria[suite] = of
			}
		}
		of.blocking++
		return of
	}
	for said, list := range map[bool]CheckList{true: ans.Passed, false: ans.PassedAdvisory} {
		for _, id := range list {
			if v.p.blocking(v.a.ID, id, said) {
				asked(id).answered++
				v.passed++
			}
		}
	}
	for _, c := range ans.Cases {
		if !v.p.blocking(v.a.ID, c.Check, c.Blocking) {
			if c.Outcome != reports.Skipped {
				v.j.remark(v.about(ReasonAdvisory, c, "failed, and is advisory"))
			}
			continue
		}
		t := asked(c.Check)
		// A snooze that ended since the run no longer covers.
		known := c.Known.Covers() && !expired(c.Known.Expires, v.now)
		rc := reports.Case{ID: c.Check, Outcome: c.Outcome, Fault: c.Fault, Blocking: true}
		if known {
			rc.Known = c.Known
		}
		switch s := rc.Standing(); s {
		case reports.Holds:
			t.answered++
			v.passed++
		case reports.Absent:
			if c.Outcome == reports.Skipped && c.Inapplicable {
				t.inapplicable++
			}
		case reports.Excused:
			t.answered++
			v.j.remark(v.about(ReasonKnown, c, "failed, and is a known failure ("+reports.Line(c.Known.Tracker, 200)+")"))
		default:
			if v.waived(c.Check, &c) {
				t.answered++
				continue
			}
			if s == reports.Rejects {
				v.failed = true
				v.j.refuse(v.about(ReasonFailed, c, "failed"))
			} else {
				v.open = true
				v.j.refuse(v.about(ReasonUndecided, c, "was not answered"))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.criteria)) {
		switch t := v.criteria[name]; {
		case t.blocking == 0 || t.answered > 0 || v.suiteExplained(name):
		case t.inapplicable == t.blocking:
			v.j.remark(Reason{Code: ReasonInapplicable, Artifact: v.a.ID, Text: fmt.Sprintf("criterion %s does not apply to %s", name, v.a.ID)})
		default:
			v.open = true
			v.j.refuse(Reason{Code: ReasonUndecided, Artifact: v.a.ID, Text: fmt.Sprintf("criterion %s was skipped from end to end on %s", name, v.a.ID)})
		}
	}
	for _, name := range ans.Empty {
		if v.p.blocking(v.a.ID, reports.CaseID(name+"/"), true) {
			v.open = true
			v.j.refuse(Reason{Code: ReasonUndecided, Artifact: v.a.ID, Text: fmt.Sprintf("criterion %s ran no check on %s", reports.Line(name, 80), v.a.ID)})
		}
	}
	v.required(ans)
	if v.passed == 0 {
		v.open = true
		v.j.refuse(Reason{Code: ReasonNothing, Artifact: v.a.ID, Text: fmt.Sprintf("no blocking check passed on %s", v.a.ID)})
	}
	// What the run itself says is never overruled in silence: the verdict has to
	// follow from cases, each of which passed its own gate above.
	switch ans.Verdict {
	case reports.Accepted, reports.Rejected, reports.Undecided:
		if ans.Harsher || !v.follows(ans) {
			v.open = true
			v.j.refuse(v.runReason("its run did not come to its end", ans))
		}
		for _, l := range ans.LeftOut {
			if !slices.Contains(v.p.Tests.LeaveOut, strings.TrimPrefix(l, "!")) {
				v.open = true
				v.j.refuse(Reason{Code: ReasonMissing, Artifact: v.a.ID, Text: fmt.Sprintf("the run on %s left out checks labelled %s, and the policy does not say that it may", v.a.ID, reports.Line(strings.TrimPrefix(l, "!"), 80))})
			}
		}
	default:
		v.j.refuse(v.runReason(fmt.Sprintf("its verdict is %q, which this assay does not know", reports.Line(string(ans.Verdict), 40)), ans))
	}
}

// follows reports whether a verdict that is not accepted comes of the cases, by
// the run's own rules, so that letting those pass is all there is to overrule.
// A criterion without a case counts only if the policy, too, decides by it.
func (v *verdict) follows(ans *TestAnswered) bool {
	if ans.Verdict == reports.Accepted {
		return true
	}
	var suites []reports.Suite
	add := func(c reports.Case) {
		suites = append(suites, reports.Suite{Name: c.ID.Suite(), Cases: []reports.Case{c}})
	}
	for said, list := range map[bool]CheckList{true: ans.Passed, false: ans.PassedAdvisory} {
		for _, id := range list {
			add(reports.Case{ID: id, Outcome: reports.Passed, Blocking: said})
		}
	}
	for _, c := range ans.Cases {
		add(reports.Case{ID: c.Check, Outcome: c.Outcome, Fault: c.Fault, Blocking: c.Blocking, Inapplicable: c.Inapplicable, Known: c.Known})
	}
	for _, name := range ans.Empty {
		if v.p.blocking(v.a.ID, reports.CaseID(name+"/"), true) {
			suites = append(suites, reports.Suite{Name: name})
		}
	}
	judged, _ := reports.Judge(suites)
	return judged == ans.Verdict
}

func (v *verdict) runReason(what string, ans *TestAnswered) Reason {
	text := fmt.Sprintf("%s: %s", v.a.ID, what)
	if ans.Reason != "" {
		text += ": " + reports.Line(ans.Reason, 300)
	}
	return Reason{Code: ReasonUndecided, Artifact: v.a.ID, Text: text}
}

// suiteExplained is true when a case of the criterion already keeps the build,
// so that it is not said twice.
func (v *verdict) suiteExplained(name string) bool {
	return slices.ContainsFunc(v.j.Reasons, func(r Reason) bool { return r.Artifact == v.a.ID && r.Check.Suite() == name && r.Check != "" })
}

// required holds the policy's own list against what was answered.
func (v *verdict) required(ans *TestAnswered) {
	for _, r := range v.p.Require {
		if !r.Artifacts.Match(string(v.a.ID)) {
			continue
		}
		match := func(id reports.CaseID) bool { return r.Checks.Match(string(id)) }
		if slices.ContainsFunc(ans.Passed, match) || slices.ContainsFunc(ans.PassedAdvisory, match) {
			continue
		}
		// A failure has had its say above, if it blocks; an advisory one that
		// is required was at least answered.
		if slices.ContainsFunc(ans.Cases, func(c Case) bool {
			return c.Outcome == reports.Failed && c.Fault == reports.FaultImage && match(c.Check)
		}) {
			continue
		}
		if v.waived(reports.CaseID(r.Checks), nil) {
			continue
		}
		if slices.ContainsFunc(ans.Cases, func(c Case) bool { return match(c.Check) && v.waived(c.Check, nil) }) {
			continue
		}
		v.open = true
		v.j.refuse(Reason{Code: ReasonMissing, Artifact: v.a.ID, Text: fmt.Sprintf("%s has no result on %s, and the policy requires one", r.Checks, v.a.ID)})
	}
}

func (v *verdict) waived(check reports.CaseID, c *Case) bool {
	for _, w := range v.b.Waivers {
		if !w.covers(v.a.ID, check) || !w.Counts(v.now) {
			continue
		}
		v.j.Waivers = append(v.j.Waivers, w.Waiver)
		what := "is missing"
		if c != nil {
			what = said(*c)
		}
		v.j.remark(Reason{Code: ReasonWaived, Artifact: v.a.ID, Check: check,
			Text: fmt.Sprintf("%s on %s %s, waived by %s until %s: %s (%s)", check, v.a.ID, what, w.By, w.Expires.Format(time.DateOnly),
				reports.Line(w.Reason, 300), reports.Line(w.Tracker, 200))})
		return true
	}
	return false
}

// said is what became of a case, in two words.
func said(c Case) string {
	if c.Outcome == reports.Failed && (c.Fault == reports.FaultImage || c.Fault == reports.FaultNone) {
		return "failed"
	}
	return "was not answered"
}

func (v *verdict) about(code ReasonCode, c Case, what string) Reason {
	text := fmt.Sprintf("%s %s on %s", c.Check, what, v.a.ID)
	if m := reports.Line(c.Message, 300); m != "" {
		text += ": " + strings.TrimSuffix(m, ".")
	}
	return Reason{Code: code, Artifact: v.a.ID, Check: c.Check, Text: text}
}

// expired reports whether a known-failure entry's last day is over everywhere.
func expired(day string, now time.Time) bool {
	d, err := time.Parse(time.DateOnly, day)
	return err != nil || !now.Before(d.AddDate(0, 0, 1))
}
