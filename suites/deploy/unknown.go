package deploy

import (
	"context"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "unknown-version", Title: "a version that does not exist is refused, and nothing changes",
	Isolated: true, NeedsTrees: true, Tools: []host.Tool{host.RPMOSTree, host.AtomicHost}, Limit: 6 * time.Minute,
	Run: deployments.ForEach(unknown("0.assay.none")),
}, check.Check{
	Name: "unknown-checksum", Title: "a checksum that does not exist is refused, and nothing changes",
	Isolated: true, NeedsTrees: true, Limit: 6 * time.Minute, Run: deployments.ForEach(unknown(strings.Repeat("0123456789abcdef", 4))),
})

func unknown(revision string) func(ctx context.Context, t *check.T, h deployments.Host) error {
	return func(ctx context.Context, t *check.T, h deployments.Host) error {
		if _, err := deployments.Trees(t); err != nil {
			return err
		}
		if err := h.Follow(ctx); err != nil {
			return err
		}
		before, _, err := h.Booted(ctx)
		if err != nil {
			return err
		}
		_, err = h.Deploy(ctx, host.DeployOptions{Revision: revision})
		if err := h.Refused(err, "deploy "+revision+", which does not exist"); err != nil {
			return err
		}
		return h.Unchanged(ctx, before, "a deploy of what does not exist by "+string(h.Tool()))
	}
}
