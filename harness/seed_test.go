package harness

import (
	"testing"

	"assay/cloudinit"
	"assay/harness/network"
)

// The seed can be said in both formats, and the check is told of the route.
func TestSeedHasARouteOfItsOwn(t *testing.T) {
	for _, f := range cloudinit.Formats() {
		s, err := newSeed("run", "boot", t.TempDir(), f, seedNetwork())
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if s.env.SeedRoute != seedRoute {
			t.Errorf("%s: checks are told of the route %q, want %q", f, s.env.SeedRoute, seedRoute)
		}
		if s.env.RunCmdProof.Text == "" || s.env.WriteFilesProof.Text == "" || s.env.RunCmdProof == s.env.WriteFilesProof {
			t.Errorf("%s: checks are told of the proofs %v and %v", f, s.env.RunCmdProof, s.env.WriteFilesProof)
		}
		if s.env.ServedName != network.GatewayName || s.env.ServedAddress != network.GatewayIP {
			t.Errorf("%s: checks are told of the name %q with address %q", f, s.env.ServedName, s.env.ServedAddress)
		}
	}
}
