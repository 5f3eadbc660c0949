package layering

import (
	"context"
	"slices"

	"assay/harness/host"
)

// layered makes sure that the booted deployment has packages on top of its base.
// A guest in check.Layered has them already; on others they are layered now.
func (l *layer) layered(ctx context.Context, purposes ...string) error {
	names := l.names(purposes)
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	now := was
	if slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(was.Layered, n) }) {
		if now, err = l.layerNow(ctx, purposes...); err != nil {
			return err
		}
	}
	if err := l.onTop("booted", now, was.BaseChecksum, names...); err != nil {
		return err
	}
	return l.present(ctx, names...)
}

// layerNow layers packages on the booted deployment and boots the result.
func (l *layer) layerNow(ctx context.Context, purposes ...string) (host.Deployment, error) {
	if err := l.repository(ctx, fromSigned); err != nil {
		return host.Deployment{}, err
	}
	if err := l.install(ctx, purposes...); err != nil {
		return host.Deployment{}, err
	}
	next, err := l.pending(ctx, "layered packages")
	if err != nil {
		return host.Deployment{}, err
	}
	return l.reboot(ctx, next)
}
