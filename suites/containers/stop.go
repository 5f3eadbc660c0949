package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "stop", Title: "a container stops when told to, starts again, and can be killed", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, stop) },
})

func stop(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	const name = "assay-stop"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--name", name, ref); err != nil {
		return err
	}
	for _, step := range []struct {
		purpose string
		args    []string
		want    string
	}{
		{"stop a container", []string{"stop", "-t", "60", name}, "exited"},
		{"start a stopped container", []string{"start", name}, "running"},
		{"kill a container", []string{"kill", name}, "exited 137"},
	} {
		if _, err := e.Must(ctx, step.purpose, step.args...); err != nil {
			return err
		}
		if step.args[0] == "kill" {
			if _, err := e.Must(ctx, "wait for a killed container", "wait", name); err != nil {
				return err
			}
		}
		out, err := e.Must(ctx, "inspect a container", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(out, step.want) {
			return check.Failf("after %s the container is %q (status, exit code), not %s", step.args[0], out, step.want)
		}
	}
	return nil
}
