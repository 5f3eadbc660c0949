package greenwave

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"assay/release"
	"assay/reports"
)

// RunTestCase is the test case that stands for the whole run on an artifact.
const RunTestCase = "assay.run"

// EvidenceOf is what the history says of a build, in the words of ResultsDB and
// WaiverDB: one result for each check on each artifact, with the artifact as
// scenario, and RunTestCase for the run. A test without an answer is RUNNING,
// one that nobody asked for is not there. Skipped checks are left out: they are
// no pass. Waivers that are not in force at now are left out, and those that were
// filed for another product version.
func EvidenceOf(b *release.Build, s Subject, productVersion string, now time.Time) Evidence {
	ev := Evidence{Time: b.Created}
	for _, a := range b.Artifacts {
		if !a.Known || a.Attempt == 0 {
			continue
		}
		ans := a.Answer()
		add := func(name, outcome, note string) {
			r := Result{ID: number(b.Stream, b.ID, a.ID, a.Attempt, name), Outcome: outcome, Note: note, Groups: []string{}, SubmitTime: a.AskedAt.UTC().Format("2006-01-02T15:04:05.000000")}
			r.TestCase.Name = name
			if ans != nil {
				r.SubmitTime, r.RefURL = ans.Finished.UTC().Format("2006-01-02T15:04:05.000000"), ans.Results
			}
			if outcome == "ERROR" {
				r.ErrorReason = note
			}
			r.Data = map[string][]string{"item": {s.Item}, "type": {s.Type}, "scenario": {string(a.ID)}, "system_architecture": {string(a.ID.Arch())}}
			ev.Results = append(ev.Results, r)
		}
		switch {
		case ans == nil:
			add(RunTestCase, "RUNNING", "")
			continue
		case ans.Digest != a.Digest:
			add(RunTestCase, "ERROR", "other bytes were tested")
			continue
		}
		add(RunTestCase, map[reports.Verdict]string{reports.Accepted: "PASSED", reports.Rejected: "FAILED"}[ans.Verdict], ans.Reason)
		if r := &ev.Results[len(ev.Results)-1]; r.Outcome == "" {
			r.Outcome = "NEEDS_INSPECTION"
		}
		for _, list := range []release.CheckList{ans.Passed, ans.PassedAdvisory} {
			for _, id := range list {
				add(string(id), "PASSED", "")
			}
		}
		for _, c := range ans.Cases {
			switch {
			case c.Outcome == reports.Skipped:
			case c.Outcome == reports.Failed && c.Fault == reports.FaultImage:
				add(string(c.Check), "FAILED", c.Message)
			default:
				add(string(c.Check), "ERROR", c.Message)
			}
		}
	}
	for _, w := range b.Waivers {
		if !w.Counts(now) || w.ProductVersion != "" && w.ProductVersion != productVersion {
			continue
		}
		out := Waiver{ID: number(b.Stream, w.Waiver), SubjectType: s.Type, Identifier: s.Item, TestCase: string(w.Check), ProductVersion: productVersion,
			Waived: true, Comment: w.Reason, Username: w.By.Name, Timestamp: w.At.UTC().Format("2006-01-02T15:04:05.000000")}
		if w.Artifact != "" {
			scenario := string(w.Artifact)
			out.Scenario = &scenario
		}
		ev.Waivers = append(ev.Waivers, out)
	}
	return ev
}

// number makes an id of what an id is needed for; 52 bits, which every JSON
// reader keeps.
func number(parts ...any) int64 {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%q", parts)))
	return int64(binary.BigEndian.Uint64(sum[:])>>12) | 1
}

// Gate makes Greenwave policies part of a stream's own: a build that does not
// satisfy them is not released. It is a release.Gate.
type Gate struct {
	Policies       []Policy
	Context        string
	ProductVersion string
}

var _ release.Gate = Gate{}

// SubjectOf is a build as a Greenwave subject: its compose, or its number.
func SubjectOf(b *release.Build) Subject {
	if b.Compose != "" {
		return Subject{Item: b.Compose, Type: "compose"}
	}
	return Subject{Item: string(b.ID), Type: "compose"}
}

// Judge implements release.Gate. Where no policy applies, the gate is shut.
func (g Gate) Judge(b *release.Build, now time.Time) (out []release.Reason) {
	s := SubjectOf(b)
	d, err := Decide(g.Policies, Request{Contexts: Words{g.Context}, ProductVersion: g.ProductVersion, SubjectType: s.Type, Identifier: s.Item},
		func(Subject, time.Time) (Evidence, error) { return EvidenceOf(b, s, g.ProductVersion, now), nil })
	if err != nil {
		return []release.Reason{{Code: release.ReasonGate, Text: fmt.Sprintf("greenwave policy at %s: %v", g.Context, err)}}
	}
	if !slices.ContainsFunc(slices.Concat(d.Met, d.Unsatisfied), func(q Requirement) bool { return q.isTest }) {
		// Rules that are not valid yet, or no longer, require nothing: that is no pass.
		return []release.Reason{{Code: release.ReasonGate, Text: fmt.Sprintf("greenwave policy at %s: it requires nothing of a build made %s", g.Context, b.Created.UTC().Format(time.RFC3339))}}
	}
	for _, q := range d.Unsatisfied {
		text := fmt.Sprintf("greenwave policy at %s: %s %s", g.Context, q.TestCase, q.Type)
		artifact := release.ArtifactID(q.Scenario.text())
		if artifact != "" {
			text += " on " + artifact.String()
		}
		out = append(out, release.Reason{Code: release.ReasonGate, Text: text, Artifact: artifact})
	}
	return out
}

// testCodes are reasons that a test case stands for: which of those count is a
// policy's to say.
var testCodes = []release.ReasonCode{release.ReasonNotAsked, release.ReasonNoAnswer, release.ReasonFailed, release.ReasonUndecided, release.ReasonNothing,
	release.ReasonMissing, release.ReasonGate}

// ObjectionsOf are what speaks against a build by the stream's own policy. At
// another gate than its own, those that are no test's are: a build that is bad
// or not what it says passes nowhere.
func ObjectionsOf(p *release.Policy, b *release.Build, own bool, now time.Time) (out []Objection) {
	j := release.JudgeBuild(p, b, now)
	if j.Standing == release.Good {
		return nil
	}
	for _, r := range j.Reasons {
		if own || !slices.Contains(testCodes, r.Code) {
			out = append(out, Objection{Open: j.Standing == release.Waiting, Text: reports.Line(r.Text, maxObjection)})
		}
	}
	if own && len(out) == 0 {
		out = []Objection{{Open: j.Standing == release.Waiting, Text: "it is not good: " + string(j.Standing)}}
	}
	return out[:min(len(out), maxObjections)]
}

// Bounds of what is said against a build, in entries and bytes.
const (
	maxObjections = 20
	maxObjection  = 400
)

// ProductVersions are what a stream's builds are called in requests: as its
// gates have it, or by its own name.
func ProductVersions(p *release.Policy) (out []string) {
	for _, g := range p.Gates {
		if g, ok := g.(Gate); ok && !slices.Contains(out, g.ProductVersion) {
			out = append(out, g.ProductVersion)
		}
	}
	if len(out) == 0 {
		return []string{string(p.Stream)}
	}
	return out
}

// StateEvidence answers for composes and build numbers of one stream of a
// state; ok is false for subjects that it does not have. It is for a Source, with
// when as of which s was folded. The request's product version has to be one of the
// stream's.
func StateEvidence(p *release.Policy, s *release.State, q Request, now time.Time) func(Subject) (ev Evidence, ok bool) {
	if !slices.Contains(ProductVersions(p), q.ProductVersion) {
		return func(Subject) (Evidence, bool) { return Evidence{}, false }
	}
	own := len(q.Rules) == 0 && slices.ContainsFunc(p.Gates, func(g release.Gate) bool {
		mine, ok := g.(Gate)
		return ok && mine.ProductVersion == q.ProductVersion && slices.Contains(q.Contexts, mine.Context)
	})
	l := s.Line(p.Stream)
	return func(subject Subject) (Evidence, bool) {
		b := l.ByCompose(subject.Item)
		if b == nil {
			b = l.Build(release.BuildID(subject.Item))
		}
		if b == nil || subject.Type != "compose" {
			return Evidence{}, false
		}
		ev := EvidenceOf(b, subject, q.ProductVersion, now)
		ev.Objections = ObjectionsOf(p, b, own, now)
		return ev, true
	}
}
