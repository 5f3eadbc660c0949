package layering

import (
	"context"
	"slices"

	"assay/harness/host"
	"assay/suites/check"
)

// layered makes sure that the booted deployment has packages on top of its base,
// and returns both. A guest in check.Layered has them already, on top of the
// deployment that it can be rolled back to; on others they are layered now.
func (l *layer) layered(ctx context.Context, purposes ...string) (base, now host.Deployment, err error) {
	names := l.names(purposes)
	s, now, err := l.status(ctx)
	if err != nil {
		return base, now, err
	}
	if !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(now.Requested, n) }) {
		was, ok := s.Rollback()
		if !ok {
			return base, now, check.Failf("packages were layered, and %s status has no deployment to roll back to", l.d.Tool())
		}
		base = was
	} else {
		base = now
		if now, err = l.layerNow(ctx, purposes...); err != nil {
			return base, now, err
		}
	}
	if err := l.onTop("booted", now, base.BaseChecksum, names...); err != nil {
		return base, now, err
	}
	return base, now, l.present(ctx, names...)
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
