package base

import (
	"context"
	"slices"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "time-sync", Title: "a service that keeps the clock right is switched on", Run: timeSync,
})

// timeUnits are the services that set the clock by the network. Whether they
// have done so is not asked: a guest's network has nobody to ask the time.
var timeUnits = []string{"chronyd.service", "chrony.service", "systemd-timesyncd.service", "ntpd.service", "ntp.service",
	"ntpsec.service", "ntpd-rs.service", "openntpd.service"}

// timeScript prints what systemd knows of the units it is given, in blocks.
const timeScript = `command -v systemctl >/dev/null 2>&1 || exit 127
systemctl show --no-pager --property=Id,LoadState,ActiveState,UnitFileState -- "$@"`

func timeSync(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "systemctl", timeScript, timeUnits...)
	if err != nil {
		return err
	}
	var idle []string
	for _, block := range strings.Split(out, "\n\n") {
		p := probe.Pairs(block)
		switch {
		case p["Id"] == "" || p["LoadState"] == "not-found" || p["LoadState"] == "":
			continue
		case p["ActiveState"] == "active", p["ActiveState"] == "activating", strings.HasPrefix(p["UnitFileState"], "enabled"):
			return nil
		}
		// One unit may be asked for by two names.
		if said := p["Id"] + " is " + orUnknown(p["UnitFileState"]); !slices.Contains(idle, said) {
			idle = append(idle, said)
		}
	}
	switch {
	case len(idle) == 0:
		return probe.NotShipped("service that sets the clock")
	case slices.Equal(idle, []string{"systemd-timesyncd.service is disabled"}):
		// It comes with systemd, wanted or not: a hypervisor may keep the time.
		return check.Skipf("the image leaves the clock to others: it ships systemd's own client alone, and that is disabled")
	}
	return check.FailWith(out, "nothing keeps the clock right: %s; enable one", probe.Some(idle))
}
