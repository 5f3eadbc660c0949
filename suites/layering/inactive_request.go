package layering

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "inactive-request", Title: "the request for a package of the base asks for --allow-inactive", Limit: 3 * time.Minute, Run: inactiveRequest,
}, check.Check{
	Name: "allow-inactive", Title: "a package of the base can be requested with --allow-inactive, and stays the base's",
	Isolated: true, Limit: 6 * time.Minute, Run: allowInactive,
})

// inBaseScript prints the name of a package that the base has.
const inBaseScript = `rpm -q bash >/dev/null 2>&1 && echo bash && exit 0
rpm -qa --queryformat '%{NAME}\n' | grep -v '^gpg-pubkey' | LC_ALL=C sort | head -n 1`

func ofBase(ctx context.Context, l *layer) (string, error) {
	out, err := probe.Output(ctx, l.t, "rpm", inBaseScript)
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(out)
	if name == "" {
		return "", check.Skipf("rpm knows no package of the base")
	}
	return name, nil
}

func inactiveRequest(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools)
	if err != nil {
		return err
	}
	name, err := ofBase(ctx, l)
	if err != nil {
		return err
	}
	return refusal{
		what: "package " + name + ", which the base has", reasons: []host.Reason{host.InactiveRequest},
		names: func(*layer) []string { return []string{"--allow-inactive", name} },
		ask: func(ctx context.Context, l *layer) (host.Outcome, error) {
			o, err := l.d.Install(ctx, host.LayerOptions{Packages: []string{name}})
			if err != nil || !listedInactive(o.Output, name) {
				return o, err
			}
			booted, err := l.booted(ctx)
			if err == nil && booted.Image != nil {
				l.clean(ctx)
				err = check.Skipf("the host follows a container image, on which %s takes the request for %s of the base as an inactive one by itself", l.d.Tool(), name)
			}
			return o, err
		},
	}.judge(ctx, l)
}

// listedInactive reports that rpm-ostree told of the request for a package as
// inactive. Since 2026.1 it does not ask for --allow-inactive where the host
// follows a container image.
func listedInactive(said, name string) bool {
	_, list, ok := strings.Cut(said, "Inactive requests:\n")
	return ok && strings.Contains(list, "  "+name+" (already provided by ")
}

func allowInactive(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, tools, hello)
	if err != nil {
		return err
	}
	name, err := ofBase(ctx, l)
	if err != nil {
		return err
	}
	// The tool may look for the package, though it needs none.
	if err := l.repository(ctx, fromSigned); err != nil {
		return err
	}
	o, err := l.d.Install(ctx, host.LayerOptions{Packages: []string{name}, AllowInactive: true})
	if err := l.did("request "+name+" of the base with --allow-inactive", o, err); err != nil {
		return err
	}
	next, err := l.pending(ctx, "took the request for "+name)
	if err != nil {
		return err
	}
	if !slices.Contains(next.Requested, name) || slices.Contains(next.Layered, name) {
		return check.Failf("%s is requested with --allow-inactive, and the pending deployment has requested %q, layered %q", name,
			strings.Join(next.Requested, " "), strings.Join(next.Layered, " "))
	}
	return nil
}
