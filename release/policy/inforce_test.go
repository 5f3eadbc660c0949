package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"assay/release"
	"assay/release/greenwave"
	"assay/release/releasetest"
)

const two = `stream: test-1
title: Test OS
artifacts: {required: [qcow2/x86_64, vagrant-libvirt/x86_64]}
refs: ["test/*"]
tests: {retries: 1, timeout: 6h}
calendar: {weeks: 2, first: "2026-11-03", at: "12:00", zone: UTC}
when_nothing_passed: retry
`

func parsed(t *testing.T, text string, files fstest.MapFS) *release.Policy {
	t.Helper()
	p, err := Parse("p.yaml", []byte(text), files)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asOf(t *testing.T, h *releasetest.History, at time.Time) *release.State {
	t.Helper()
	s := release.NewStateAsOf(at)
	if err := s.CatchUp(t.Context(), h.Log); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDecisionsAreReplayedByTheirPolicy: a release that today's policy would not
// make is explained by the one that made it, to the letter.
func TestDecisionsAreReplayedByTheirPolicy(t *testing.T) {
	mild := parsed(t, two+"criteria: [{checks: \"upgrade/*\", blocking: false}]\n", nil)
	strict := parsed(t, two+"require: [{checks: \"security/*\"}]\n", nil)
	h := releasetest.NewHistory(t, "test-1")
	h.Policy = mild
	const b = release.BuildID("20261102_01")
	h.Tested(b, releasetest.Failed("upgrade/plain"))
	h.At("2026-11-03T12:00:00Z")
	moment := h.Now
	made := h.Decide()
	h.Next()
	if h.Out() != b {
		t.Fatalf("out is %q: %s", h.Out(), made.Text())
	}
	if got := h.State.Line("test-1").Out().Policy; got != mild.Digest() || got == "" {
		t.Errorf("the release names policy %q, not %q", got, mild.Digest())
	}
	h.Add(time.Hour)
	h.Policy = strict
	h.Next()
	h.Add(time.Hour)
	h.Policy = mild // and back: a policy may be in force twice
	h.Next()
	h.Policy = strict
	h.Add(time.Hour).Next()
	if in := h.State.Line("test-1").Policy; in == nil || in.Digest != strict.Digest() || !in.Since.Equal(h.Now) {
		t.Errorf("in force is %+v", in)
	}

	// The moment of the decision, before it was recorded.
	then := asOf(t, h, moment.Add(-time.Nanosecond))
	p, err := InForce(t.Context(), h.Log, then.Line("test-1"))
	if err != nil || p.Digest() != mild.Digest() {
		t.Fatalf("in force then: %+v, %v", p, err)
	}
	for range 3 {
		again, err := json.Marshal(release.Decide(p, then, moment))
		want, _ := json.Marshal(made)
		if err != nil || string(again) != string(want) {
			t.Fatalf("decided again:\n%s\nand it was\n%s\n%v", again, want, err)
		}
	}
	if d := release.Decide(strict, then, moment); d.Action == release.Promote {
		t.Error("today's policy makes no difference, so this test shows nothing")
	}
	for _, c := range []struct {
		p    *release.Policy
		at   time.Time
		says string
	}{
		{p, moment, "By the policy that was set 2026-11-02 03:00 UTC (" + string(mild.Digest())[:19]},
		{p, moment, "for 2026-11-03, by policy " + string(mild.Digest())[:19]},
		{strict, moment, "By another policy than the one in force, which was set 2026-11-02 03:00 UTC"},
		{strict, releasetest.Start.Add(-time.Second), "is not known"},
		{strict, h.Now, "By the policy that was set " + h.Now.Format("2006-01-02 15:04 MST")},
	} {
		if text := release.Explain(c.p, asOf(t, h, c.at), b, c.at); !strings.Contains(text, c.says) {
			t.Errorf("at %s it does not say %q:\n%s", c.at, c.says, text)
		}
	}
}

func TestGreenwaveFilesBelongToThePolicy(t *testing.T) {
	const gated = two + "greenwave: [{file: gates.yaml, context: c, product_version: v}]\n"
	gate := func(test string) fstest.MapFS {
		return fstest.MapFS{"gates.yaml": {Data: []byte("--- !Policy\nid: g\nproduct_versions: [v]\ndecision_context: c\nsubject_type: compose\nrules:\n  - !PassingTestCaseRule {test_case_name: " + test + "}\n")}}
	}
	a, b := parsed(t, gated, gate("a/a")), parsed(t, gated, gate("b/b"))
	if a.Digest() == b.Digest() {
		t.Error("another gate is the same policy")
	}
	h := releasetest.NewHistory(t, "test-1")
	h.Policy = a
	h.Next()
	p, err := InForce(t.Context(), h.Log, h.State.Line("test-1"))
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := p.Gates[0].(greenwave.Gate); !ok || g.Policies[0].Rules[0].TestCase != "a/a" {
		t.Errorf("gates: %+v", p.Gates)
	}
}

func TestHistoryWithoutAPolicy(t *testing.T) {
	h := releasetest.NewHistory(t, "test-1")
	h.Tested("20261102_01")
	p, err := InForce(t.Context(), h.Log, h.State.Line("test-1"))
	if p != nil || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if text := release.Explain(parsed(t, two, nil), h.State, "20261102_01", h.Now); !strings.Contains(text, "The history has no policy of that time") {
		t.Error(text)
	}
	// A policy that cannot be read, or is another stream's, is no policy.
	for name, text := range map[string]string{"of a later assay": two + "moon: full\n", "of another stream": strings.Replace(two, "test-1", "test-2", 1)} {
		set := &release.PolicySet{Text: text, Digest: release.PolicyDigest(text, nil)}
		h.Record(release.Self, set)
		if p, err := InForce(t.Context(), h.Log, h.State.Line("test-1")); err == nil || !strings.Contains(err.Error(), "cannot read the policy of test-1 that was set by event") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestPolicyFitsAnEvent(t *testing.T) {
	filler := two + "about: '" + strings.Repeat(`""\\`, MaxSize/4-200) + "'\n"
	p := parsed(t, filler, nil)
	e, err := release.NewEvent("test-1", releasetest.Start, release.Self, p.Source)
	if err == nil {
		_, err = release.Encode(release.Head{}, e)
	}
	if err != nil {
		t.Error(err)
	}
	_, err = Parse("p.yaml", []byte(two+"greenwave: [{file: g, context: c, product_version: v}]\n"), fstest.MapFS{"g": {Data: []byte("# " + strings.Repeat("x", MaxSize-100) + "\n--- !Policy\nid: g\nproduct_versions: [v]\ndecision_context: c\nsubject_type: compose\nrules: []\n")}})
	if err == nil || !strings.Contains(err.Error(), "the policy and the files it names have") {
		t.Error(err)
	}
}
