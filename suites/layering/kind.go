package layering

import (
	"context"
	"slices"
	"strings"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// rpmDatabase is where trees made of RPM packages keep their database.
const rpmDatabase = `for d in /usr/share/rpm /usr/lib/sysimage/rpm /var/lib/rpm; do
	[ -e "$d/rpmdb.sqlite" ] || [ -e "$d/Packages" ] || [ -e "$d/Packages.db" ] && { echo "$d"; exit 0; }
done
echo none`

// without is the skip of a check whose tool the host lacks. A tool that should
// be there and is not must not take its criterion along, so the host's kind has
// to show: it follows a container image, or is not made of RPM packages.
func without(ctx context.Context, t *check.T, found host.Found, lacks string) error {
	layers := func(d host.Driver) bool { return slices.Contains(tools, d.Tool()) }
	if slices.ContainsFunc(found.Drivers, layers) {
		return check.Skipf("%s", lacks)
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
	out, err := probe.Output(ctx, t, "sh", rpmDatabase)
	switch {
	case err != nil:
		return err
	case strings.TrimSpace(out) == "none":
		return check.Inapplicablef("%s, and its tree is not made of RPM packages", lacks)
	}
	return check.Skipf("%s, though its tree is made of RPM packages (%s)", lacks, probe.OneLine(out))
}
