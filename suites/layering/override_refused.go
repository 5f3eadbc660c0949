package layering

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "override-refused", Title: "the removal of a package that the base lacks, and the reset of what is not overridden, are refused",
	Limit: 3 * time.Minute, Run: overrideRefused,
})

func overrideRefused(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders)
	if err != nil {
		return err
	}
	for _, r := range []refusal{
		{what: "to remove a package that the base lacks", reasons: []host.Reason{host.NotInstalled, host.UnknownPackage},
			ask: func(ctx context.Context, l *layer) (host.Outcome, error) {
				return l.d.Override(ctx, host.OverrideOptions{Remove: []string{nowhere}})
			}},
		{what: "to reset a package that is not overridden", reasons: []host.Reason{host.NotRequested, host.NotInstalled, host.UnknownPackage},
			ask: func(ctx context.Context, l *layer) (host.Outcome, error) {
				return l.d.Override(ctx, host.OverrideOptions{Reset: []string{nowhere}})
			}},
	} {
		r.names = func(*layer) []string { return []string{nowhere} }
		if err := r.judge(ctx, l); err != nil {
			return err
		}
	}
	return nil
}
