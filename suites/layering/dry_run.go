package layering

import (
	"context"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "dry-run", Title: "a dry run tells what it would layer, and changes nothing", Limit: 3 * time.Minute, Run: dryRun,
})

func dryRun(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, hello)
	if err != nil {
		return err
	}
	defer l.restore(ctx)
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	before, _, err := l.status(ctx)
	if err != nil {
		return err
	}
	o, err := l.d.Install(ctx, host.LayerOptions{Packages: l.names([]string{hello}), DryRun: true})
	if err == nil {
		o.Changed = true // it is asked to change nothing
	}
	if err := l.did("try the layering of "+l.name(hello), o, err); err != nil {
		return err
	}
	after, _, err := l.status(ctx)
	if err != nil {
		return err
	}
	if said := differences(before, after); said != "" {
		l.clean(ctx)
		return check.FailWith(o.Output, "a dry run of %s changes the deployments: %s", l.d.Tool(), said)
	}
	for _, word := range []string{l.name(hello), "dry-run"} {
		if !strings.Contains(o.Output, word) {
			return check.FailWith(probe.Clip(o.Output, 4000), "a dry run of %s has no word of %q in what it says", l.d.Tool(), word)
		}
	}
	return nil
}
