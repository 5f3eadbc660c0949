package base

import (
	"context"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

// Folder and units that a reboot is prepared with.
const (
	noteFolder  = "/var/lib/assay-reboot"
	keptUnit    = "assay-probe-enabled.service"
	droppedUnit = "assay-probe-disabled.service"
	etcNote     = "/etc/assay-reboot-probe"
)

// prepareScript makes two services that each leave a mark when they run,
// enables both and then disables one, notes what the guest is now, and leaves
// files where files must stay. $1, $2 are the units, $3 the folder, $4 a file
// in /etc.
const prepareScript = `
set -e
mkdir -p "$3"
for u in "$1" "$2"; do
	printf '[Unit]\nDescription=assay reboot probe\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "cat /proc/sys/kernel/random/boot_id > %s/%s.ran"\n[Install]\nWantedBy=multi-user.target\n' "$3" "$u" > "/etc/systemd/system/$u"
done
systemctl daemon-reload
systemctl enable "$1" "$2" 2>&1
systemctl start "$1" "$2"
systemctl disable "$2" 2>&1
echo kept > "$4"
cat /etc/machine-id > "$3/machine-id"
cat /proc/sys/kernel/random/boot_id > "$3/boot-id"
sync`

// notes is what a guest said of itself before a reboot.
type notes struct {
	machineID, bootID string
}

// prepareReboot is the Prepare of every check here that wants a rebooted
// guest. They share the guest, so what one has prepared serves the next.
func prepareReboot(ctx context.Context, t *check.T) (any, error) {
	n, err := readNotes(ctx, t)
	if err != nil || n.bootID != "" && n.bootID == t.BootID() {
		return n, err
	}
	r, err := probe.Run(ctx, t, 0, prepareScript, keptUnit, droppedUnit, noteFolder, etcNote)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, check.FailWith(r.Stdout+r.Stderr, "a service of the administrator's own cannot be set up: %s", probe.OneLine(r.Said()))
	}
	return readNotes(ctx, t)
}

const notesScript = `cat "$1/machine-id" "$1/boot-id" 2>/dev/null; exit 0`

func readNotes(ctx context.Context, g guest.Guest) (notes, error) {
	out, err := probe.Output(ctx, g, "cat", notesScript, noteFolder)
	if err != nil {
		return notes{}, err
	}
	l := strings.Fields(out)
	if len(l) != 2 {
		return notes{}, nil
	}
	return notes{l[0], l[1]}, nil
}
