package base

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "package-db", Title: "the package database can be read and lists packages", Run: packageDB,
	Limit: 2 * time.Minute,
})

// packageScript counts packages with each tool that is there. An image without
// either tool prints nothing. rpm makes a missing database anew and finds it empty,
// so its folder is looked for first: in the known places and in rpm's own.
const packageScript = `
database() {
	for d in /usr/share/rpm /usr/lib/sysimage/rpm /var/lib/rpm "$(rpm --eval '%{_dbpath}' 2>/dev/null)"; do
		[ -n "$d" ] || continue
		for f in "$d"/*; do [ -f "$f" ] && [ -s "$f" ] && return 0; done
	done
	return 1
}
if command -v rpm >/dev/null 2>&1 && ! database; then
	echo 'lost=1'
elif command -v rpm >/dev/null 2>&1; then
	rpm -qa >/tmp/.assay-packages 2>/tmp/.assay-errors; echo "rpm=$(wc -l < /tmp/.assay-packages)"
	sed -n '1s/^/error=/p' /tmp/.assay-errors
fi
if command -v dpkg-query >/dev/null 2>&1; then
	dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' >/tmp/.assay-packages 2>/tmp/.assay-errors; echo "dpkg=$(wc -l < /tmp/.assay-packages)"
	sed -n 's/^i[^i ][^ ]* *\(.*\)/half=\1/p' /tmp/.assay-packages
	sed -n '1s/^/error=/p' /tmp/.assay-errors
fi
rm -f /tmp/.assay-packages /tmp/.assay-errors
exit 0`

func packageDB(ctx context.Context, t *check.T) error {
	out, err := probe.OutputWithin(ctx, t, time.Minute, "sh", packageScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["lost"] != "" && number(p["dpkg"]) == 0:
		return check.Failf("rpm is there and its database is not (looked in /usr/share/rpm, /usr/lib/sysimage/rpm and /var/lib/rpm)")
	case p["rpm"] == "" && p["dpkg"] == "":
		return check.Skipf("the image ships neither rpm nor dpkg")
	}
	// An image with both has one that is its own.
	if number(p["rpm"]) == 0 && number(p["dpkg"]) == 0 {
		tool := "rpm -qa"
		if p["rpm"] == "" {
			tool = "dpkg-query -W"
		}
		return check.FailWith(out, "%s lists no package (%s)", tool, orUnknown(probe.OneLine(p["error"])))
	}
	var half []string
	for _, l := range probe.Lines(out) {
		if name, ok := strings.CutPrefix(l, "half="); ok {
			half = append(half, name)
		}
	}
	if len(half) > 0 {
		return check.FailWith(out, "packages are not fully installed: %s", probe.Some(half))
	}
	return nil
}
