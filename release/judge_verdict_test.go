package release_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
	"assay/reports"
)

// judged is how a build stands after one answer that change made of a pass.
func judged(t *testing.T, change func(*release.Policy, *release.TestAnswered)) release.Judgement {
	t.Helper()
	const b = release.BuildID("20261102_01")
	h := releasetest.NewHistory(t, stream)
	h.Policy.Artifacts, h.Policy.Tests.Retries = h.Policy.Artifacts[:1], 0
	h.Build(b).Next()
	a := releasetest.Answer(b, releasetest.QCOW2, 1, h.Now)
	change(h.Policy, a)
	h.Record(release.Self, a)
	return release.JudgeBuild(h.Policy, h.State.Line(stream).Build(b), h.Now)
}

// TestVerdictNeedsItsCase: what is said of a run is believed only when a case
// stands for it.
func TestVerdictNeedsItsCase(t *testing.T) {
	advisory := []release.Criterion{{Checks: "odd/*", Blocking: false}}
	for name, change := range map[string]func(*release.Policy, *release.TestAnswered){
		"rejected, and an empty criterion": func(p *release.Policy, a *release.TestAnswered) {
			p.Criteria, a.Verdict, a.Empty = advisory, reports.Rejected, []string{"odd"}
		},
		"undecided, and an empty criterion that does not count": func(p *release.Policy, a *release.TestAnswered) {
			p.Criteria, a.Verdict, a.Empty = advisory, reports.Undecided, []string{"odd"}
		},
		"undecided, and a known failure": func(_ *release.Policy, a *release.TestAnswered) {
			c := releasetest.Failed("odd/one")
			c.Known = &reports.Known{Tracker: "https://bugs.example/1", Expires: "2999-01-01"}
			a.Verdict, a.Cases = reports.Undecided, []release.Case{c}
		},
		"rejected, and a question without an answer": func(p *release.Policy, a *release.TestAnswered) {
			p.Criteria, a.Verdict, a.Cases = advisory, reports.Rejected, []release.Case{releasetest.Errored("odd/one")}
		},
		"undecided, and a criterion of another kind of image": func(_ *release.Policy, a *release.TestAnswered) {
			a.Verdict, a.Cases = reports.Undecided, []release.Case{{Check: "layering/install", Outcome: reports.Skipped, Inapplicable: true, Blocking: true}}
		},
	} {
		if j := judged(t, change); j.Standing == release.Good {
			t.Errorf("%s: the build passes", name)
		}
	}
	if j := judged(t, func(p *release.Policy, a *release.TestAnswered) {
		p.Criteria, a.Verdict, a.Cases = advisory, reports.Rejected, []release.Case{releasetest.Failed("odd/one")}
	}); j.Standing != release.Good {
		t.Errorf("the policy calls the only failure advisory: %v", j.Reasons)
	}
}

// TestRequiredCheckIsAnsweredByTheImage: a failure of the lab is no answer.
func TestRequiredCheckIsAnsweredByTheImage(t *testing.T) {
	for fault, want := range map[reports.Fault]release.Standing{reports.FaultImage: release.Good, reports.FaultInfra: release.Refused, reports.FaultTest: release.Refused} {
		j := judged(t, func(p *release.Policy, a *release.TestAnswered) {
			p.Require = []release.Required{{Checks: "odd/*"}}
			c := releasetest.Failed("odd/one")
			c.Fault, c.Blocking = fault, false
			a.Cases = []release.Case{c}
		})
		if j.Standing != want {
			t.Errorf("fault %s: %s %v", fault, j.Standing, j.Reasons)
		}
	}
}

// TestWaiverWaitsForEveryArtifact: it would else reach what nobody has seen.
func TestWaiverWaitsForEveryArtifact(t *testing.T) {
	const b = release.BuildID("20261102_01")
	h := releasetest.NewHistory(t, stream)
	f := releasetest.BuildSeen(h.Policy, b, h.Now)
	f.Artifacts = f.Artifacts[:1]
	h.Record(release.Self, f).Next().Answer(b, f.Artifacts[0].ID, releasetest.Failed("upgrade/plain"))
	w := &release.CheckWaived{Waiver: "w", Build: b, Check: "upgrade/plain", Word: releasetest.Word("x"), Expires: h.Now.Add(time.Hour)}
	if h.Say(w) == nil {
		t.Error("waived on an artifact that was not announced")
	}
	w.Artifact = f.Artifacts[0].ID
	if err := h.Say(w); err != nil {
		t.Errorf("the artifact that was tested: %v", err)
	}
	w = &release.CheckWaived{Waiver: "g", Build: b, Check: "upgrade/*", Forced: true, Word: releasetest.Word("x"), Expires: h.Now.Add(time.Hour)}
	if h.Say(w) == nil {
		t.Error("a pattern was waived")
	}
}

// TestCriterionOfAnotherKindOfImage: what an image shows itself not to be meant
// for holds up no release, and is said.
func TestCriterionOfAnotherKindOfImage(t *testing.T) {
	j := judged(t, func(_ *release.Policy, a *release.TestAnswered) {
		a.Cases = []release.Case{{Check: "layering/install", Outcome: reports.Skipped, Inapplicable: true, Blocking: true, Message: "no packages"}}
	})
	if j.Standing != release.Good || !slices.ContainsFunc(j.Remarks, func(r release.Reason) bool {
		return r.Code == release.ReasonInapplicable && strings.Contains(r.Text, "layering does not apply")
	}) {
		t.Errorf("%+v", j)
	}
}
