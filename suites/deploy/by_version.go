package deploy

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "by-version", Title: "%s deploys another version by its name",
	Isolated: true, NeedsTrees: true, Limit: 6 * time.Minute,
}, byVersion, host.RPMOSTree, host.AtomicHost)...)

func byVersion(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	older, err := h.Older(0)
	if err != nil {
		return err
	}
	if older.Version == "" {
		return check.Skipf("the older tree %s has no version", deployments.DescribeTree(older))
	}
	if err := h.Follow(ctx); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if _, err := h.Deploy(ctx, host.DeployOptions{Revision: older.Version}); err != nil {
		return err
	}
	return h.Pending(ctx, before, older)
}
