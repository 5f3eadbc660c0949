package greenwave

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// gated is a stream with a gate of its own at "release", and another at "sync"
// that wants little.
func gated(t *testing.T, stream release.Stream, version string) (*releasetest.History, []Policy) {
	t.Helper()
	own, err := ParsePolicies("own.yaml", []byte(fmt.Sprintf(`--- !Policy
id: own
product_versions: [%[1]q]
decision_context: release
subject_type: compose
rules: [!PassingTestCaseRule {test_case_name: base/running}]
--- !Policy
id: sync
product_versions: [%[1]q]
decision_context: sync
subject_type: compose
rules: [!PassingTestCaseRule {test_case_name: base/running}]
`, version)))
	if err != nil {
		t.Fatal(err)
	}
	h := releasetest.NewHistory(t, stream)
	h.Policy.Gates = []release.Gate{Gate{Policies: own, Context: "release", ProductVersion: version}}
	return h, own
}

func ask(t *testing.T, h *releasetest.History, ps []Policy, q Request) Decision {
	t.Helper()
	evidence := StateEvidence(h.Policy, h.State, q, h.Now)
	d, err := Decide(ps, q, func(s Subject, _ time.Time) (Evidence, error) { ev, _ := evidence(s); return ev, nil })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func question(version, context, item string) Request {
	return Request{Contexts: Words{context}, ProductVersion: version, SubjectType: "compose", Identifier: item}
}

// TestDecisionAgreesWithTheRelease: what the stage would not release does not
// pass its own gate, though every test case of the gate passed.
func TestDecisionAgreesWithTheRelease(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*releasetest.History)
		// elsewhere is whether it passes another gate.
		elsewhere bool
		text      string
	}{
		"good": {func(*releasetest.History) {}, true, ""},
		"marked bad": {func(h *releasetest.History) {
			h.MustSay(&release.BuildMarked{Build: "20261102_01", Mark: release.MarkBad, Word: releasetest.Word("slow")})
		}, false, "marked bad by alice"},
		"contradicted": {func(h *releasetest.History) {
			other := releasetest.BuildSeen(h.Policy, "20261102_01", releasetest.Start)
			other.Artifacts[0].Name = "other"
			h.Record(release.Self, other)
		}, false, "contradict each other"},
		"another artifact": {func(h *releasetest.History) { h.Policy.Artifacts = h.Policy.Artifacts[:1] }, false, "does not name vagrant-libvirt"},
		"another check is required": {func(h *releasetest.History) {
			h.Policy.Require = []release.Required{{Checks: "rollback/*", Artifacts: "*"}}
		}, true, "rollback/*"},
	} {
		h, ps := gated(t, "test-1", "43")
		h.Tested("20261102_01")
		c.spoil(h)
		good := release.JudgeBuild(h.Policy, h.State.Line("test-1").Build("20261102_01"), h.Now).Standing == release.Good
		if good != (c.text == "") {
			t.Fatalf("%s: good %t", name, good)
		}
		d := ask(t, h, ps, question("43", "release", "Test-20261102_01"))
		if d.Satisfied != good {
			t.Errorf("%s: satisfied %t, released %t: %+v", name, d.Satisfied, good, d)
		}
		if !good {
			q := d.Unsatisfied[0]
			if q.TestCase != ObjectionTestCase || q.Type == "" || strings.HasSuffix(q.Type, "-missing") != strings.Contains(name, "check") || !strings.Contains(q.Details, c.text) || q.Identifier != "Test-20261102_01" {
				t.Errorf("%s: %+v", name, q)
			}
			if !strings.HasPrefix(d.Summary, "Of ") || !strings.Contains(d.Summary, "failed") && !strings.Contains(d.Summary, "missing") {
				t.Errorf("%s: %s", name, d.Summary)
			}
		}
		if d := ask(t, h, ps, question("43", "sync", "Test-20261102_01")); d.Satisfied != c.elsewhere {
			t.Errorf("%s, at another gate: %+v", name, d)
		}
		rule := Request{ProductVersion: "43", SubjectType: "compose", Identifier: "Test-20261102_01", Rules: []RequestRule{{Type: "PassingTestCaseRule", TestCase: "base/running"}}}
		if d := ask(t, h, ps, rule); d.Satisfied != c.elsewhere {
			t.Errorf("%s, by a rule of the request: %+v", name, d)
		}
	}
}

// TestObjectionsAreHeardLast: a test case that failed says it better; and an
// answer that may still come is missing, not failed.
func TestObjectionsAreHeardLast(t *testing.T) {
	h, ps := gated(t, "test-1", "43")
	h.Tested("20261102_01", releasetest.Failed("base/running"))
	d := ask(t, h, ps, question("43", "release", "Test-20261102_01"))
	if len(d.Unsatisfied) != 2 || d.Unsatisfied[0].TestCase != "base/running" || d.Unsatisfied[1].TestCase != "base/running" {
		t.Errorf("%+v", d.Unsatisfied)
	}
	h, ps = gated(t, "test-1", "43")
	h.Build("20261102_01").Next().Answer("20261102_01", releasetest.QCOW2)
	d = ask(t, h, ps, question("43", "release", "Test-20261102_01"))
	if len(d.Unsatisfied) == 0 || d.Unsatisfied[0].Type != "test-result-missing" {
		t.Errorf("%+v", d)
	}
}

// TestStreamIsChosenByProductVersion: two streams have builds of one compose.
func TestStreamIsChosenByProductVersion(t *testing.T) {
	h, ps := gated(t, "test-1", "43")
	h.Tested("20261102_01")
	if d := ask(t, h, append(ps, ps...), question("43", "release", "Test-20261102_01")); !d.Satisfied {
		t.Errorf("%+v", d)
	}
	q := question("44", "release", "Test-20261102_01")
	if _, ok := StateEvidence(h.Policy, h.State, q, h.Now)(Subject{"Test-20261102_01", "compose", "", ""}); ok {
		t.Error("a stream answers for another product version")
	}
	h.Policy.Gates = nil
	q.ProductVersion = "test-1"
	if _, ok := StateEvidence(h.Policy, h.State, q, h.Now)(Subject{"Test-20261102_01", "compose", "", ""}); !ok {
		t.Error("a stream without gates goes by its name")
	}
}

// TestRequestsAreBounded in what they ask for and in what they are given; the
// state is asked for once.
func TestRequestsAreBounded(t *testing.T) {
	h, ps := gated(t, "test-1", "43")
	h.Tested("20261102_01")
	sources := 0
	srv := httptest.NewServer(Handler(func() []Policy { return ps }, func(_ *http.Request, q Request, _ time.Time, do func([]Policy, func(Subject) (Evidence, error)) error) error {
		sources++
		return do(ps, func(s Subject) (Evidence, error) {
			if s.Item == "many" {
				var ev Evidence
				for i := range 1000 {
					r := Result{ID: int64(i), Outcome: "PASSED", SubmitTime: "2026-11-02T00:00:00"}
					r.TestCase.Name = "base/running"
					r.Data = map[string][]string{"scenario": {fmt.Sprint(i)}}
					ev.Results = append(ev.Results, r)
				}
				return ev, nil
			}
			ev, _ := StateEvidence(h.Policy, h.State, q, h.Now)(s)
			return ev, nil
		})
	}))
	defer srv.Close()
	post := func(q map[string]any) int {
		t.Helper()
		body, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Post(srv.URL+"/api/v1.0/decision", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	subjects := func(n int, item string) (out []Subject) {
		for i := range n {
			name := item
			if item == "" {
				name = fmt.Sprintf("Test-%d", i)
			}
			out = append(out, Subject{Item: name, Type: "compose"})
		}
		return out
	}
	rules := func(n int) (out []RequestRule) {
		for i := range n {
			out = append(out, RequestRule{Type: "PassingTestCaseRule", TestCase: fmt.Sprint("t", i)})
		}
		return out
	}
	for name, c := range map[string]struct {
		q    map[string]any
		want int
	}{
		"as many subjects as may be": {map[string]any{"decision_context": "release", "subject": subjects(maxSubjects, "")}, 200},
		"more":                       {map[string]any{"decision_context": "release", "subject": subjects(maxSubjects+1, "")}, 400},
		"as many rules as may be":    {map[string]any{"rules": rules(maxRules), "subject": subjects(1, "")}, 200},
		"more rules":                 {map[string]any{"rules": rules(maxRules + 1), "subject": subjects(1, "")}, 400},
		"too many requirements":      {map[string]any{"rules": rules(maxRules), "subject": subjects(maxSubjects, "")}, 400},
		"too many results":           {map[string]any{"decision_context": "release", "verbose": true, "subject": subjects(21, "many")}, 400},
		"results that are enough":    {map[string]any{"decision_context": "release", "verbose": true, "subject": subjects(20, "many")}, 200},
	} {
		sources = 0
		c.q["product_version"] = "43"
		began := time.Now()
		if got := post(c.q); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
		if sources > 1 {
			t.Errorf("%s: the state was asked for %d times", name, sources)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
	var bad *BadRequestError
	if _, err := Decide(ps, Request{ProductVersion: "43", Contexts: Words{"release"}, Subjects: subjects(maxSubjects+1, "x")}, nil); !errors.As(err, &bad) {
		t.Errorf("%v", err)
	}
}
