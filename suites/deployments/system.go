package deployments

import (
	"context"
	"strings"

	"assay/harness/guest"
	"assay/suites/probe"
)

// SystemScript prints the system's state, then the units that failed.
const SystemScript = `systemctl is-system-running
systemctl --failed --plain --no-legend --no-pager
exit 0`

// System is what systemd says of the whole, "running" or "degraded", and the
// units that failed, one a line. Units that ask the internet, which no guest
// reaches, are left out, and a system that they alone degrade is running.
func System(ctx context.Context, g guest.Guest) (state, failed string, err error) {
	out, err := probe.Output(ctx, g, "systemctl", SystemScript)
	if err != nil {
		return "", "", err
	}
	state, list, _ := strings.Cut(strings.TrimSpace(out), "\n")
	lines := map[string]string{}
	var units, kept []string
	for _, l := range probe.Lines(list) {
		unit := strings.Fields(l)[0]
		lines[unit], units = l, append(units, unit)
	}
	counts, passed, err := probe.Held(ctx, g, units)
	if err != nil {
		return "", "", err
	}
	for _, u := range counts {
		kept = append(kept, lines[u])
	}
	if state == "degraded" && len(kept) == 0 && len(passed) > 0 {
		state = "running"
	}
	return state, strings.Join(kept, "\n"), nil
}
