package runtime

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "security", Title: "containers get a seccomp filter, and SELinux labels where the host enforces them", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, security) },
})

const securityScript = `
[ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ] && echo 'enforcing=1'
grep -q '^Seccomp:' /proc/self/status && echo 'seccomp=1'
exit 0`

func security(ctx context.Context, e engine.Engine) error {
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	out, err := probe.Output(ctx, e.Guest(), "sh", securityScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case info.SecurityUnknown:
		return check.Skipf("%s %s does not tell how it confines containers", e.Name, info.Version)
	case p["seccomp"] != "" && !info.Seccomp:
		return check.Failf("the runtime gives containers no seccomp filter though the kernel has it")
	case p["enforcing"] != "" && !info.SELinux:
		return check.Failf("the runtime gives containers no SELinux label though the host enforces SELinux (selinux-enabled in daemon.json, label in containers.conf)")
	}
	return nil
}
