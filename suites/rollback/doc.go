// Package rollback is the criterion of the way back (S6): a host that upgraded
// returns by each of its tools to the deployment that it had before. What was
// never upgraded owes no rollback, so nearly all checks start from an upgraded
// host.
package rollback

import "assay/suites/check"

var suite = check.Suite{
	Name:      "rollback",
	Criterion: "S6",
	Title:     "an upgraded host returns by each of its tools to what it was before",
}
