package release_test

import (
	"testing"

	"assay/artifact"
	"assay/release"
	"assay/release/releasetest"
)

// TestOnlyWhatWasBootedIsSigned: commits that are announced after the tests, or
// after the decision, reach no signer and no publisher.
func TestOnlyWhatWasBootedIsSigned(t *testing.T) {
	const b = release.BuildID("20261102_01")
	other := func(ref string, id release.ArtifactID) *release.BuildSeen {
		f := releasetest.BuildSeen(releasetest.Policy(stream), b, releasetest.Start)
		f.Artifacts = nil
		f.Commits = []release.Commit{{Arch: artifact.X8664, Ref: ref, Checksum: releasetest.Digest(b, id).Hex()}}
		return f
	}
	for name, seen := range map[string]*release.BuildSeen{
		"a commit nobody booted":   other("test/x86_64/other", "evil"),
		"another stream's ref":     other("fedora/43/x86_64/host", "commit"),
		"of an arch nobody tested": {Build: b, Created: releasetest.Start, Commits: []release.Commit{{Arch: "s390x", Ref: "foreign", Checksum: releasetest.Digest(b, "commit").Hex()}}},
	} {
		h := releasetest.NewHistory(t, stream)
		h.Tested(b).Record(release.Self, seen)
		if j := release.JudgeBuild(h.Policy, h.State.Line(stream).Build(b), h.Now); j.Standing == release.Good {
			t.Errorf("announced after the tests: %s passes", name)
		}
	}
	// An answer that names another commit than the announced one.
	h := releasetest.NewHistory(t, stream)
	h.Build(b).Next()
	for _, w := range h.Policy.Artifacts {
		a := releasetest.Answer(b, w.ID, 1, h.Now)
		a.OSTreeCommit = releasetest.Digest(b, "evil").Hex()
		h.Record(release.Self, a)
	}
	if j := release.JudgeBuild(h.Policy, h.State.Line(stream).Build(b), h.Now); j.Standing != release.Refused || j.Reasons[0].Code != release.ReasonContradict {
		t.Errorf("another commit was booted: %s %v", j.Standing, j.Reasons)
	}
	// After the decision.
	h = releasetest.NewHistory(t, stream)
	h.Tested(b).At("2026-11-03T12:00:00Z").Next()
	if h.Out() != b {
		t.Fatalf("out is %q: %s", h.Out(), h.Decide().Text())
	}
	h.Record(release.Self, other("test/x86_64/other", "evil"))
	work := release.Effects(h.Policy, h.State, h.Now)
	signs := 0
	for _, e := range work {
		if e.Sign != nil {
			signs++
			if c := e.Sign.Commits; len(c) != 1 || c[0].Ref != "test/x86_64/host" {
				t.Errorf("signed: %v", c)
			}
		}
	}
	if signs != 1 {
		t.Errorf("effects: %v", work)
	}
	if c := h.State.Line(stream).Out().Commits; len(c) != 1 {
		t.Errorf("published: %v", c)
	}
}
