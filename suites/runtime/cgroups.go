package runtime

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "cgroups", Title: "the runtime uses the host's cgroup version, through systemd where systemd owns it", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, cgroups) },
})

const cgroupScript = `
echo "type=$(stat -f -c %T /sys/fs/cgroup)"
[ -d /run/systemd/system ] && echo 'systemd=1'
exit 0`

func cgroups(ctx context.Context, e engine.Engine) error {
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	out, err := probe.Output(ctx, e.Guest(), "stat", cgroupScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	version := "1"
	if strings.HasPrefix(p["type"], "cgroup2") {
		version = "2"
	}
	switch {
	case info.CgroupVersion != "" && info.CgroupVersion != version:
		return check.Failf("the host has cgroups of version %s, the runtime speaks version %s", version, info.CgroupVersion)
	case version == "2" && p["systemd"] != "" && info.CgroupManager != "" && info.CgroupManager != "systemd": // podman before 2.1 does not say
		return check.Failf("the runtime manages cgroups by itself (%s) on a host where systemd does; set the cgroup manager to systemd", info.CgroupManager)
	}
	return nil
}
