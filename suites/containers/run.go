package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "run", Title: "a command runs in a container, and its output and exit status come back", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, run) },
})

func run(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container", "run", "--rm", ref, "echo", "hello")
	if err != nil {
		return err
	}
	if out != "hello" {
		return check.Failf("run --rm IMAGE echo hello printed %q", out)
	}
	r, err := e.Run(ctx, "run", "--rm", ref, "sh", "-c", "exit 7")
	if err != nil {
		return err
	}
	if r.Exit != 7 {
		return check.Failf("a container that exits with 7 gives exit status %d", r.Exit)
	}
	return nil
}
