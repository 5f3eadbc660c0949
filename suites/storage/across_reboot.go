package storage

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "across-reboot", Title: "driver, images and containers are the same after a reboot", Run: acrossReboot,
	Isolated: true, Labels: []string{"reboot"}, Limit: 8 * time.Minute,
})

const keptContainer = "assay-kept"

func acrossReboot(ctx context.Context, t *check.T) error {
	before := map[engine.Name]engine.Info{}
	refs := map[engine.Name]string{}
	err := engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		ref, err := e.Image(ctx, busybox)
		if err != nil {
			return err
		}
		if _, err := e.Must(ctx, "run a container", "run", "--name", keptContainer, ref, "sh", "-c", "echo kept >> /kept; cat /kept"); err != nil {
			return err
		}
		refs[e.Name] = ref
		before[e.Name], err = e.Info(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := t.Reboot(ctx); err != nil {
		return err
	}
	return engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		if refs[e.Name] == "" {
			return check.Skipf("nothing was stored before the reboot")
		}
		after, err := e.Info(ctx)
		if err != nil {
			return err
		}
		if was := before[e.Name]; after.Driver != was.Driver || after.Root != was.Root {
			return check.Failf("storage was %s in %s and is %s in %s after a reboot", was.Driver, was.Root, after.Driver, after.Root)
		}
		r, err := e.Run(ctx, "image", "inspect", "--format", "{{.Id}}", refs[e.Name])
		if err != nil {
			return err
		}
		if !r.OK() {
			return check.Failf("image %s is gone after a reboot: %s", refs[e.Name], r.Said())
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
