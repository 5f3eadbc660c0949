package syscontainers

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "install", Title: "a pulled image is listed, installed with settings, started, and answers with them",
	Isolated: true, Limit: 6 * time.Minute,
}, install)...)

func install(ctx context.Context, b *box) error {
	if err := b.pull(ctx, b.image); err != nil {
		return err
	}
	images, err := b.c.Images(ctx)
	if err != nil {
		return err
	}
	// Tools may leave the registry out of what they list.
	repository, tag, _ := strings.Cut(b.t.Env.Registry.Images[system], ":")
	if !slices.ContainsFunc(images, func(i host.ContainerImage) bool { return strings.HasSuffix(i.Repository, repository) && i.Tag == tag }) {
		return check.Failf("%s pulled %s, and does not list it among its %d images", b.c.Tool(), b.image, len(images))
	}
	if err := b.installPulled(ctx, b.options("foo")); err != nil {
		return err
	}
	s, err := b.c.Status(ctx, b.name)
	if err != nil {
		return err
	}
	if s.Running {
		return check.Failf("%s is %s right after its install, though nobody started it", b.unit(), s.State)
	}
	if err := b.silent(ctx, "before the container is started"); err != nil {
		return err
	}
	if _, err := b.c.Start(ctx, b.name); err != nil {
		return b.journal(ctx, err)
	}
	return b.greets(ctx, "foo", "after its start")
}
