package upgrade

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "system-running", Title: "the system is up after an upgrade, and no unit has failed", State: check.Upgraded, Run: systemRunning,
}, check.Check{
	Name: "boot-loader", Title: "what updates the boot loader (bootupd) knows it after an upgrade", State: check.Upgraded, Run: bootLoader,
})

func systemRunning(ctx context.Context, t *check.T) error {
	state, failed, err := deployments.System(ctx, t)
	if err != nil {
		return err
	}
	if state == "running" {
		return nil
	}
	var units []string
	for _, l := range probe.Lines(failed) {
		units = append(units, strings.Fields(l)[0])
	}
	return check.FailWith(failed, "the system is %q after an upgrade, with these units failed: %s", state, probe.Some(units))
}

const bootLoaderScript = `command -v bootupctl >/dev/null || exit 127
bootupctl status 2>&1`

func bootLoader(ctx context.Context, t *check.T) error {
	r, err := probe.Run(ctx, t, 0, bootLoaderScript)
	switch {
	case err != nil:
		return err
	case r.Exit == probe.Missing:
		return probe.NotShipped("bootupctl")
	case !r.OK():
		return check.FailWith(r.Stdout, "bootupctl status fails after an upgrade: %s", r.Said())
	}
	return nil
}
