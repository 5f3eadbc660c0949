package containers

import (
	"context"
	"regexp"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "private-registry", Title: "a registry behind TLS and a login serves who knows its authority and password, and nobody else", Limit: 6 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, privateRegistry) },
})

// certsScript puts its input, a certificate, where engines look for that of the
// registry $1 ("host:port"); an empty input takes it away. docker and podman both
// read docker's folder; podman 1 reads its own alone.
const certsScript = `
ca=$(cat)
for d in /etc/docker/certs.d /etc/containers/certs.d; do
	rm -rf "$d/$1"
	[ -n "$ca" ] || continue
	mkdir -p "$d/$1" && printf '%s\n' "$ca" > "$d/$1/ca.crt" || exit 1
done
exit 0`

// How engines say why a registry is refused, and that it refuses.
var (
	untrusted    = regexp.MustCompile(`(?i)x509|certificate`)
	unauthorized = regexp.MustCompile(`(?i)unauthorized|authentication required|invalid username/password|requires? (a )?login|no basic auth|wrong login|\b401\b|denied`)
)

func privateRegistry(ctx context.Context, e engine.Engine) error {
	ref, err := e.Private(busybox)
	if err != nil {
		return err
	}
	p := e.Guest().Env.Private
	trust := func(ca string) error {
		r, err := e.Guest().Run(ctx, guest.Command{Args: []string{"sh", "-c", certsScript, "sh", p.Addr}, Stdin: strings.NewReader(ca)})
		if err == nil && !r.OK() {
			return check.Failf("the registry's certificate cannot be put below /etc: %s", r.Said())
		}
		return err
	}
	login := []string{"login", "-u", p.User, "-p", p.Password, p.Addr}
	pull := []string{"pull", ref}
	// Guests share the registry; the boot id keeps their names apart.
	pushed := p.Addr + "/pushed/private-" + string(e.Name) + "-" + e.Guest().BootID() + ":1"
	defer e.Discard(ctx, "rmi", "-f", ref, pushed)
	defer e.Discard(ctx, "logout", p.Addr)

	if err := trust(""); err != nil {
		return err
	}
	if err := refused(ctx, e, untrusted, "a login to a registry whose certificate nobody vouches for", login); err != nil {
		return err
	}
	if err := trust(p.CA); err != nil {
		return err
	}
	wrong := []string{"login", "-u", p.User, "-p", "not-" + p.Password, p.Addr}
	if err := refused(ctx, e, unauthorized, "a login with a wrong password", wrong); err != nil {
		return err
	}
	if err := refused(ctx, e, unauthorized, "a pull without a login", pull); err != nil {
		return err
	}
	for _, step := range []struct {
		purpose string
		args    []string
	}{
		{"log in to a private registry", login},
		{"pull from a private registry", pull},
		{"run an image of a private registry", []string{"run", "--rm", ref, "true"}},
		{"tag an image", []string{"tag", ref, pushed}},
		{"push to a private registry", []string{"push", pushed}},
		{"log out of a private registry", []string{"logout", p.Addr}},
	} {
		if _, err := e.Must(ctx, step.purpose, step.args...); err != nil {
			return err
		}
	}
	return refused(ctx, e, unauthorized, "a pull after the logout", pull)
}

// refused runs an engine command that must fail, for a reason that why matches.
func refused(ctx context.Context, e engine.Engine, why *regexp.Regexp, what string, args []string) error {
	r, err := e.Run(ctx, args...)
	if err != nil {
		return err
	}
	said := probe.Clip(r.Stdout+r.Stderr, 4000)
	switch {
	case r.OK():
		return check.FailWith(said, "%s is called a success", what)
	case !why.MatchString(said):
		return e.Failed(ctx, "tell why "+what+" is refused", args[:1], r)
	}
	return nil
}
