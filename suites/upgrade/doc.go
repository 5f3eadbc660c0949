// Package upgrade is the criterion of updates (S5): a host follows a newly
// composed tree by every tool it has, keeps what its users did, and is none the
// worse for an update that cannot be had.
package upgrade

import "assay/suites/check"

var suite = check.Suite{
	Name:      "upgrade",
	Criterion: "S5",
	Title:     "a host upgrades to a new tree by each of its tools and keeps what is its user's",
}
