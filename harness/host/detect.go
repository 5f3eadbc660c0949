package host

import (
	"context"
	"strings"

	"assay/harness/guest"
)

// Found is what a guest is managed with.
type Found struct {
	// Drivers and Containers are in the order in which criteria prefer them.
	Drivers    []Driver
	Containers []SystemContainers
}

// Driver is the driver for one tool, if the guest has it.
func (f Found) Driver(t Tool) (Driver, bool) {
	for _, d := range f.Drivers {
		if d.Tool() == t {
			return d, true
		}
	}
	return nil, false
}

// detectScript prints each tool that the guest has on a line of its own. A
// tool that manages deployments counts where the host was booted from one; of
// bootc's composefs hosts only bootc knows. `atomic` has a host command where
// there is an rpm-ostree, and runs system containers where there is a runtime.
const detectScript = `
has() { command -v "$1" >/dev/null 2>&1; }
if [ -e /run/ostree-booted ]; then
	has rpm-ostree && echo rpm-ostree
	has rpm-ostree && has atomic && echo "atomic host"
	has bootc && echo bootc
	has ostree && echo "ostree admin"
elif has bootc && bootc status --json 2>/dev/null | grep -q '"verity"'; then
	echo bootc
fi
has atomic && { has runc || has crun; } && echo atomic
has podman && [ -x /usr/lib/systemd/system-generators/podman-system-generator ] && echo quadlet
exit 0`

// Detect finds out what g is managed with, by one command. A guest with
// nothing of it is no error.
func Detect(ctx context.Context, g guest.Guest) (Found, error) {
	out, err := guest.Output(ctx, g, "sh", "-c", detectScript)
	if err != nil {
		return Found{}, err
	}
	has := map[Tool]bool{}
	for _, l := range strings.Split(out, "\n") {
		has[Tool(strings.TrimSpace(l))] = true
	}
	var f Found
	for _, t := range Tools {
		if has[t] {
			f.Drivers = append(f.Drivers, New(t, g))
		}
	}
	for _, t := range []Tool{Atomic, Quadlet} {
		if has[t] {
			f.Containers = append(f.Containers, NewContainers(t, g))
		}
	}
	return f, nil
}
