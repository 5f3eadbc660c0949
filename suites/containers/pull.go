package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "pull", Title: "an image is pulled from a registry, and one that does not exist is refused", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, pull) },
})

func pull(ctx context.Context, e engine.Engine) error {
	ref, err := e.Ref(busybox)
	if err != nil {
		return err
	}
	if err := e.Pull(ctx, ref); err != nil {
		return err
	}
	id, err := e.Must(ctx, "find the image it pulled", "image", "inspect", "--format", "{{.Id}}", ref)
	if err != nil {
		return err
	}
	if len(strings.TrimPrefix(id, "sha256:")) != 64 {
		return check.Failf("the pulled image %s has the id %q, no SHA-256", ref, id)
	}
	absent := ref + "-not-there"
	args := []string{"pull", absent}
	if e.Name == engine.Podman {
		args = []string{"pull", "--tls-verify=false", absent}
	}
	r, err := e.Run(ctx, args...)
	if err != nil {
		return err
	}
	if r.OK() {
		return check.Failf("pull of %s, which no registry has, is called a success", absent)
	}
	return nil
}
