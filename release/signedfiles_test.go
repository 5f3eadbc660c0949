package release_test

import (
	"testing"

	"assay/release"
	"assay/release/releasetest"
)

func TestSignedFilesOfEachRelease(t *testing.T) {
	h := releasetest.NewHistory(t, "fedora-43").At("2026-11-03T12:00:00Z")
	h.Tested("20261103_01")
	if n := len(h.State.Line("fedora-43").SignedFiles()); n != 0 {
		t.Fatalf("%d releases have signatures before anybody signed", n)
	}
	effects := release.Effects(h.Policy, h.State, h.Now)
	if len(effects) != 1 || effects[0].Kind != release.EffectSign {
		t.Fatalf("%+v", effects)
	}
	sum := releasetest.Digest("20261103_01", "sum")
	h.Record(release.Self, &release.EffectDone{Key: effects[0].Key, Attempt: 1, Kind: release.EffectSign,
		Files: []release.File{{Name: "CHECKSUM", Digest: sum}}})
	l := h.State.Line("fedora-43")
	got := l.SignedFiles()[l.Out().Seq]
	if len(got) != 1 || got[0].Key != "key" || got[0].Name != "CHECKSUM" || got[0].Digest != sum {
		t.Fatalf("%+v", got)
	}
}
