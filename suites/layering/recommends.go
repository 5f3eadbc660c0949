package layering

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "recommends", Title: "Recommends=false keeps recommended packages away, and without it they come along",
	Isolated: true, Limit: 8 * time.Minute, Run: recommends,
})

func recommends(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders, recommender, hello)
	if err != nil {
		return err
	}
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	for _, want := range []bool{false, true} {
		value := map[bool]string{false: "false", true: "true"}[want]
		if err := l.configure(ctx, "Recommends", value); err != nil {
			return err
		}
		if err := l.install(ctx, recommender); err != nil {
			return err
		}
		came, err := l.comesAlong(ctx, l.name(hello))
		if err != nil {
			return err
		}
		switch {
		case came && !want:
			return check.Failf("with Recommends=false %s still layers %s, which %s only recommends", l.d.Tool(), l.name(hello), l.name(recommender))
		case !came && want:
			return check.Failf("with Recommends=true %s leaves out %s, which %s recommends", l.d.Tool(), l.name(hello), l.name(recommender))
		}
		l.clean(ctx)
	}
	return nil
}

// comesAlong reports whether the next deployment has a package more.
func (l *layer) comesAlong(ctx context.Context, name string) (bool, error) {
	next, err := l.pending(ctx, "layered packages")
	if err != nil {
		return false, err
	}
	now, err := l.booted(ctx)
	if err != nil {
		return false, err
	}
	d, err := l.d.Diff(ctx, now.Checksum, next.Checksum)
	if err := l.did("compare two deployments", host.Outcome{Changed: true}, err); err != nil {
		return false, err
	}
	return slices.ContainsFunc(d.Added, func(n string) bool { return strings.HasPrefix(n, name+"-") }), nil
}
