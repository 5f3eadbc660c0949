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
	var kept []string
	for _, l := range probe.Lines(list) {
		if !probe.AsksOutside(strings.Fields(l)[0]) {
			kept = append(kept, l)
		}
	}
	if state == "degraded" && len(kept) == 0 && list != "" {
		state = "running"
	}
	return state, strings.Join(kept, "\n"), nil
}
