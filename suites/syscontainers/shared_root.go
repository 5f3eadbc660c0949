package syscontainers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "shared-root", Title: "a second container can share the root of the first, with settings of its own",
	Isolated: true, Limit: 8 * time.Minute,
}, sharedRoot, host.Atomic)...)

func sharedRoot(ctx context.Context, b *box) error {
	if err := b.run(ctx, "foo"); err != nil {
		return err
	}
	second := *b
	second.name, second.port = b.name+"-second", b.port+100
	o := second.options("bar")
	o.RootFS = checkouts + b.name
	if err := second.installPulled(ctx, o); err != nil {
		return err
	}
	_, root, err := second.config(ctx, second.name)
	if err != nil {
		return err
	}
	// The path may be the checkout's own or that of the link to it.
	if !strings.HasPrefix(root, checkouts+b.name+"/") && !strings.HasPrefix(root, checkouts+b.name+".") {
		return check.Failf("%s was installed with --rootfs %s, and its root is %q", second.name, o.RootFS, root)
	}
	if _, err := second.c.Start(ctx, second.name); err != nil {
		return second.journal(ctx, err)
	}
	if err := second.greets(ctx, "bar", "beside the container whose root it shares"); err != nil {
		return err
	}
	if err := b.greets(ctx, "foo", "beside a container that shares its root"); err != nil {
		return err
	}
	if _, err := second.c.Uninstall(ctx, second.name); err != nil {
		return err
	}
	return b.greets(ctx, "foo", "after the uninstall of a container that shared its root")
}

// missing makes a file that is not there the image's failure.
func missing(err error, path string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return check.Failf("the installed container has no file %s", path)
	}
	return fmt.Errorf("cannot look at an installed container: %w", err)
}
