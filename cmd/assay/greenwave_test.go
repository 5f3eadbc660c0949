package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/greenwave"
	"assay/release/releasetest"
)

// TestDecisionOfThen: asked about a time past, the decision call answers by the
// policies and the waivers of then.
func TestDecisionOfThen(t *testing.T) {
	h := newHost(t)
	rule := func(check string) {
		h.write("gates.yaml", `--- !Policy
id: by `+check+`
decision_contexts: [release]
subject_type: compose
product_versions: [demo]
rules:
  - !PassingTestCaseRule {test_case_name: `+check+`, scenario: qcow2/x86_64}
`)
	}
	rule("base/clock")
	h.assay("serve", "--once")
	h.build("20261121_01", "rejected")
	moment := func() string { return time.Now().UTC().Format(time.RFC3339Nano) }
	failed := moment()
	h.assay("release", "waive", "20261121_01", "base/clock", "--reason", "the host's", "--link", "https://bugs.example/1", "--until", "7d", "--as", "alice", "--yes")
	waived := moment()
	h.assay("release", "unwaive", "20261121_01", "base/clock", "--reason", "it was the image", "--as", "alice", "--yes")
	unwaived := moment()
	rule("base/none")
	s := h.serve()
	ask := func(when string) string {
		t.Helper()
		if when != "" {
			when = `"when": "` + when + `", `
		}
		_, answer := s.call("POST", "/greenwave/api/v1.0/decision", "", `{`+when+`"decision_context": "release", "product_version": "demo", "subject_type": "compose", "subject_identifier": "Demo-20261121_01"}`)
		return answer
	}
	for _, c := range []struct{ what, when, satisfied, policy, says string }{
		{"now, by another policy", "", "false", "by base/none", "test-result-missing"},
		{"failed", failed, "false", "by base/clock", `"test-result-failed"`},
		{"waived", waived, "true", "by base/clock", "test-result-failed-waived"},
		{"taken back", unwaived, "false", "by base/clock", `"test-result-failed"`},
	} {
		answer := ask(c.when)
		for _, want := range []string{`"policies_satisfied":` + c.satisfied, `"` + c.policy + `"`, c.says} {
			if !strings.Contains(answer, want) {
				t.Errorf("%s: no %s in %s", c.what, want, answer)
			}
		}
	}
	if _, answer := s.call("GET", "/greenwave/api/v1.0/policies", "", ""); !strings.Contains(answer, "base/none") || strings.Contains(answer, "base/clock") {
		t.Errorf("policies of now: %s", answer)
	}
	s.stop()
}

// TestOneLostPolicyIsThatOfItsStream: others are decided about all the same.
func TestOneLostPolicyIsThatOfItsStream(t *testing.T) {
	h := releasetest.NewHistory(t, "one").Build("20261102_01")
	other := &releasetest.History{TB: t, Log: h.Log, State: h.State, Policy: releasetest.Policy("two"), Now: h.Now}
	seen := releasetest.BuildSeen(other.Policy, "20261102_01", h.Now)
	seen.Compose = "Two-20261102.n.0"
	other.Record(release.Self, seen)
	lost := errors.New("the event is not what it was")
	then := func(p *release.Policy) (*release.Policy, error) {
		if p.Stream == "two" {
			return nil, lost
		}
		return p, nil
	}
	for version, want := range map[string]error{"one": nil, "two": lost, "three": nil} {
		_, evidence, err := evidenceThen([]*release.Policy{h.Policy, other.Policy}, h.State, greenwave.Request{ProductVersion: version}, h.Now, then)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", version, err, want)
		}
		if err != nil {
			continue
		}
		for compose, want := range map[string]error{"Test-20261102_01": nil, "Two-20261102.n.0": lost, "Three": nil} {
			if _, err := evidence(greenwave.Subject{Item: compose, Type: "compose"}); !errors.Is(err, want) {
				t.Errorf("%s, %s: %v, want %v", version, compose, err, want)
			}
		}
	}
}
