package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "swarm", Title: "docker makes a swarm of one node and leaves it", Advisory: true, Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, swarm) },
})

func swarm(ctx context.Context, e engine.Engine) error {
	if e.Name != engine.Docker {
		return check.Skipf("it has no swarms")
	}
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	if info.LiveRestore {
		return check.Skipf("live-restore is on, with which docker makes no swarm")
	}
	if _, err := e.Must(ctx, "make a swarm", "swarm", "init", "--advertise-addr", "127.0.0.1"); err != nil {
		return err
	}
	state, err := e.Must(ctx, "describe the swarm", "info", "--format", "{{.Swarm.LocalNodeState}}")
	if err != nil {
		return err
	}
	if state != "active" {
		return check.Failf("the node's state in a new swarm is %q, not active", state)
	}
	_, err = e.Must(ctx, "leave the swarm", "swarm", "leave", "--force")
	return err
}
