package powercut

import (
	"context"
	"slices"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "layering", Title: "a power cut while a package is layered leaves a host that boots, is whole and can layer it",
	Isolated: true, Tools: []host.Tool{host.RPMOSTree}, Labels: []string{"reboot", "slow"}, Limit: limit, Run: layering,
})

// hello is the purpose of the package that is layered.
const hello = "hello"

func layering(ctx context.Context, t *check.T) error {
	h, err := deployments.By(ctx, t, host.RPMOSTree)
	if err != nil {
		return err
	}
	p := t.Env.Packages
	if p == nil || p.Names[hello] == "" {
		return check.Skipf("no packages are served to the guest")
	}
	if err := deployments.MayLayer(ctx, t); err != nil {
		return err
	}
	if err := host.LayerFrom(ctx, t, host.PackageSource{URL: p.UnsignedURL}); err != nil {
		return err
	}
	name := p.Names[hello]
	layered := func(d host.Deployment) bool { return slices.Contains(d.Requested, name) }
	layer := true // or drop it, where it is layered
	return deployments.Judge(survives(ctx, t, h, operation{
		name:  "layering",
		ready: func(_ context.Context, was host.Deployment) error { layer = !layered(was); return nil },
		do: func(ctx context.Context) error {
			change := h.Install
			if !layer {
				change = h.Uninstall
			}
			_, err := change(ctx, host.LayerOptions{Packages: []string{name}})
			return err
		},
		done: func(d host.Deployment) bool { return layered(d) == layer },
	}))
}
