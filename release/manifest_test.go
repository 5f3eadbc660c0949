package release_test

import (
	"testing"

	"assay/release"
)

// TestManifestArch: what changed is told of what most people have.
func TestManifestArch(t *testing.T) {
	for want, ids := range map[string][]release.ArtifactID{
		"x86_64":  {"qcow2/aarch64", "qcow2/x86_64"},
		"aarch64": {"qcow2/aarch64", "qcow2/s390x"},
	} {
		r := &release.Release{}
		for _, id := range ids {
			r.Artifacts = append(r.Artifacts, release.Tested{Artifact: id})
		}
		if got := r.ManifestArch(); string(got) != want {
			t.Errorf("%v: %s", ids, got)
		}
	}
}
