package host

import (
	"testing"

	"assay/harness/guest/guesttest"
)

// TestDeployOnAHostThatNeverPulled: seen with ostree 2025.2.
func TestDeployOnAHostThatNeverPulled(t *testing.T) {
	g := guesttest.New(t)
	deploy := []string{"ostree", "admin", "upgrade", "--override-commit=" + sumA, "--allow-downgrade"}
	g.On(deploy[0], deploy[1], deploy[2], deploy[3], deploy[4]).Says("error: Refspec 'assay:os/stable' not found\n").Exits(1).
		Then().Prints("Transaction complete; bootconfig swap: yes; deployment count change: 1\n")
	g.On("ostree", "pull", "--commit-metadata-only", "assay", "os/stable")
	out, err := New(OSTree, g).Deploy(t.Context(), DeployOptions{Revision: sumA})
	if err != nil || !out.Changed {
		t.Errorf("%+v, %v", out, err)
	}
	g.AssertAllUsed()
}
