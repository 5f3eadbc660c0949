package upgrade

import (
	"context"

	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "version", Title: "the new tree calls itself by the version that it was announced with", State: check.Upgraded, Run: deployments.With(version),
})

func version(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if h.Derived() {
		return check.Skipf("the update is the image's own tree under another version")
	}
	return deployments.TellsVersion(ctx, t)
}
