package layering

import (
	"context"
	"slices"
	"strings"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// traces prints what a host has that rpm-ostree came with, and where a tree
// made of RPM packages keeps their database.
const traces = `rpm -q rpm-ostree >/dev/null 2>&1 && echo "the package rpm-ostree"
for f in /usr/lib/systemd/system/rpm-ostreed.service /etc/rpm-ostreed.conf /usr/etc/rpm-ostreed.conf /usr/lib64/librpmostree-1.so* /usr/lib/rpm-ostree; do
	[ -e "$f" ] && { echo "$f"; break; }
done
for d in /usr/share/rpm /usr/lib/sysimage/rpm /var/lib/rpm; do
	[ -e "$d/rpmdb.sqlite" ] || [ -e "$d/Packages" ] || [ -e "$d/Packages.db" ] && { echo "database $d"; exit 0; }
done
exit 0`

// without is the skip of a check whose tool the host lacks. A tool that should
// be there and is not must not take its criterion along, so the host's kind has
// to show: it follows a container image, or is not made of RPM packages.
func without(ctx context.Context, t *check.T, found host.Found, lacks string) error {
	layers := func(d host.Driver) bool { return slices.Contains(tools, d.Tool()) }
	if slices.ContainsFunc(found.Drivers, layers) {
		return check.Skipf("%s", lacks)
	}
	out, err := probe.Output(ctx, t, "sh", traces)
	if err != nil {
		return err
	}
	database := ""
	for _, l := range probe.Lines(out) {
		if d, ok := strings.CutPrefix(l, "database "); ok {
			database = d
			continue
		}
		return check.Skipf("%s, though %s is there", lacks, l)
	}
	if d, ok := found.Driver(host.Bootc); ok {
		status, err := d.Status(ctx)
		if err != nil {
			return check.Skipf("%s, and bootc does not tell what it follows: %v", lacks, err)
		}
		if booted, err := status.Booted(); err == nil && booted.Image != nil {
			return check.Inapplicablef("%s, and follows a container image: packages are added to that", lacks)
		}
	}
	if database == "" {
		return check.Inapplicablef("%s, and its tree is not made of RPM packages", lacks)
	}
	return check.Skipf("%s, though its tree is made of RPM packages (%s)", lacks, probe.OneLine(database))
}
