// Package powercut cuts a guest's power at random moments while the host is
// changed: in the download, in the staging, in the shutdown that makes the new
// tree the one to boot. It must come back every time, with the old tree or the
// new one, whole, with what its users did, and able to do what was broken off.
//
// Each check logs the seed of its moments. Rounds share a guest, so that what
// one cut leaves behind is there in the next.
package powercut

import "assay/suites/check"

var suite = check.Suite{
	Name:      "powercut",
	Criterion: "S5",
	Title:     "a host that loses its power while it is changed comes back whole",
}
