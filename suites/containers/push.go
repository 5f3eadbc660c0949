package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "push", Title: "a changed container is committed, tagged, pushed, and comes back from the registry as it was", Limit: 5 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, push) },
})

func push(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	const name, local = "assay-push", "localhost/assay-committed:1"
	// Guests share the registry; the boot id keeps their names apart.
	remote := e.Guest().Env.Registry.Addr + "/pushed/" + string(e.Name) + "-" + e.Guest().BootID() + ":1"
	defer e.Remove(ctx, name)
	defer e.Discard(ctx, "rmi", "-f", local, remote)
	for _, step := range []struct {
		purpose string
		args    []string
	}{
		{"run a container", []string{"run", "--name", name, ref, "sh", "-c", "echo changed > /changed"}},
		{"commit a container", []string{"commit", name, local}},
		{"tag an image", []string{"tag", local, remote}},
	} {
		if _, err := e.Must(ctx, step.purpose, step.args...); err != nil {
			return err
		}
	}
	if err := e.Push(ctx, remote); err != nil {
		return err
	}
	e.Remove(ctx, name)
	if _, err := e.Must(ctx, "remove the images it pushed", "rmi", local, remote); err != nil {
		return err
	}
	if err := e.Pull(ctx, remote); err != nil {
		return err
	}
	out, err := e.Must(ctx, "run the image it pushed and pulled", "run", "--rm", remote, "cat", "/changed")
	if err != nil {
		return err
	}
	if out != "changed" {
		return check.Failf("a committed, pushed and pulled image holds %q where %q was written", out, "changed")
	}
	return nil
}
