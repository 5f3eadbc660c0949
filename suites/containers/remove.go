package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "remove", Title: "a removed container and a removed image are gone", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, remove) },
})

func remove(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	const name, tag = "assay-remove", "localhost/assay-remove:1"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "tag an image", "tag", ref, tag); err != nil {
		return err
	}
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--stop-signal", "KILL", "--name", name, tag, "sleep", "3600"); err != nil {
		return err
	}
	if _, err := e.Must(ctx, "remove a running container by force", "rm", "-f", name); err != nil {
		return err
	}
	out, err := e.Must(ctx, "list containers", "ps", "-a", "--format", "{{.Names}}")
	if err != nil {
		return err
	}
	for _, left := range strings.Fields(out) {
		if left == name {
			return check.Failf("container %s is still listed after rm -f", name)
		}
	}
	if _, err := e.Must(ctx, "remove an image", "rmi", tag); err != nil {
		return err
	}
	r, err := e.Run(ctx, "image", "inspect", tag)
	if err != nil {
		return err
	}
	if r.OK() {
		return check.Failf("image %s is still there after rmi", tag)
	}
	return nil
}
