package storage

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "resize-root", Title: "the root volume can be made larger while the system runs", Run: resizeRoot,
	Isolated: true, Limit: 3 * time.Minute,
})

// resizeScript grows the root volume by 256 MiB where its group has the space,
// and prints the size of the file system before and after, in KiB.
const resizeScript = `
command -v lvextend >/dev/null 2>&1 || exit 127
at=/; [ -d /sysroot/ostree ] && at=/sysroot
dev=$(findmnt -n -v -o SOURCE -T "$at" | tail -n 1)
vg=$(lvs --noheadings -o vg_name "$dev" 2>/dev/null | tr -d ' ')
[ -n "$vg" ] || exit 127
free=$(vgs --noheadings --nosuffix --units m -o vg_free "$vg" | tr -d ' ')
[ "${free%%[.,]*}" -ge 300 ] || exit 127
echo "stateBefore=$(systemctl is-system-running)"
echo "before=$(df -P -k "$at" | tail -n 1 | tr -s ' ' | cut -d' ' -f2)"
lvextend -r -L +256M "$dev" 2>&1; echo "status=$?"
echo "after=$(df -P -k "$at" | tail -n 1 | tr -s ' ' | cut -d' ' -f2)"
echo "state=$(systemctl is-system-running)"`

func resizeRoot(ctx context.Context, t *check.T) error {
	out, err := probe.OutputWithin(ctx, t, 2*time.Minute, "LVM root with free space", resizeScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	before, berr := strconv.Atoi(p["before"])
	after, aerr := strconv.Atoi(p["after"])
	switch {
	case p["status"] != "0":
		return check.FailWith(out, "lvextend -r of the root volume fails: %s", strings.Join(strings.Fields(firstLineWithout(out, "before=", "stateBefore=")), " "))
	case berr != nil || aerr != nil || after <= before:
		return check.FailWith(out, "the root file system did not grow with its volume (%s KiB before, %s after)", p["before"], p["after"])
	case p["state"] == "degraded" && p["stateBefore"] != "degraded":
		return check.FailWith(out, "the system is degraded after its root volume grew")
	}
	return nil
}

// firstLineWithout is the first line that begins with none of prefixes.
func firstLineWithout(text string, prefixes ...string) string {
	for _, l := range probe.Lines(text) {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(l, p) }) {
			return l
		}
	}
	return ""
}
