package base

import (
	"context"
	"regexp"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "os-release", Title: "os-release names the system and its version", Run: osRelease,
})

// osReleaseScript reads the file as a shell would, as its format promises.
const osReleaseScript = `
for f in /etc/os-release /usr/lib/os-release; do [ -r "$f" ] && break; done
[ -r "$f" ] || exit 0
cat "$f"`

// osReleaseID is what os-release(5) allows in ID.
var osReleaseID = regexp.MustCompile(`^[a-z0-9._-]+$`)

func osRelease(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", osReleaseScript)
	if err != nil {
		return err
	}
	if strings.TrimSpace(out) == "" {
		return check.Failf("there is no os-release, in /etc or /usr/lib")
	}
	p := map[string]string{}
	for _, l := range probe.Lines(out) {
		if strings.HasPrefix(l, "#") {
			continue
		}
		k, v, ok := strings.Cut(l, "=")
		if !ok {
			return check.FailWith(out, "os-release has a line that is no assignment: %s", probe.OneLine(l))
		}
		p[k] = strings.Trim(v, `"'`)
	}
	switch {
	case p["ID"] == "":
		return check.FailWith(out, "os-release has no ID")
	case !osReleaseID.MatchString(p["ID"]):
		return check.FailWith(out, "os-release has ID=%s; only a-z, 0-9, '.', '_' and '-' may stand in it", p["ID"])
	case p["NAME"] == "" && p["PRETTY_NAME"] == "":
		return check.FailWith(out, "os-release has neither NAME nor PRETTY_NAME")
	case p["VERSION_ID"] == "" && p["VERSION_CODENAME"] == "" && p["BUILD_ID"] == "" && p["OSTREE_VERSION"] == "":
		return check.FailWith(out, "os-release says no version (VERSION_ID, BUILD_ID or OSTREE_VERSION)")
	}
	return nil
}
