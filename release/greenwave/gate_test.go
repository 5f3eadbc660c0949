package greenwave

import (
	"testing"

	"assay/release"
	"assay/release/releasetest"
)

// TestGateThatRequiresNothingIsShut: rules may not be valid for the build's day.
func TestGateThatRequiresNothingIsShut(t *testing.T) {
	for rule, good := range map[string]bool{
		`{test_case_name: upgrade/plain, scenario: qcow2/x86_64}`:                          true,
		`{test_case_name: upgrade/plain, scenario: qcow2/x86_64, valid_since: 2027-01-01}`: false,
		`{test_case_name: upgrade/plain, scenario: qcow2/x86_64, valid_until: 2026-01-01}`: false,
	} {
		own, err := ParsePolicies("p", []byte("--- !Policy\nid: own\nproduct_versions: [\"43\"]\ndecision_context: release\nsubject_type: compose\nrules:\n  - !PassingTestCaseRule "+rule+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		h := releasetest.NewHistory(t, "fedora-43")
		h.Policy.Gates = []release.Gate{Gate{Policies: own, Context: "release", ProductVersion: "43"}}
		h.Tested("20261102_01")
		if j := release.JudgeBuild(h.Policy, h.State.Line("fedora-43").Build("20261102_01"), h.Now); (j.Standing == release.Good) != good {
			t.Errorf("%s: %s %v", rule, j.Standing, j.Reasons)
		}
	}
}
