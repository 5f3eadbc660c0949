package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "read-only", Title: "a container's root can be made read-only", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, readOnly) },
})

func readOnly(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container with a read-only root", "run", "--rm", "--read-only", ref,
		"sh", "-c", "(: > /written) 2>/dev/null && echo writable; echo ran")
	if err != nil {
		return err
	}
	if out != "ran" {
		return check.Failf("a file can be made in the root of a container run with --read-only")
	}
	return nil
}
