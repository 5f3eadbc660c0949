package containers

import (
	"context"
	"errors"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "restart-policy", Title: "a container that fails is started again as often as its policy says", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, restartPolicy) },
})

func restartPolicy(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	const name = "assay-restart"
	defer e.Remove(ctx, name)
	args := []string{"run", "-d", "--stop-signal", "KILL", "--name", name, "--restart", "on-failure:2", ref, "sh", "-c", "exit 1"}
	r, err := e.Run(ctx, args...)
	switch {
	case err != nil:
		return err
	case strings.Contains(r.Stderr, "--restart option is not supported"): // podman before 1.3
		return check.Skipf("it has no restart policies")
	case !r.OK():
		return e.Failed(ctx, "start a container with a restart policy", args, r)
	}
	last := ""
	err = e.WaitFor(ctx, 30*time.Second, func(ctx context.Context) (bool, error) {
		out, err := e.Must(ctx, "inspect a container", "inspect", "--format", "{{.State.Status}} {{.RestartCount}}", name)
		if err == nil { // a question cut short by the limit says nothing
			last = out
		}
		return out == "exited 2", err
	})
	if errors.Is(err, engine.ErrNotInTime) {
		return check.Failf("a container with --restart on-failure:2 that always fails is %q (status, restarts), not exited after 2 restarts", last)
	}
	return err
}
