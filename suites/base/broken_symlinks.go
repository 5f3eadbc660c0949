package base

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "broken-symlinks", Title: "no symbolic link in /usr leads nowhere", Advisory: true, Run: brokenSymlinks,
	Limit: 3 * time.Minute,
})

// Build ids point into debug packages, a kernel's build and source links at
// its headers: packages that an image leaves out on purpose. /usr/etc is /etc in waiting: links
// in it lead somewhere from there. /usr/local and
// the like may be links into a /var that is made later.
const symlinkScript = `
find /usr -xdev \( -path '*/.build-id' -o -path /usr/share/doc -o -path /usr/share/licenses -o -path /usr/etc \) -prune -o \
	-xtype l ! -path '/usr/lib/modules/*/build' ! -path '/usr/lib/modules/*/source' -printf '%p|%l\n' 2>/dev/null
exit 0`

func brokenSymlinks(ctx context.Context, t *check.T) error {
	out, err := probe.OutputWithin(ctx, t, 2*time.Minute, "find", symlinkScript)
	if err != nil {
		return err
	}
	var bad []string
	for _, l := range probe.Lines(out) {
		name, target, _ := strings.Cut(l, "|")
		// What is made while the system runs need not be there.
		if elsewhere(target) {
			continue
		}
		bad = append(bad, name+" -> "+target)
	}
	if len(bad) > 0 {
		return check.FailWith(probe.Clip(strings.Join(bad, "\n"), 8000), "%d links in /usr lead nowhere: %s", len(bad), probe.Some(bad))
	}
	return nil
}

func elsewhere(target string) bool {
	for _, p := range []string{"/run", "/var", "/proc", "/sys", "/dev", "/tmp", "/etc"} {
		if target == p || strings.HasPrefix(target, p+"/") || strings.Contains(target, ".."+p+"/") {
			return true
		}
	}
	return false
}
