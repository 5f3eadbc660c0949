package harness

import (
	"errors"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
)

// TestImageVersion: of a container image bootc knows the version, and the commit does not.
func TestImageVersion(t *testing.T) {
	booted := host.Deployment{OSName: "os", Checksum: hosttest.Sum('a'), Booted: true, Version: "2026.2",
		Image: &host.Image{Transport: "registry", Name: "quay.io/os:stable", Digest: "sha256:" + hosttest.Sum('d')}}
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
			if got, digest, err := imageIdentity(t.Context(), found); err != nil || got != c.want || (digest != "") != (c.want != "") {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// TestImageVersionUnanswered: what bootc refuses is for its checks to name; of a
// guest that is lost nothing is known.
func TestImageVersionUnanswered(t *testing.T) {
	for name, c := range map[string]struct {
		plan func(*guesttest.Plan)
		lost bool
	}{
		"refused": {func(p *guesttest.Plan) { p.Says("error: no").Exits(1) }, false},
		"lost":    {func(p *guesttest.Plan) { p.Fails(&guest.TransportError{Op: "run", Err: errors.New("EOF")}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.New(t)
			hosttest.PlanTools(g, host.Bootc)
			c.plan(g.On("bootc", "status", guesttest.Rest))
			found, err := host.Detect(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			if got, _, err := imageIdentity(t.Context(), found); got != "" || (err != nil) != c.lost {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
