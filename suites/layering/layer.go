package layering

import (
	"context"
	"errors"
	"slices"
	"strings"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

// layer is a guest that can be layered on: its tool and the packages for it.
type layer struct {
	t *check.T
	d host.Driver
	p *check.Packages
}

// tools are those that layer packages.
var tools = host.LayeringTools

// begin finds the first of these tools, and makes sure that packages for these
// purposes are served and that the image is meant to be layered on.
func begin(ctx context.Context, t *check.T, among []host.Tool, purposes ...string) (*layer, error) {
	l, err := beginLocked(ctx, t, among, purposes...)
	if err == nil {
		err = deployments.MayLayer(ctx, t)
	}
	return l, err
}

// beginLocked is begin whether or not the image's configuration forbids layering.
func beginLocked(ctx context.Context, t *check.T, among []host.Tool, purposes ...string) (*layer, error) {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return nil, err
	}
	l := &layer{t: t, p: t.Env.Packages}
	var names []string
	for _, tool := range among {
		if d, ok := found.Driver(tool); ok {
			l.d = d
			break
		}
		names = append(names, string(tool))
	}
	switch {
	case l.d == nil:
		return nil, without(ctx, t, found, "the image has no "+strings.Join(names, " and no "))
	case len(purposes) > 0 && l.p == nil:
		return nil, check.Skipf("no packages are served to the guest")
	}
	for _, p := range purposes {
		if l.p.Names[p] == "" {
			return nil, check.Skipf("the harness serves no package for %q", p)
		}
	}
	return l, nil
}

// name is the name of the package for that purpose.
func (l *layer) name(purpose string) string { return l.p.Names[purpose] }

func (l *layer) names(purposes []string) (names []string) {
	for _, p := range purposes {
		names = append(names, l.name(p))
	}
	return names
}

// install asks for the packages for these purposes to be layered.
func (l *layer) install(ctx context.Context, purposes ...string) error {
	names := l.names(purposes)
	o, err := l.d.Install(ctx, host.LayerOptions{Packages: names})
	return l.did("layer "+strings.Join(names, " and "), o, err)
}

// did judges an operation that a healthy image does; purpose says what for.
func (l *layer) did(purpose string, o host.Outcome, err error) error {
	var refused *host.RefusedError
	var lacks *host.UnsupportedError
	switch {
	case errors.As(err, &refused):
		return l.refusedTo(purpose, refused)
	case errors.As(err, &lacks):
		return check.Skipf("%v", lacks)
	case err != nil:
		return err
	case !o.Changed:
		return check.FailWith(probe.Clip(o.Output, 4000), "%s changes nothing when it is to %s", l.d.Tool(), purpose)
	}
	l.t.Log("%s: %s took %s", l.d.Tool(), purpose, o.Took)
	return nil
}

// refusedTo is the failure to do something that is in order; but the harness's
// own servers are no concern of the image.
func (l *layer) refusedTo(purpose string, r *host.RefusedError) error {
	if why := notItself(r); why != "" {
		return check.Infraf("%s cannot %s: %s: %s", r.Tool, purpose, why, probe.OneLine(r.Said()))
	}
	return check.FailWith(evidence(r), "%s cannot %s: %s", r.Tool, purpose, probe.OneLine(r.Said()))
}

// notItself says what a refusal is due to when that is no concern of the image:
// the harness's server, another transaction; else it is empty.
func notItself(r *host.RefusedError) string {
	switch r.Reason {
	case host.Unreachable:
		return "the harness's server does not answer"
	case host.Busy:
		return "it was busy with something else all the time"
	}
	return ""
}

// evidence is a refused command and what it said.
func evidence(r *host.RefusedError) string {
	return strings.Join(r.Args, " ") + "\n" + probe.Clip(r.Result.Stdout+r.Result.Stderr, 4000)
}

// status is what the tool tells, and the booted deployment of it.
func (l *layer) status(ctx context.Context) (host.Status, host.Deployment, error) {
	s, err := l.d.Status(ctx)
	var refused *host.RefusedError
	if errors.As(err, &refused) {
		return s, host.Deployment{}, l.refusedTo("tell its deployments", refused)
	}
	if err != nil {
		return s, host.Deployment{}, err
	}
	b, err := s.Booted()
	if errors.Is(err, host.ErrNotBooted) {
		return s, b, check.Failf("%s status marks none of %d deployments as the booted one", l.d.Tool(), len(s.Deployments))
	}
	return s, b, err
}

// booted is the running deployment.
func (l *layer) booted(ctx context.Context) (host.Deployment, error) {
	_, b, err := l.status(ctx)
	return b, err
}

// pending is the deployment that boots next, after something was done.
func (l *layer) pending(ctx context.Context, done string) (host.Deployment, error) {
	s, _, err := l.status(ctx)
	if err != nil {
		return host.Deployment{}, err
	}
	p, ok := s.Pending()
	if !ok {
		return p, check.Failf("%s says it %s, and its status has no deployment for the next boot", l.d.Tool(), done)
	}
	return p, nil
}

// onTop judges a deployment that must be the base commit changed, with these
// packages on top; which names it in messages.
func (l *layer) onTop(which string, d host.Deployment, base string, names ...string) error {
	switch {
	case d.BaseChecksum != "" && !host.SameChecksum(d.BaseChecksum, base):
		return check.Failf("the %s deployment stands on base %s, and packages were layered on %s", which, short(d.BaseChecksum), short(base))
	case host.SameChecksum(d.Checksum, base):
		return check.Failf("the %s deployment is the bare base %s, with nothing on top of it", which, short(base))
	}
	for _, n := range names {
		if !slices.Contains(d.Layered, n) {
			return check.Failf("%s status does not list %s as layered in the %s deployment, only %q", l.d.Tool(), n, which, strings.Join(d.Layered, " "))
		}
	}
	return nil
}

// bare judges a deployment that must be the base commit again.
func (l *layer) bare(which string, d host.Deployment, base string) error {
	if !host.SameChecksum(d.Checksum, base) {
		return check.Failf("the %s deployment is commit %s (layered: %q), not the base %s again", which, short(d.Checksum), strings.Join(d.Layered, " "), short(base))
	}
	if len(d.Requested) > 0 {
		return check.Failf("the %s deployment is the base again, and %s status still lists %q as requested", which, l.d.Tool(), strings.Join(d.Requested, " "))
	}
	return nil
}

// reboot boots the deployment next and makes sure that it is the running one.
func (l *layer) reboot(ctx context.Context, next host.Deployment) (host.Deployment, error) {
	if err := l.t.Reboot(ctx); err != nil {
		return host.Deployment{}, orNeverDown(err, "the guest was to reboot into another deployment")
	}
	b, err := l.booted(ctx)
	if err != nil {
		return b, err
	}
	if next.Checksum != "" && !host.SameChecksum(b.Checksum, next.Checksum) {
		return b, check.Failf("%s had deployment %s for the next boot, and after the reboot %s is booted", l.d.Tool(), short(next.Checksum), short(b.Checksum))
	}
	return b, nil
}

// orNeverDown is err of a reboot; a system that does not go down is the image's
// failure to do what was ordered.
func orNeverDown(err error, ordered string) error {
	if errors.Is(err, guest.ErrRebootNotSeen) {
		return check.Failf("%s, and it does not go down", ordered)
	}
	return err
}

// present judges that rpm knows the packages in the running system.
func (l *layer) present(ctx context.Context, names ...string) error {
	for _, n := range names {
		r, err := l.rpm(ctx, "-q", n)
		if err != nil {
			return err
		}
		if !r.OK() {
			return check.Failf("%s was installed, and rpm -q does not know it in the running system: %s", n, probe.OneLine(r.Said()))
		}
	}
	return nil
}

// absent judges that rpm does not know the packages; when says since what.
func (l *layer) absent(ctx context.Context, when string, names ...string) error {
	for _, n := range names {
		r, err := l.rpm(ctx, "-q", n)
		if err != nil {
			return err
		}
		if r.OK() {
			return check.Failf("%s rpm -q still finds %s in the running system", when, r.Line())
		}
	}
	return nil
}

func (l *layer) rpm(ctx context.Context, args ...string) (guest.Result, error) {
	return l.t.Run(ctx, guest.Command{Args: append([]string{"rpm"}, args...)})
}

// runs judges that a layered program runs and prints want.
func (l *layer) runs(ctx context.Context, program, want string) error {
	r, err := l.t.Run(ctx, guest.Command{Args: []string{program}})
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.Failf("package %s is installed, and its program does not run: %s", program, probe.OneLine(r.Said()))
	}
	if !strings.Contains(r.Stdout, want) {
		return check.Failf("the program %s of the package prints %q, not %q", program, probe.OneLine(r.Stdout), want)
	}
	return nil
}

// short is as much of a checksum as people read.
func short(sum string) string {
	if sum == "" {
		return "unknown"
	}
	return sum[:min(len(sum), 12)]
}

// upgradable is the booted deployment of a host that the newer tree is served to.
func (l *layer) upgradable(ctx context.Context) (host.Deployment, error) {
	if l.t.Env.Trees == nil {
		return host.Deployment{}, check.Skipf("there is no tree to upgrade to: %s", l.t.Env.NoTrees)
	}
	booted, err := l.booted(ctx)
	if err == nil && booted.Image != nil {
		err = check.Skipf("the host follows a container image, and the newer tree is an ostree commit")
	}
	return booted, err
}
