package harness

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
)

// TestImageVersion: of a container image bootc knows the version, and the commit does not.
func TestImageVersion(t *testing.T) {
	booted := host.Deployment{OSName: "os", Checksum: hosttest.Sum('a'), Booted: true, Version: "2026.2",
		Image: &host.Image{Transport: "registry", Name: "quay.io/os:stable"}}
	commit := booted
	commit.Image = nil
	for name, c := range map[string]struct {
		tool   host.Tool
		booted host.Deployment
		want   string
	}{
		"an image":       {host.Bootc, booted, "2026.2"},
		"a commit":       {host.Bootc, commit, ""},
		"another tool's": {host.OSTree, commit, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.New(t)
			hosttest.PlanTools(g, c.tool)
			if c.tool == host.Bootc {
				hosttest.PlanStatus(t, g, c.tool, []host.Deployment{c.booted})
			}
			found, err := host.Detect(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			if got := imageVersion(t.Context(), found); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
