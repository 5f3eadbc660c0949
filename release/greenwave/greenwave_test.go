package greenwave

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// samples is where policies of real systems are kept, and a skip without it.
func samples(t testing.TB, pattern string) []string {
	t.Helper()
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	files, err := filepath.Glob(filepath.Join(root, "gating", pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skipf("0 samples for %s in ASSAY_SAMPLES", pattern)
	}
	return files
}

func TestReadPoliciesOfRealSystems(t *testing.T) {
	want := map[string]int{"greenwave-fedora.yaml": 13, "greenwave-redhat.yaml": 3, "doc-package-specific-policies-1.yaml": 2,
		"doc-package-specific-policies-3.yaml": 1, "doc-package-specific-policies-4.yaml": 1, "doc-policies-3.yaml": 1}
	for _, f := range samples(t, "greenwave-policy/*.yaml") {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ps, err := ParsePolicies(filepath.Base(f), raw)
		if err != nil {
			t.Error(err)
		}
		if n, ok := want[filepath.Base(f)]; ok && len(ps) != n {
			t.Errorf("%s: %d policies, want %d", f, len(ps), n)
		}
	}
}

const policies = `--- !Policy
id: "compose_gate"
product_versions: [fedora-*]
decision_context: rawhide_compose_sync_to_mirrors
subject_type: compose
rules:
  - !PassingTestCaseRule {test_case_name: compose.install_no_user, scenario: scenario1}
  - !PassingTestCaseRule {test_case_name: compose.install_no_user, scenario: scenario2}
--- !Policy
id: "koji"
product_versions: [fedora-26]
decision_contexts: [stable, testing]
subject_types: [koji_build]
excluded_packages: [kernel, "module-build*"]
rules:
  - !PassingTestCaseRule {test_case_name: dist.abicheck}
  - !PassingTestCaseRule {test_case_name: dist.new, valid_since: 2026-01-01}
--- !Policy
id: "some packages"
product_versions: [fedora-26]
decision_context: testing
subject_type: koji_build
packages: [bash]
rules:
  - !PassingTestCaseRule {test_case_name: dist.bash}
--- !Policy
id: "nothing"
product_versions: [fedora-26]
decision_context: free
subject_type: koji_build
rules: []
--- !Policy
id: "remote"
product_versions: [fedora-26]
decision_context: remote
subject_type: koji_build
rules:
  - !RemoteRule {required: true}
`

func result(id int64, testcase, outcome string, data ...string) Result {
	r := Result{ID: id, Outcome: outcome, SubmitTime: fmt.Sprintf("2026-11-02T03:00:%02d.000000", id%60), Data: map[string][]string{}}
	r.TestCase.Name = testcase
	for _, d := range data {
		k, v, _ := strings.Cut(d, "=")
		r.Data[k] = append(r.Data[k], v)
	}
	return r
}

func waiver(id int64, testcase string, scenario string, waived bool) Waiver {
	w := Waiver{ID: id, SubjectType: "koji_build", Identifier: "bash-5.2-1.fc26", TestCase: testcase, ProductVersion: "fedora-26", Waived: waived, Timestamp: "2026-11-02T04:00:00.000000"}
	if scenario != "" {
		w.Scenario = &scenario
	}
	return w
}

func TestDecide(t *testing.T) {
	ps, err := ParsePolicies("p.yaml", []byte(policies))
	if err != nil {
		t.Fatal(err)
	}
	koji := func(context string, item string) Request {
		return Request{Contexts: Words{context}, ProductVersion: "fedora-26", SubjectType: "koji_build", Identifier: item}
	}
	compose := Request{Contexts: Words{"rawhide_compose_sync_to_mirrors"}, ProductVersion: "fedora-rawhide", Subjects: []Subject{{Compose: "C1"}}}
	const bash = "bash-5.2-1.fc26"
	old := time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		q       Request
		ev      Evidence
		summary string
		met     []string
		unmet   []string
	}{
		"no result": {koji("stable", bash), Evidence{}, "Of 2 required tests, 2 results missing", nil, []string{"test-result-missing dist.abicheck", "test-result-missing dist.new"}},
		"not valid for an older subject": {koji("stable", bash), Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "PASSED")}},
			"All required tests (1 total) have passed or been waived", []string{"test-result-passed dist.abicheck"}, nil},
		"latest counts": {koji("stable", bash), Evidence{Time: old, Results: []Result{result(2, "dist.abicheck", "FAILED"), result(1, "dist.abicheck", "PASSED")}},
			"Of 1 required test, 1 test failed", nil, []string{"test-result-failed dist.abicheck"}},
		"every architecture counts": {koji("stable", bash), Evidence{Time: old, Results: []Result{result(2, "dist.abicheck", "INFO", "system_architecture=x86_64"), result(1, "dist.abicheck", "NEEDS_INSPECTION", "system_architecture=s390x")}},
			"Of 2 required tests, 1 test failed", []string{"test-result-passed dist.abicheck"}, []string{"test-result-failed dist.abicheck"}},
		"running is missing": {koji("stable", bash), Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "RUNNING")}},
			"Of 1 required test, 1 result missing", nil, []string{"test-result-missing dist.abicheck"}},
		"errored": {koji("stable", bash), Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "ERROR")}},
			"Of 1 required test, 1 test errored", nil, []string{"test-result-errored dist.abicheck"}},
		"odd outcome": {koji("stable", bash), Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "passed")}},
			"Of 1 required test, 1 test failed", nil, []string{"test-result-failed dist.abicheck"}},
		"waived": {koji("stable", bash), Evidence{Time: old, Waivers: []Waiver{waiver(7, "dist.abicheck", "", true)}},
			"All required tests (1 total) have passed or been waived", []string{"test-result-missing-waived dist.abicheck"}, nil},
		"waiver taken back": {koji("stable", bash), Evidence{Time: old, Waivers: []Waiver{waiver(7, "dist.abicheck", "", true), waiver(8, "dist.abicheck", "", false)}},
			"Of 1 required test, 1 result missing", nil, []string{"test-result-missing dist.abicheck"}},
		"waiver of another scenario": {koji("stable", bash), Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "FAILED", "scenario=a")}, Waivers: []Waiver{waiver(7, "dist.abicheck", "b", true)}},
			"Of 1 required test, 1 test failed", nil, []string{"test-result-failed dist.abicheck"}},
		"ignored waiver": {Request{Contexts: Words{"stable"}, ProductVersion: "fedora-26", SubjectType: "brew-build", Identifier: bash, IgnoreWaiver: []int64{7}}, Evidence{Time: old, Waivers: []Waiver{waiver(7, "dist.abicheck", "", true)}},
			"Of 1 required test, 1 result missing", nil, []string{"test-result-missing dist.abicheck"}},
		"as of before the result": {Request{Contexts: Words{"stable"}, ProductVersion: "fedora-26", SubjectType: "koji_build", Identifier: bash, When: "2026-11-02T03:00:00"}, Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "PASSED")}},
			"Of 1 required test, 1 result missing", nil, []string{"test-result-missing dist.abicheck"}},
		"excluded package":          {koji("stable", "kernel-6.1-1.fc26"), Evidence{}, "No tests are required", []string{"excluded "}, nil},
		"a policy of some packages": {koji("testing", bash), Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "PASSED")}}, "Of 2 required tests, 1 result missing", []string{"test-result-passed dist.abicheck"}, []string{"test-result-missing dist.bash"}},
		"not of others":             {koji("testing", "zsh-5.2-1.fc26"), Evidence{Time: old, Results: []Result{result(1, "dist.abicheck", "PASSED")}}, "All required tests (1 total) have passed or been waived", []string{"test-result-passed dist.abicheck"}, nil},
		"no rules":                  {koji("free", bash), Evidence{}, "No tests are required", nil, nil},
		"two scenarios": {compose, Evidence{Results: []Result{result(1, "compose.install_no_user", "PASSED", "scenario=scenario1"), result(2, "compose.install_no_user", "FAILED", "scenario=scenario2")}},
			"Of 2 required tests, 1 test failed", []string{"test-result-passed compose.install_no_user"}, []string{"test-result-failed compose.install_no_user"}},
		"on demand": {Request{ProductVersion: "x", SubjectType: "koji_build", Identifier: bash, Rules: []RequestRule{{Type: "PassingTestCaseRule", TestCase: "t"}}}, Evidence{Results: []Result{result(1, "t", "PASSED")}},
			"All required tests (1 total) have passed or been waived", []string{"test-result-passed t"}, nil},
		"remote rule, nobody looked": {koji("remote", bash), Evidence{}, "Of 1 required test, 1 test failed", nil, []string{"failed-fetch-gating-yaml failed-fetch-gating-yaml"}},
		"remote rule, none there":    {koji("remote", bash), Evidence{Remote: []RemoteFile{{Source: "s"}}}, "Of 1 required test, 1 test failed", nil, []string{"missing-gating-yaml missing-gating-yaml"}},
		"remote rule, invalid":       {koji("remote", bash), Evidence{Remote: []RemoteFile{{Source: "s", Found: true, Data: []byte("--- !Policy\nrulez: 1")}}}, "Of 1 required test, 1 test failed", nil, []string{"invalid-gating-yaml invalid-gating-yaml"}},
		"remote rule, fetched": {koji("remote", bash), Evidence{Remote: []RemoteFile{{Source: "s", Found: true, Data: []byte("--- !Policy\nproduct_versions: [fedora-26]\ndecision_context: remote\nrules:\n  - !PassingTestCaseRule {test_case_name: own}\n")}}},
			"Of 1 required test, 1 result missing", []string{"fetched-gating-yaml fetched-gating-yaml"}, []string{"test-result-missing own"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Decide(ps, c.q, func(Subject, time.Time) (Evidence, error) { return c.ev, nil })
			if err != nil {
				t.Fatal(err)
			}
			if got := names(d.Met); !slices.Equal(got, c.met) {
				t.Errorf("satisfied: %q, want %q", got, c.met)
			}
			if got := names(d.Unsatisfied); !slices.Equal(got, c.unmet) {
				t.Errorf("unsatisfied: %q, want %q", got, c.unmet)
			}
			if d.Summary != c.summary || d.Satisfied != (len(c.unmet) == 0) {
				t.Errorf("%v, %q, want %q", d.Satisfied, d.Summary, c.summary)
			}
		})
	}
	// What is no pass.
	none := func(Subject, time.Time) (Evidence, error) { return Evidence{}, nil }
	var missing *NotFoundError
	if _, err := Decide(ps, koji("elsewhere", bash), none); !errors.As(err, &missing) {
		t.Errorf("no applicable policy: %v", err)
	}
	if _, err := Decide(ps, Request{Contexts: Words{"stable"}, ProductVersion: "fedora-26", SubjectType: "bodhi_update", Identifier: "U"}, none); !errors.As(err, &missing) {
		t.Errorf("an update without a policy: %v", err)
	}
	if _, err := Decide(ps, koji("stable", bash), func(Subject, time.Time) (Evidence, error) { return Evidence{}, errors.New("down") }); err == nil {
		t.Error("without evidence there is a decision")
	}
}

func names(rs []Requirement) (out []string) {
	for _, r := range rs {
		out = append(out, r.Type+" "+r.TestCase)
	}
	return out
}

func TestBadPolicies(t *testing.T) {
	for raw, says := range map[string]string{
		"":                                "it has no !Policy",
		"id: x":                           "p:1:1: want a document tagged !Policy",
		"--- !Policy\n[]":                 "want a mapping",
		"--- !Policy\nid: x\nid: y":       `p:3:1: "id" stands here twice`,
		"--- !Policy\nproduct_version: x": `p:2:1: unknown attribute "product_version"`,
		"--- !Policy\nproduct_versions: [a]\ndecision_context: c\nsubject_type: s":                                    "the policy has no rules",
		"--- !Policy\nproduct_versions: [a]\ndecision_context: c\nrules: []":                                          "the policy has no subject_type",
		"--- !Policy\nproduct_versions: [a]\nsubject_type: s\nrules: []":                                              "the policy has no decision_context",
		"--- !Policy\nproduct_versions: ['[']\nsubject_type: s\nrules: []":                                            "p:2:20: pattern",
		"--- !Policy\nproduct_versions: [a]\ndecision_context: c\ndecision_contexts: [c]\nsubject_type: s\nrules: []": "both the singular and the plural",
		"--- !Policy\nrules:\n  - !PassingTestCase {test_case_name: x}":                                               "p:3:5: unknown rule !PassingTestCase",
		"--- !Policy\nrules:\n  - !PassingTestCaseRule {scenario: x}":                                                 "the rule has no test_case_name",
		"--- !Policy\nrules:\n  - !PassingTestCaseRule {test_case_name: x, valid_since: soon}":                        "want a date",
		"--- !Policy\nrules:\n  - !RemoteRule {required: 1}":                                                          "Attribute 'required': Expected a boolean value, got: 1",
		"--- !Policy\nrules: {a: b}":                                                                                  "want a list of rules",
		"--- !Policy\nid: [":                                                                                          "p: yaml",
		strings.Repeat("#", MaxSize+1):                                                                                "more than",
	} {
		if _, err := ParsePolicies("p", []byte(raw)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: %v, want %q", raw, err, says)
		}
	}
}

func TestHandler(t *testing.T) {
	ps, err := ParsePolicies("p.yaml", []byte(policies))
	if err != nil {
		t.Fatal(err)
	}
	h := releasetest.NewHistory(t, "test-1")
	h.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
	asked := 0
	own, err := ParsePolicies("own.yaml", []byte("--- !Policy\nid: own\nproduct_versions: [test-1]\ndecision_context: release\nsubject_type: compose\nrules:\n  - !PassingTestCaseRule {test_case_name: upgrade/plain}\n  - !PassingTestCaseRule {test_case_name: base/running, scenario: qcow2/x86_64}\n"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(Handler(func() []Policy { return append(ps, own...) }, func(_ *http.Request, q Request, _ time.Time, do func([]Policy, func(Subject) (Evidence, error)) error) error {
		asked++
		return do(append(ps, own...), func(s Subject) (Evidence, error) {
			if s.Item == "broken" {
				return Evidence{}, errors.New("results are down")
			}
			ev, _ := StateEvidence(h.Policy, h.State, q, h.Now)(s)
			return ev, nil
		})
	}))
	defer srv.Close()
	post := func(body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/api/v1.0/decision", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, got
	}
	const ours = `{"decision_context": "release", "product_version": "test-1", "subject_type": "compose", "subject_identifier": "Test-20261102_01"}`
	status, got := post(ours)
	if status != 200 || got["policies_satisfied"] != false || got["summary"] != "Of 3 required tests, 2 tests failed" {
		t.Errorf("%d %v", status, got)
	}
	q := got["unsatisfied_requirements"].([]any)[0].(map[string]any)
	if q["type"] != "test-result-failed" || q["scenario"] == nil || q["subject_identifier"] != "Test-20261102_01" || q["result_id"] == nil {
		t.Errorf("requirement: %v", q)
	}
	h.MustSay(&release.CheckWaived{Waiver: "w", Build: "20261102_01", Check: "upgrade/plain", Word: releasetest.Word("x"), Expires: h.Now.AddDate(0, 0, 1)})
	if status, got := post(ours); status != 200 || got["policies_satisfied"] != true || got["summary"] != "All required tests (3 total) have passed or been waived" {
		t.Errorf("waived: %d %v", status, got)
	}
	for body, want := range map[string]int{
		`{`: 400, ``: 400, `[]`: 400, `{"product_version": "x"}`: 400,
		`{"product_version": "x", "decision_context": 7}`:                                                                                              400,
		`{"product_version": "fedora-26", "decision_context": "stable", "subject": [{"item": "x"}]}`:                                                   400,
		`{"product_version": "fedora-26", "decision_context": "stable", "subject_type": "koji_build", "subject_identifier": "x", "when": "yesterday"}`: 400,
		`{"product_version": "fedora-26", "decision_context": "nowhere", "subject_type": "koji_build", "subject_identifier": "x"}`:                     404,
		`{"product_version": "test-1", "decision_context": ["release"], "subject_type": "compose", "subject_identifier": "broken"}`:                    502,
		`"` + strings.Repeat("x", maxBody) + `"`:                                                                                                       413,
	} {
		if status, got := post(body); status != want || got["message"] == "" {
			t.Errorf("%.80s: %d %v, want %d", body, status, got, want)
		}
	}
}

func TestGate(t *testing.T) {
	own, err := ParsePolicies("own.yaml", []byte("--- !Policy\nid: own\nproduct_versions: [43]\ndecision_context: release\nsubject_type: compose\nrules:\n  - !PassingTestCaseRule {test_case_name: assay.run}\n  - !PassingTestCaseRule {test_case_name: rollback/plain}\n"))
	if err != nil {
		t.Fatal(err)
	}
	h := releasetest.NewHistory(t, "test-1")
	h.Policy.Gates = []release.Gate{Gate{Policies: own, Context: "release", ProductVersion: "43"}}
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	d := h.Decide()
	if d.Action != release.Wait || !strings.Contains(d.Text(), "greenwave policy at release: rollback/plain test-result-missing") {
		t.Errorf("%s", d.Text())
	}
	h.MustSay(&release.CheckWaived{Waiver: "w", Build: "20261102_01", Check: "rollback/plain", Word: releasetest.Word("x"), Expires: h.Now.AddDate(0, 0, 1)})
	if d := h.Decide(); d.Action != release.Promote {
		t.Errorf("%s", d.Text())
	}
	h.Policy.Gates = []release.Gate{Gate{Policies: own, Context: "relaese", ProductVersion: "43"}}
	if d := h.Decide(); d.Action != release.Wait || !strings.Contains(d.Text(), "no applicable policies") {
		t.Errorf("%s", d.Text())
	}
}

func FuzzParsePolicies(f *testing.F) {
	f.Add([]byte(policies))
	f.Fuzz(func(t *testing.T, data []byte) {
		ps, err := ParsePolicies("p", data)
		if err != nil {
			return
		}
		for _, p := range ps {
			if len(p.Contexts) == 0 || len(p.ProductVersions) == 0 || len(p.SubjectTypes) == 0 {
				t.Fatalf("%+v", p)
			}
		}
	})
}
