package upgrade

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "keeps-container", Title: "a container and its image outlive an upgrade, and the runtime starts it again",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 20 * time.Minute, Run: deployments.With(keepsContainer),
})

const (
	busybox       = "busybox"
	keptContainer = "assay-upgraded"
)

func keepsContainer(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if err := engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		ref, err := e.Image(ctx, busybox)
		if err != nil {
			return err
		}
		_, err = e.Must(ctx, "run a container", "run", "--name", keptContainer, ref, "sh", "-c", "echo kept >>/kept; cat /kept")
		return err
	}); err != nil {
		return err
	}
	if _, err := h.UpdateAndReboot(ctx); err != nil {
		return err
	}
	return engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		out, err := e.Must(ctx, "start a container made before an upgrade", "start", "-a", keptContainer)
		if err != nil {
			return err
		}
		if out != "kept\nkept" {
			return check.Failf("a container lost what it wrote before an upgrade (it holds %q)", out)
		}
		return nil
	})
}
