package base

import (
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "tree-version", Title: "the tree calls itself by the version that its commit has", Run: deployments.TellsVersion,
})
