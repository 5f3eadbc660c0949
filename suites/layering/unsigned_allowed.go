package layering

import (
	"context"
	"time"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "unsigned-allowed", Title: "an unsigned package from a repository with gpgcheck=0 can be layered",
	Isolated: true, Limit: 6 * time.Minute, Run: unsignedAllowed,
})

func unsignedAllowed(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, unsigned)
	if err != nil {
		return err
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if err := l.repository(ctx, fromUnsigned); err != nil {
		return err
	}
	if err := l.install(ctx, unsigned); err != nil {
		return err
	}
	next, err := l.pending(ctx, "layered "+l.name(unsigned))
	if err != nil {
		return err
	}
	return l.onTop("pending", next, was.BaseChecksum, l.name(unsigned))
}
