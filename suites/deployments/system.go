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
// units that failed, one a line.
func System(ctx context.Context, g guest.Guest) (state, failed string, err error) {
	out, err := probe.Output(ctx, g, "systemctl", SystemScript)
	if err != nil {
		return "", "", err
	}
	state, failed, _ = strings.Cut(strings.TrimSpace(out), "\n")
	return state, failed, nil
}
