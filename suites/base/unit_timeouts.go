package base

import (
	"context"
	"fmt"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "default-unit-timeouts", Title: "units get the usual time to start and stop", Advisory: true, Run: unitTimeouts,
})

// usualTimeouts are systemd's default and the one of Fedora since 37.
var usualTimeouts = map[string]bool{"1min 30s": true, "45s": true}

func unitTimeouts(ctx context.Context, t *check.T) error {
	out, err := guest.Output(ctx, t, "systemctl", "show", "--property=DefaultTimeoutStartUSec", "--property=DefaultTimeoutStopUSec")
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	var odd []string
	for _, name := range []string{"DefaultTimeoutStartUSec", "DefaultTimeoutStopUSec"} {
		if v, ok := p[name]; ok && !usualTimeouts[v] {
			odd = append(odd, fmt.Sprintf("%s is %s", strings.TrimSuffix(name, "USec")+"Sec", v))
		}
	}
	if len(odd) > 0 {
		return check.Failf("%s, not 90 or 45 seconds", strings.Join(odd, " and "))
	}
	return nil
}
