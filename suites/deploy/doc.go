// Package deploy is the criterion of other versions (S7): an older version can
// be deployed, from a fresh and from an upgraded host, and left again; what
// does not exist is refused; what is not needed is cleaned up.
package deploy

import "assay/suites/check"

var suite = check.Suite{
	Name:      "deploy",
	Criterion: "S7",
	Title:     "an older version can be deployed, fresh and upgraded, and left again",
}
