package harness

import (
	"testing"

	"assay/cloudinit"
)

// The seed can be said in both formats, and the check is told of the route.
func TestSeedHasARouteOfItsOwn(t *testing.T) {
	for _, f := range cloudinit.Formats() {
		s, err := newSeed("run", "boot", t.TempDir(), f)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if s.env.SeedRoute != seedRoute {
			t.Errorf("%s: checks are told of the route %q, want %q", f, s.env.SeedRoute, seedRoute)
		}
	}
}
