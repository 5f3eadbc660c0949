package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
)

// layerGuest layers the packages for check.LayeredPurposes and reboots. A guest
// that dies over it by its own doing is a *noStateError.
func (s *session) layerGuest(ctx context.Context, i *instance, g *guest.SSH) (err error) {
	end := s.span("boot", "layer", i.name, "layering packages on "+i.name)
	defer func() { end(err == nil) }()
	d, names, err := layerAll(ctx, g, s.services.packages)
	if err != nil {
		return err
	}
	if err := s.rebootWatched(ctx, i, g); err != nil {
		err = fmt.Errorf("cannot reboot guest %s into layered packages: %w", i.name, err)
		var died *guestDied
		if errors.As(err, &died) && died.isImage(s.accel) {
			err = &noStateError{check.Layered, err}
		}
		return err
	}
	i.state = check.Layered
	return areLayered(ctx, d, names)
}

// layerAll layers the packages for check.LayeredPurposes, and tells with which
// tool and their names.
func layerAll(ctx context.Context, g guest.Guest, p *check.Packages) (host.Driver, []string, error) {
	found, err := host.Detect(ctx, g)
	if err != nil {
		return nil, nil, err
	}
	n := slices.IndexFunc(host.LayeringTools, func(t host.Tool) bool { _, ok := found.Driver(t); return ok })
	if n < 0 {
		return nil, nil, errors.New("the image has no tool that layers packages")
	}
	d, _ := found.Driver(host.LayeringTools[n])
	var names []string
	for _, purpose := range check.LayeredPurposes {
		names = append(names, p.Names[purpose])
	}
	if err := host.LayerFrom(ctx, g, host.PackageSource{URL: p.URL, Key: p.Key}); err != nil {
		return nil, nil, err
	}
	_, err = d.Install(ctx, host.LayerOptions{Packages: names})
	return d, names, err
}

// areLayered makes sure that packages are part of the booted deployment.
func areLayered(ctx context.Context, d host.Driver, names []string) error {
	status, err := d.Status(ctx)
	if err != nil {
		return err
	}
	now, err := status.Booted()
	if err != nil {
		return err
	}
	for _, n := range names {
		if !slices.Contains(now.Layered, n) {
			return fmt.Errorf("%s layered %s, and after a reboot its status does not list it", d.Tool(), n)
		}
	}
	return nil
}

// layersForItself has checks in state Layered start from Booted where the state
// is not worth its making, for one job alone, or cannot be made.
func (s *session) layersForItself(jobs []job) {
	layered := func(j job) bool { return j.State == check.Layered }
	wanted := 0
	for _, j := range jobs {
		if layered(j) {
			wanted++
		}
	}
	able := s.tools == nil || slices.ContainsFunc(host.LayeringTools, func(t host.Tool) bool { return slices.Contains(s.tools.names, t) })
	if wanted > 1 && able && !s.opt.NoFork {
		return
	}
	for n := range jobs {
		if layered(jobs[n]) { // what it takes then is another thing to remember
			jobs[n].State, jobs[n].Key = check.Booted, strings.TrimSuffix(jobs[n].Key, "@"+string(check.Layered))
		}
	}
}
