package release_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
	"assay/reports"

	"pgregory.net/rapid"
)

// run is a finished run of random cases on the digest of a build's artifact.
func run(t *rapid.T, b release.BuildID, a release.ArtifactID) *reports.Run {
	r := &reports.Run{ID: "r", Finished: releasetest.Start, Image: reports.Image{Digest: releasetest.Digest(b, a), OSTreeCommit: releasetest.Digest(b, "commit").Hex()}}
	for i := range rapid.IntRange(0, 3).Draw(t, "suites") {
		s := reports.Suite{Name: fmt.Sprintf("suite%d", i)}
		for j := range rapid.IntRange(0, 3).Draw(t, "cases") {
			c := reports.Case{ID: reports.CaseID(fmt.Sprintf("suite%d/case%d", i, j)), Blocking: rapid.Bool().Draw(t, "blocking"),
				Outcome: rapid.SampledFrom([]reports.Outcome{reports.Passed, reports.Passed, reports.Passed, reports.Passed, reports.Passed, reports.Passed, reports.Passed, reports.Failed, reports.Skipped, reports.Errored, "odd"}).Draw(t, "outcome")}
			if c.Outcome != reports.Passed || rapid.IntRange(0, 9).Draw(t, "odd pass") == 0 {
				c.Fault = rapid.SampledFrom(reports.Faults).Draw(t, "fault")
			}
			if rapid.IntRange(0, 3).Draw(t, "known") == 0 {
				c.Known = &reports.Known{Tracker: rapid.SampledFrom([]string{"", "https://bugs.example/1"}).Draw(t, "tracker"), Expires: "2026-12-31"}
			}
			s.Cases = append(s.Cases, c)
		}
		r.Suites = append(r.Suites, s)
	}
	r.Conclude()
	return r
}

// TestNoMilderThanTheRun: where policy and waivers say nothing, a build is good
// exactly when the run accepted its image.
func TestNoMilderThanTheRun(t *testing.T) {
	seen := map[bool]int{}
	property := func(t *rapid.T) {
		const b = release.BuildID("20261102_01")
		h := releasetest.NewHistory(t, stream)
		h.Policy.Artifacts, h.Policy.Tests.Retries = h.Policy.Artifacts[:1], 0
		h.Build(b).Next()
		r := run(t, b, releasetest.QCOW2)
		selected := false
		switch rapid.IntRange(0, 9).Draw(t, "oddity") {
		case 0:
			r.Verdict, r.Reason = reports.Undecided, "interrupted"
		case 1:
			selected, r.Selection = true, rapid.SampledFrom([]*reports.Selection{{Suites: []string{"suite*"}}, {Checks: []string{"suite0/*"}}, {Labels: []string{"slow"}}, {Labels: []string{"!slow"}}}).Draw(t, "selection")
		}
		q := release.TestRequested{Build: b, Artifact: releasetest.QCOW2, Attempt: 1}
		h.Record(release.Self, release.AnswerOf(q, r, "/results"))
		j := release.JudgeBuild(h.Policy, h.State.Line(stream).Build(b), h.Now)
		if good := j.Standing == release.Good; good != (r.Verdict == reports.Accepted && !selected) {
			t.Fatalf("the run is %s (%s), the build %s: %v", r.Verdict, r.Reason, j.Standing, j.Reasons)
		}
		seen[j.Standing == release.Good]++
	}
	for range 10 { // each is cheap
		rapid.Check(t, property)
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("good and not good: %v", seen)
	}
}

func TestAnswerIsBoundedAndClean(t *testing.T) {
	r := &reports.Run{ID: "r", Finished: releasetest.Start, Image: reports.Image{Digest: releasetest.Digest("20261102_01", releasetest.QCOW2)}, Suites: []reports.Suite{{Name: "s"}}}
	for i := range 1500 {
		r.Suites[0].Cases = append(r.Suites[0].Cases, reports.Case{ID: reports.CaseID(fmt.Sprintf("s/case-%d", i)), Outcome: reports.Failed, Fault: reports.FaultImage, Blocking: true,
			Message: "\x1b[31m" + strings.Repeat("long ", 100), Evidence: []reports.Evidence{{Kind: "console", Path: "guests/a/console", Excerpt: strings.Repeat("\x00é", 1500)}}})
	}
	r.Conclude()
	a := release.AnswerOf(release.TestRequested{Build: "20261102_01", Artifact: releasetest.QCOW2, Attempt: 1}, r, "/results")
	e, err := release.NewEvent(stream, releasetest.Start, release.Self, a)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := release.Encode(release.Head{}, e)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), `\u001b`) || strings.Contains(string(raw), `\u0000`) || a.Cases[0].Excerpt == "" || a.Cases[1499].Excerpt != "" {
		t.Error("the answer was not cleaned")
	}
}

func TestLateAndSecondAnswersAreRefused(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	const b = release.BuildID("20261102_01")
	allow := func(attempt int) error {
		e, err := release.NewEvent(stream, h.Now, release.Self, releasetest.Answer(b, releasetest.QCOW2, attempt, h.Now))
		if err != nil {
			t.Fatal(err)
		}
		return release.Allow(h.Policy, h.State, e, h.Now)
	}
	h.Build(b)
	if err := allow(1); err == nil || !strings.Contains(err.Error(), "nobody asked") {
		t.Errorf("unasked: %v", err)
	}
	h.Next()
	if err := allow(1); err != nil {
		t.Errorf("in time: %v", err)
	}
	h.Add(7 * time.Hour).Next() // the deadline is past
	if err := allow(1); err == nil || !strings.Contains(err.Error(), "came too late: test 2 was asked for") {
		t.Errorf("late: %v", err)
	}
	h.Answer(b, releasetest.QCOW2)
	if err := allow(2); err == nil || !strings.Contains(err.Error(), "was answered already, by run run-20261102_01-2") {
		t.Errorf("second: %v", err)
	}
}

// TestIncompleteRunsAreNoEvidence, even when each of their failures is waived.
func TestIncompleteRunsAreNoEvidence(t *testing.T) {
	const b = release.BuildID("20261102_01")
	for name, c := range map[string]struct {
		spoil func(*reports.Run)
		good  bool
	}{
		"whole":                 {func(*reports.Run) {}, true},
		"may leave out":         {func(r *reports.Run) { r.Selection = &reports.Selection{Labels: []string{"!slow"}} }, true},
		"may not leave out":     {func(r *reports.Run) { r.Selection = &reports.Selection{Labels: []string{"!slow", "!net"}} }, false},
		"one suite":             {func(r *reports.Run) { r.Selection = &reports.Selection{Suites: []string{"a"}} }, false},
		"one check":             {func(r *reports.Run) { r.Selection = &reports.Selection{Checks: []string{"a/*"}} }, false},
		"one label":             {func(r *reports.Run) { r.Selection = &reports.Selection{Labels: []string{"quick"}} }, false},
		"incomplete":            {func(r *reports.Run) { r.Incomplete = "the image changed" }, false},
		"another reason":        {func(r *reports.Run) { r.Reason = "the image changed while it was judged" }, false},
		"interrupted by itself": {func(r *reports.Run) { r.Verdict = reports.Rejected }, false},
	} {
		h := releasetest.NewHistory(t, stream)
		h.Policy.Artifacts, h.Policy.Tests = h.Policy.Artifacts[:1], release.Tests{LeaveOut: []string{"slow"}}
		h.Build(b).Next()
		r := &reports.Run{ID: "r", Finished: releasetest.Start, Image: reports.Image{Digest: releasetest.Digest(b, releasetest.QCOW2), OSTreeCommit: releasetest.Digest(b, "commit").Hex()},
			Suites: []reports.Suite{{Name: "a", Cases: []reports.Case{{ID: "a/one", Outcome: reports.Passed, Blocking: true}, {ID: "a/two", Outcome: reports.Errored, Fault: reports.FaultInfra, Blocking: true}}}}}
		r.Conclude()
		c.spoil(r)
		h.Record(release.Self, release.AnswerOf(release.TestRequested{Build: b, Artifact: releasetest.QCOW2, Attempt: 1}, r, "/results"))
		h.MustSay(&release.CheckWaived{Waiver: "w", Build: b, Check: "a/two", Word: releasetest.Word("the lab was down"), Expires: h.Now.Add(time.Hour)})
		if j := release.JudgeBuild(h.Policy, h.State.Line(stream).Build(b), h.Now); (j.Standing == release.Good) != c.good {
			t.Errorf("%s: %s %v", name, j.Standing, j.Reasons)
		}
	}
}

// TestAnotherAttemptWantsAnotherRun.
func TestAnotherAttemptWantsAnotherRun(t *testing.T) {
	const b = release.BuildID("20261102_01")
	h := releasetest.NewHistory(t, stream)
	h.Build(b).Next().Answer(b, releasetest.QCOW2, releasetest.Errored("upgrade/plain")).Add(time.Hour).Next()
	e, err := release.NewEvent(stream, h.Now, release.Self, releasetest.Answer(b, releasetest.QCOW2, 2, h.Now.Add(-time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	if err := release.Allow(h.Policy, h.State, e, h.Now); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a run from before the request: %v", err)
	}
}
