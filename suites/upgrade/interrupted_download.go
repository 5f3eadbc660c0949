package upgrade

import (
	"context"
	"errors"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "interrupted-download", Title: "a download that breaks off fails, changes nothing, and works when tried again",
	Isolated: true, NeedsTrees: true, Limit: 12 * time.Minute, Run: deployments.FromRepo(interruptedDownload),
})

func interruptedDownload(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if err := h.FollowAt(ctx, trees.Cut+"repo", false); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	out, err := h.Upgrade(ctx, host.UpgradeOptions{})
	var refused *host.RefusedError
	switch {
	case err == nil:
		return check.FailWith(out.Output, "%s says that it is done with an upgrade from a server that breaks every answer off", h.Tool())
	case !errors.As(err, &refused): // any refusal will do: the server is out of reach on purpose
		return err
	}
	if err := h.Unchanged(ctx, before, "a download that broke off"); err != nil {
		return err
	}
	if err := h.Update(ctx); err != nil {
		return err
	}
	return h.Pending(ctx, before, h.Newer())
}
