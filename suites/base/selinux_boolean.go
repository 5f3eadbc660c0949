package base

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "selinux-boolean", Title: "an SELinux boolean set for good survives a reboot, one set for now does not", Run: selinuxBoolean,
	State: check.Rebooted, Prepare: setBooleans, Labels: []string{"slow", "reboot"}, Limit: 5 * time.Minute,
})

// Two booleans that every targeted policy has and no boot depends on.
const (
	lastingBoolean = "daemons_dump_core"
	passingBoolean = "deny_ptrace"
)

const setBooleanScript = `command -v setsebool >/dev/null 2>&1 || exit 127
getsebool "$1" "$2" >/dev/null 2>&1 || exit 127
setsebool -P "$1" on && setsebool "$2" on && getsebool "$1" "$2"`

const getBooleanScript = `getsebool "$1" "$2"`

func setBooleans(ctx context.Context, t *check.T) (any, error) {
	if err := needSELinux(ctx, t); err != nil {
		return nil, err
	}
	r, err := probe.Run(ctx, t, 3*time.Minute, setBooleanScript, lastingBoolean, passingBoolean)
	switch {
	case err != nil:
		return nil, err
	case r.Exit == probe.Missing:
		return nil, check.Skipf("the image ships no setsebool, or its policy none of the booleans %s, %s", lastingBoolean, passingBoolean)
	case !r.OK():
		return nil, check.Failf("SELinux booleans cannot be set: %s", r.Said())
	}
	return nil, nil
}

func selinuxBoolean(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "getsebool", getBooleanScript, lastingBoolean, passingBoolean)
	if err != nil {
		return err
	}
	got := map[string]string{}
	for _, l := range probe.Lines(out) {
		if f := strings.Fields(l); len(f) == 3 { // "name --> on"
			got[f[0]] = f[2]
		}
	}
	switch {
	case got[lastingBoolean] != "on":
		return check.Failf("the SELinux boolean %s was set with -P and is %s after a reboot", lastingBoolean, orUnknown(got[lastingBoolean]))
	case got[passingBoolean] != "off":
		return check.Failf("the SELinux boolean %s was set until the next boot and is %s after it", passingBoolean, orUnknown(got[passingBoolean]))
	}
	return nil
}
