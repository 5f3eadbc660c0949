package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "logs", Title: "what a container prints is kept, and its exit status can be waited for", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, logs) },
})

func logs(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	const name = "assay-logs"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--stop-signal", "KILL", "--name", name, ref,
		"sh", "-c", "echo to stdout; echo to stderr >&2; exit 3"); err != nil {
		return err
	}
	status, err := e.Must(ctx, "wait for a container's end", "wait", name)
	if err != nil {
		return err
	}
	if status != "3" {
		return check.Failf("wait says exit status %q of a container that exited with 3", status)
	}
	r, err := e.Run(ctx, "logs", name)
	if err != nil {
		return err
	}
	said := r.Stdout + r.Stderr
	if !r.OK() {
		return e.Failed(ctx, "read a container's log", []string{"logs", name}, r)
	}
	for _, want := range []string{"to stdout", "to stderr"} {
		if !strings.Contains(said, want) {
			return check.FailWith(said, "the log of a container lacks what it printed %s", want)
		}
	}
	return nil
}
