package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "seccomp", Title: "containers run under a seccomp filter, and without one when asked", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, seccomp) },
})

// filterScript prints the kernel's word for the filter: 2 is a filter, 0 none.
const filterScript = `sed -n 's/^Seccomp:[^0-9]*//p' /proc/self/status`

func seccomp(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container", "run", "--rm", ref, "sh", "-c", filterScript)
	if err != nil {
		return err
	}
	switch out {
	case "":
		return check.Skipf("the kernel knows no seccomp")
	case "2":
	default:
		return check.Failf("containers run without a seccomp filter (Seccomp: %s in /proc/self/status)", out)
	}
	out, err = e.Must(ctx, "run a container without seccomp", "run", "--rm", "--security-opt", "seccomp=unconfined", ref, "sh", "-c", filterScript)
	if err != nil {
		return err
	}
	if out != "0" {
		return check.Failf("--security-opt seccomp=unconfined leaves a filter on (Seccomp: %s)", out)
	}
	fetch := fetchFrom(e, ref, engine.RegistryURL(e.Guest()), "--security-opt", "seccomp=unconfined")
	if _, err := e.Must(ctx, "reach the network from a container without seccomp", fetch...); err != nil {
		return engine.OfImage(ctx, e.Guest(), err)
	}
	return nil
}
