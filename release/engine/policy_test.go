package engine

import (
	"strings"
	"testing"

	"assay/release"
)

func (s *stage) source(text string) {
	p := *s.Policy
	p.Source = &release.PolicySet{Text: text, Digest: release.PolicyDigest(text, nil)}
	s.Policy = &p
	s.config.Policies = []*release.Policy{s.Policy}
}

func (s *stage) policies(t *testing.T) (n int) {
	t.Helper()
	for r, err := range s.Log.Read(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e, err := release.Decode(r.Raw); err == nil && e.Type == "policy.set" {
			n++
		}
	}
	return n
}

// TestPolicyIsRecordedWhenItChanges, and before anything is decided by it.
func TestPolicyIsRecordedWhenItChanges(t *testing.T) {
	s := newStage(t)
	s.source("one")
	for range 3 {
		s.step(t)
	}
	if n := s.policies(t); n != 1 {
		t.Errorf("one policy was recorded %d times", n)
	}
	s.Tested("20261102_01")
	s.source("two")
	s.At("2026-11-03T12:00:00Z")
	s.step(t)
	if n, out := s.policies(t), s.State.Line(stream).Out(); n != 2 || out == nil || out.Policy != s.Policy.Digest() || out.Seq < s.State.Line(stream).Policy.Seq {
		t.Errorf("%d policies; out is %+v, in force %+v", n, out, s.State.Line(stream).Policy)
	}
	s.source("one")
	s.step(t)
	if n := s.policies(t); n != 3 {
		t.Errorf("back to the first, and there are %d policies", n)
	}
}

// TestTwoPoliciesDoNotTakeTurns: of two processes with different policies the
// one that was there first stops and says why.
func TestTwoPoliciesDoNotTakeTurns(t *testing.T) {
	s := newStage(t)
	s.source("one")
	first, err := New(t.Context(), s.config)
	if err == nil {
		_, err = first.Step(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.source("two")
	s.step(t)
	for range 3 {
		if _, err := first.Step(t.Context()); err == nil || !strings.Contains(err.Error(), "has set another policy of test-1") {
			t.Fatalf("the first goes on: %v", err)
		}
		s.step(t)
	}
	if n := s.policies(t); n != 2 {
		t.Errorf("%d policies", n)
	}
}
