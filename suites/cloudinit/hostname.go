package cloudinit

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "hostname", Title: "the host is called what the seed calls it", Run: hostname,
})

const hostnameScript = need + `
echo "kernel=$(cat /proc/sys/kernel/hostname)"
echo "static=$(head -n 1 /etc/hostname 2>/dev/null)"
exit 0`

func hostname(ctx context.Context, t *check.T) error {
	if t.Env.Hostname == "" {
		return check.Skipf("the seed gives no hostname")
	}
	out, err := probe.Output(ctx, t, "cloud-init", hostnameScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case !sameHost(p["kernel"], t.Env.Hostname):
		return check.Failf("the host is called %q, not %q as the seed says", p["kernel"], t.Env.Hostname)
	case !sameHost(p["static"], t.Env.Hostname):
		return check.Failf("/etc/hostname says %q, so the host loses the name %q at the next boot", p["static"], t.Env.Hostname)
	}
	return nil
}

// sameHost compares a name with the seed's, which may be the full name of
// which systems keep the first label.
func sameHost(is, wanted string) bool {
	short, _, _ := strings.Cut(wanted, ".")
	return is != "" && (is == wanted || is == short)
}
