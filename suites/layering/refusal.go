package layering

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// refusal is a request that a host must refuse, saying why, without staging
// anything.
type refusal struct {
	// name and title are the check's.
	name, title string
	// what was asked for, as a part of a sentence: "a package that ...".
	what string
	// purposes of the packages that it needs; names are words that the tool must
	// say so that a person learns what is meant.
	purposes []string
	// reasons that count; "" is one that has no name, when the tool's words
	// name the object.
	reasons []host.Reason
	// names are what the tool's words must have in them.
	names func(l *layer) []string
	// ask makes the request.
	ask func(ctx context.Context, l *layer) (host.Outcome, error)
}

// check is the refusal as a check. It shares its guest: it changes nothing.
func (r refusal) check() check.Check {
	return check.Check{Name: r.name, Title: r.title, Limit: 3 * time.Minute, Run: func(ctx context.Context, t *check.T) error {
		l, err := begin(ctx, t, tools, r.purposes...)
		if err != nil {
			return err
		}
		if len(r.purposes) > 0 {
			defer l.restore(ctx)
			if err := l.repository(ctx, fromSigned); err != nil {
				return err
			}
		}
		return r.judge(ctx, l)
	}}
}

func (r refusal) judge(ctx context.Context, l *layer) error {
	before, _, err := l.status(ctx)
	if err != nil {
		return err
	}
	o, err := r.ask(ctx, l)
	var refused *host.RefusedError
	var lacks *host.UnsupportedError
	switch {
	case err == nil:
		l.clean(ctx)
		if !o.Changed && o.Reason != "" {
			return check.FailWith(o.Output, "%s does not refuse %s: it ends well and says %s", l.d.Tool(), r.what, o.Reason)
		}
		return check.FailWith(o.Output, "%s accepts %s", l.d.Tool(), r.what)
	case errors.As(err, &lacks):
		return check.Skipf("%v", lacks)
	case !errors.As(err, &refused):
		return err
	}
	if why := notItself(refused); why != "" {
		return check.Infraf("cannot learn whether %s refuses %s: %s: %s", l.d.Tool(), r.what, why, probe.OneLine(refused.Said()))
	}
	after, _, err := l.status(ctx)
	if err != nil {
		return err
	}
	if said := differences(before, after); said != "" {
		l.clean(ctx)
		return check.FailWith(evidence(refused), "%s refuses %s, and its deployments are changed all the same: %s", l.d.Tool(), r.what, said)
	}
	if refused.Reason != "" && !slices.Contains(r.reasons, refused.Reason) {
		return check.FailWith(evidence(refused), "%s refuses %s for another reason (%s): %s", l.d.Tool(), r.what, refused.Reason, probe.OneLine(refused.Said()))
	}
	var names []string
	if r.names != nil {
		names = r.names(l)
	}
	said := refused.Result.Stdout + refused.Result.Stderr
	for _, n := range names {
		if !strings.Contains(said, n) {
			return check.FailWith(evidence(refused), "%s refuses %s without a word of %q: %s", l.d.Tool(), r.what, n, probe.OneLine(refused.Said()))
		}
	}
	if refused.Reason == "" {
		if len(names) == 0 && !slices.Contains(r.reasons, "") {
			return check.FailWith(evidence(refused), "%s refuses %s and does not say why: %s", l.d.Tool(), r.what, probe.OneLine(refused.Said()))
		}
		l.t.Log("%s refuses %s in words that are not known: %s", l.d.Tool(), r.what, refused.Said())
	}
	return nil
}

// clean takes away what was staged by mistake, as others share the guest. What
// it cannot take away is in the log.
func (l *layer) clean(ctx context.Context) {
	_, err := l.d.Cleanup(ctx, host.CleanupOptions{Pending: true})
	if err != nil {
		l.t.Log("cannot clean up what was staged: %v", err)
	}
}

// differences tells how the deployments changed; empty when they did not.
func differences(before, after host.Status) string {
	if len(before.Deployments) != len(after.Deployments) {
		return fmt.Sprintf("there are %d where there were %d", len(after.Deployments), len(before.Deployments))
	}
	for i, d := range after.Deployments {
		if all := before.Deployments[i].Differences(d); len(all) > 0 {
			return "in deployment " + short(d.Checksum) + " " + probe.OneLine(strings.Join(all, "; "))
		}
	}
	return ""
}

// packages names the packages for these purposes.
func packages(purposes ...string) func(l *layer) []string {
	return func(l *layer) []string { return l.names(purposes) }
}

// installing asks for the packages for these purposes.
func installing(purposes ...string) func(ctx context.Context, l *layer) (host.Outcome, error) {
	return func(ctx context.Context, l *layer) (host.Outcome, error) {
		return l.d.Install(ctx, host.LayerOptions{Packages: l.names(purposes)})
	}
}
