package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
)

// layerTools layer packages, as criteria prefer them.
var layerTools = []host.Tool{host.RPMOSTree, host.AtomicHost}

// layer derives state Layered: a fork of Booted on which packages were layered,
// and which was rebooted into them.
func (st *states) layer(ctx context.Context) (_ *snapshot, err error) {
	s := st.s
	from, err := st.get(ctx, check.Booted)
	if err != nil {
		return nil, err
	}
	i, g, err := s.enterFork(ctx, from, s.guestName("layer"))
	if err != nil {
		return nil, err
	}
	if err := s.layerGuest(ctx, i, g); err != nil {
		g.Close()
		return nil, errors.Join(err, i.close())
	}
	return st.save(ctx, i, g, check.Layered)
}

// layerGuest layers the packages for check.LayeredPurposes and reboots.
func (s *session) layerGuest(ctx context.Context, i *instance, g *guest.SSH) (err error) {
	end := s.span("boot", "layer", i.name, "layering packages on "+i.name)
	defer func() { end(err == nil) }()
	found, err := host.Detect(ctx, g)
	if err != nil {
		return err
	}
	d, ok := firstOf(found, layerTools)
	if !ok {
		return errors.New("the image has no tool that layers packages")
	}
	p := s.services.packages
	names := make([]string, len(check.LayeredPurposes))
	for n, purpose := range check.LayeredPurposes {
		names[n] = p.Names[purpose]
	}
	if err := host.LayerFrom(ctx, g, host.PackageSource{URL: p.URL, Key: p.Key}); err != nil {
		return err
	}
	if _, err := d.Install(ctx, host.LayerOptions{Packages: names}); err != nil {
		return err
	}
	if err := s.rebootWatched(ctx, i, g); err != nil {
		return fmt.Errorf("cannot reboot guest %s into layered packages: %w", i.name, err)
	}
	now, err := bootedOf(ctx, d)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !slices.Contains(now.Layered, n) {
			return fmt.Errorf("after %s layered %s and a reboot, its status does not list it", d.Tool(), n)
		}
	}
	i.state = check.Layered
	return nil
}

func firstOf(found host.Found, tools []host.Tool) (host.Driver, bool) {
	for _, t := range tools {
		if d, ok := found.Driver(t); ok {
			return d, true
		}
	}
	return nil, false
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
	able := s.tools == nil || slices.ContainsFunc(layerTools, func(t host.Tool) bool { return slices.Contains(s.tools.names, t) })
	if wanted > 1 && able && !s.opt.NoFork {
		return
	}
	for n := range jobs {
		if layered(jobs[n]) {
			jobs[n].State = check.Booted
		}
	}
}
