// Package web is a suite of our own: what we promise of the images that our web
// service runs on.
package web

import "assay/suites/check"

// suite is one criterion: the first half of every check's id.
var suite = check.Suite{
	Name:      "web",
	Criterion: "W1",
	Title:     "the web service runs and is reached",
}
