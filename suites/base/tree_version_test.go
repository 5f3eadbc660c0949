package base

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/suitetest"
)

func TestTreeVersion(t *testing.T) {
	told := func(version string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			hosttest.PlanTools(g, host.OSTree)
			hosttest.PlanStatus(t, g, host.OSTree, []host.Deployment{deployment(func(d *host.Deployment) { d.Booted = true })})
			g.On("sh", "-c", deployments.ReleaseScript, "sh").Prints(version)
		}
	}
	suitetest.Run(t, "base/tree-version", []suitetest.Case{
		{Name: "same", Guest: told("1\n")},
		{Name: "another", Want: reports.Failed, Says: []string{"is version 1, and the tree in it says OSTREE_VERSION=2"}, Guest: told("2\n")},
		{Name: "no ostree host", Want: reports.Skipped, Guest: func(g *guesttest.Fake, _ *check.Env) { hosttest.PlanTools(g) }},
	})
}
