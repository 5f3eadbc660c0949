package storage

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "across-reboot", Title: "driver, images and containers are the same after a reboot", Run: acrossReboot,
	State: check.Rebooted, Prepare: store, Labels: []string{"reboot"}, Limit: 4 * time.Minute,
})

const keptContainer = "assay-kept"

// stored is what one runtime was before the reboot, and the image it had.
type stored struct {
	info engine.Info
	ref  string
}

// store leaves an image and a container with every runtime.
func store(ctx context.Context, t *check.T) (any, error) {
	before := map[engine.Name]stored{}
	return before, engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		ref, err := e.Image(ctx, busybox)
		if err != nil {
			return err
		}
		if _, err := e.Must(ctx, "run a container", "run", "--name", keptContainer, ref, "sh", "-c", "echo kept >> /kept; cat /kept"); err != nil {
			return err
		}
		info, err := e.Info(ctx)
		before[e.Name] = stored{info, ref}
		return err
	})
}

func acrossReboot(ctx context.Context, t *check.T) error {
	before := t.Prepared.(map[engine.Name]stored)
	return engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		was, ok := before[e.Name]
		if !ok {
			return check.Skipf("nothing was stored before the reboot")
		}
		after, err := e.Info(ctx)
		if err != nil {
			return err
		}
		if after.Driver != was.info.Driver || after.Root != was.info.Root {
			return check.Failf("storage was %s in %s and is %s in %s after a reboot", was.info.Driver, was.info.Root, after.Driver, after.Root)
		}
		r, err := e.Run(ctx, "image", "inspect", "--format", "{{.Id}}", was.ref)
		if err != nil {
			return err
		}
		if !r.OK() {
			return check.Failf("image %s is gone after a reboot: %s", was.ref, r.Said())
		}
		out, err := e.Must(ctx, "start a container made before the reboot", "start", "-a", keptContainer)
		if err != nil {
			return err
		}
		if out != "kept\nkept" {
			return check.Failf("a container lost what it wrote before the reboot (it holds %q)", out)
		}
		return nil
	})
}
