package syscontainers

import (
	"context"
	"errors"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "exec", Title: "a command can be run in a system container while it runs, and the container goes on",
	Isolated: true, Limit: 6 * time.Minute,
}, execute)...)

// page is where the container has its answer: on a file system of its own, so
// that a command which runs anywhere else does not find it.
const page = "/tmp/www/index.html"

func execute(ctx context.Context, b *box) error {
	if err := b.run(ctx, "foo"); err != nil {
		return err
	}
	o, err := b.c.Exec(ctx, b.name, "/bin/cat", page)
	var refused *host.RefusedError
	switch {
	case errors.As(err, &refused):
		return check.FailWith(deployments.Said(refused), "%s runs and answers, and no command can be run in it: %v", b.unit(), refused)
	case err != nil:
		return err
	case !strings.Contains(o.Output, "Hi foo"):
		return check.FailWith(o.Output, "a command that was run in %s reads %q from its %s, want %q", b.unit(), probe.OneLine(o.Output), page, "Hi foo")
	}
	return b.greets(ctx, "foo", "after a command was run in it")
}
