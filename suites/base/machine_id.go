package base

import (
	"context"
	"regexp"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "machine-id", Title: "/etc/machine-id is valid and kept on disk", Run: machineID,
})

// machineIDScript prints the id, whether a mount hides the file (systemd's way
// of giving an id for this boot alone), an id that the kernel was told, and the
// one that D-Bus's library reads first. That passes over a file with no id in it.
// Source: dbus, dbus/dbus-sysdeps-unix.c, _dbus_read_local_machine_uuid.
const machineIDScript = `
printf 'id='; head -c 64 /etc/machine-id 2>/dev/null | head -n 1; echo
[ -e /etc/machine-id ] || echo 'absent=1'
while read -r _ _ _ _ where _; do [ "$where" = /etc/machine-id ] && echo 'mounted=1'; done < /proc/self/mountinfo
tr ' ' '\n' < /proc/cmdline | sed -n 's/^systemd.machine_id=/kernel=/p'
printf 'dbus='; head -c 64 /var/lib/dbus/machine-id 2>/dev/null | head -n 1; echo
exit 0`

var validMachineID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func machineID(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", machineIDScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch id := p["id"]; {
	case p["absent"] != "":
		return check.Failf("/etc/machine-id does not exist")
	case id == "":
		return check.Failf("/etc/machine-id is empty after boot: systemd could not write it (is /etc writable early enough?)")
	case id == "uninitialized":
		return check.Failf("/etc/machine-id says uninitialized after boot: the first boot never finished (systemd-machine-id-commit.service)")
	case !validMachineID.MatchString(id):
		return check.Failf("/etc/machine-id holds %q, not 32 hexadecimal digits", probe.OneLine(id))
	case strings.Trim(id, "0") == "":
		return check.Failf("/etc/machine-id is all zeros")
	case p["mounted"] != "":
		return check.Failf("the machine-id is transient: /etc/machine-id is a mount, so every boot is another machine (systemd-machine-id-commit.service did not run)")
	case p["kernel"] != "" && p["kernel"] != "firmware":
		return check.Failf("the machine-id comes from the kernel argument systemd.machine_id=%s, the same for every host", p["kernel"])
	case validMachineID.MatchString(p["dbus"]) && p["dbus"] != id:
		return check.Failf("/var/lib/dbus/machine-id holds %s and /etc/machine-id %s: programs that ask D-Bus see another machine; make the first a link to the second", p["dbus"], id)
	}
	return nil
}
