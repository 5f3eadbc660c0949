package publish

import (
	"path/filepath"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/engine"
	"assay/release/releasetest"
	"assay/release/sign/signtest"
)

// TestEngineSignsPublishesAndFallsBack drives the real signer and publisher as the
// release stage does: by its history alone.
func TestEngineSignsPublishesAndFallsBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	h := releasetest.NewHistory(t, "test-43")
	h.Policy.Artifacts = []release.Wanted{{ID: release.NewArtifactID("qcow2", artifact.X8664)}, {ID: release.NewArtifactID("raw.xz", artifact.X8664)}}
	h.Policy.Refs = []release.Glob{"*"}
	h.Policy.Targets = []release.Target{{Name: "target"}}
	others := &releasetest.Adapter{}
	step := func() {
		t.Helper()
		e, err := engine.New(t.Context(), engine.Config{Log: h.Log, Policies: []*release.Policy{h.Policy}, Now: func() time.Time { return h.Now }, Tell: t.Logf, Alone: true,
			Adapters: map[engine.Target]release.Performer{
				{Kind: release.EffectSign, Name: "key"}:       b.signer,
				{Kind: release.EffectPublish, Name: "target"}: b.publisher,
				{Kind: release.EffectAnnounce, Name: "mail"}:  others,
				{Kind: release.EffectBug, Name: "tracker"}:    others,
			}})
		if err == nil {
			_, err = e.Step(t.Context())
		}
		if err == nil {
			err = h.State.CatchUp(t.Context(), h.Log)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []struct {
		id release.BuildID
		at string
	}{{"20261102_01", "2026-11-03T12:00:00Z"}, {"20261116_01", "2026-11-17T12:00:00Z"}} {
		m := signtest.NewBuild(t, filepath.Join(b.builds, string(r.id)), r.id)
		b.made[r.id] = m
		h.At(r.at).Add(-time.Hour)
		h.Record(release.Self, &release.BuildSeen{Build: r.id, Created: h.Now, Artifacts: m.Artifacts, Commits: m.Commits}).Next()
		for _, a := range m.Answers {
			h.Record(release.Self, &a)
		}
		h.At(r.at)
		step()
		if p := b.look(t); p.Build != r.id || !release.IsPublished(h.Policy, h.State) {
			t.Fatalf("at %s: readers are given %q", r.at, p.Build)
		}
	}
	h.Add(24 * time.Hour).MustSay(&release.ReleaseRevoked{Build: "20261116_01", Word: release.Word{Reason: "does not boot"}})
	step()
	if p := b.look(t); p.Build != "20261102_01" || p.Revoked == nil || p.Revoked.Build != "20261116_01" {
		t.Fatalf("revoked: %+v", p)
	}
	b.follow(t, b.made["20261116_01"].Commits[0].Checksum)
}
