package syscontainers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "unknown-name", Title: "a container that is not there is refused by its name", Limit: 2 * time.Minute,
}, unknownName)...)

var _ = check.Register(suite, perTool(check.Check{
	Name: "unknown-image", Title: "an image that the registry lacks is refused, and nothing is installed", Limit: 3 * time.Minute,
}, unknownImage)...)

// nobody is a container, and an image, that is nowhere.
const nobody = "assay-nobody"

// refused judges an operation that must be refused for one of these reasons, or
// in words that name the object where the words are not known.
func refused(err error, b *box, what string, reasons ...host.Reason) error {
	var r *host.RefusedError
	switch {
	case err == nil:
		return check.Failf("%s ends well when it is to %s", b.c.Tool(), what)
	case !errors.As(err, &r):
		return err
	case r.Reason == host.Unreachable, r.Reason == host.Busy:
		return check.Infraf("cannot learn whether %s refuses to %s: %w", b.c.Tool(), what, r)
	case slices.Contains(reasons, r.Reason):
		return nil
	case r.Reason != "":
		return check.FailWith(deployments.Said(r), "%s refuses to %s for another reason (%s): %s", b.c.Tool(), what, r.Reason, probe.OneLine(r.Said()))
	}
	if said := r.Result.Stdout + r.Result.Stderr; !strings.Contains(said, b.name) && !strings.Contains(said, nobody) {
		return check.FailWith(deployments.Said(r), "%s refuses to %s and does not say what is wrong with it: %s", b.c.Tool(), what, probe.OneLine(r.Said()))
	}
	b.t.Log("%s refuses to %s in words that are not known: %s", b.c.Tool(), what, r.Said())
	return nil
}

func unknownName(ctx context.Context, b *box) error {
	for _, try := range []struct {
		what string
		do   func() (host.Outcome, error)
	}{
		{"uninstall " + nobody, func() (host.Outcome, error) { return b.c.Uninstall(ctx, nobody) }},
		{"start " + nobody, func() (host.Outcome, error) { return b.c.Start(ctx, nobody) }},
		{"update " + nobody, func() (host.Outcome, error) {
			return b.c.Update(ctx, host.ContainerOptions{Name: nobody, Set: map[string]string{"RECEIVER": "bar"}})
		}},
		{"roll " + nobody + " back", func() (host.Outcome, error) { return b.c.Rollback(ctx, nobody) }},
	} {
		_, err := try.do()
		if err := refused(err, b, try.what, host.UnknownContainer, host.NoRollback); err != nil {
			return err
		}
	}
	return nil
}

func unknownImage(ctx context.Context, b *box) error {
	image := b.t.Env.Registry.Addr + "/assay/" + nobody + ":1"
	if err := refused(b.pull(ctx, image), b, "pull an image that the registry lacks", host.UnknownImage, host.UnknownVersion); err != nil {
		return err
	}
	if b.c.Tool() == host.Quadlet {
		return nil // its install is a file; the image is wanted at the start
	}
	o := b.options("foo")
	o.Name, o.Image = nobody, b.plain(image)
	_, err := b.c.Install(ctx, o)
	if err := refused(err, b, "install an image that the registry lacks", host.UnknownImage, host.UnknownVersion); err != nil {
		return err
	}
	all, err := b.c.List(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(c host.Container) bool { return c.Name == nobody }) {
		return check.Failf("%s refuses to install an image that the registry lacks, and lists container %s all the same", b.c.Tool(), nobody)
	}
	return nil
}
