package layering

import (
	"context"
	"time"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "pending-kept", Title: "a second install before the reboot keeps what the first one asked for",
	Isolated: true, Limit: 8 * time.Minute, Run: pendingKept,
})

func pendingKept(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, hello, settings)
	if err != nil {
		return err
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	for _, p := range []string{hello, settings} {
		if err := l.install(ctx, p); err != nil {
			return err
		}
	}
	next, err := l.pending(ctx, "layered packages")
	if err != nil {
		return err
	}
	return l.onTop("pending", next, was.BaseChecksum, l.name(hello), l.name(settings))
}
