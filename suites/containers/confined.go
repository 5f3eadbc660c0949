package containers

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "confined", Title: "root in an ordinary container has no power over the host, and an SELinux domain where the host enforces SELinux", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, confined) },
})

// confinedScript prints root's capabilities in the container, and its security
// context, which the kernel ends with a NUL.
const confinedScript = `
sed -n 's/^CapEff:[^0-9a-f]*/CapEff=/p' /proc/self/status
echo "context=$(cat /proc/self/attr/current 2>/dev/null | tr -d '\000')"
true`

const enforcingScript = `[ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ] && echo enforcing
exit 0`

// power are capabilities that give the host away, by their number, and that no engine
// leaves a container unless it is asked to. Source: capabilities(7), linux/capability.h.
var power = []struct {
	bit  int
	name string
}{{16, "CAP_SYS_MODULE"}, {17, "CAP_SYS_RAWIO"}, {21, "CAP_SYS_ADMIN"}}

// containerTypes are the SELinux types of a container: today's, that of policies until
// 2017, and those of one with an init or a kernel of its own.
var containerTypes = []string{"container_t", "svirt_lxc_net_t", "container_init_t", "container_kvm_t"}

func confined(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	enforcing, err := probe.Output(ctx, e.Guest(), "sh", enforcingScript)
	if err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container", "run", "--rm", ref, "sh", "-c", confinedScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	caps, err := strconv.ParseUint(p["CapEff"], 16, 64)
	if err != nil {
		return check.Skipf("the container's /proc does not tell of capabilities")
	}
	var has []string
	for _, c := range power {
		if caps&(1<<c.bit) != 0 {
			has = append(has, c.name)
		}
	}
	switch {
	case len(has) > 0:
		return check.FailWith(out, "root in a container that asked for nothing has %s (CapEff %s; see default_capabilities and privileged in containers.conf)", strings.Join(has, ", "), p["CapEff"])
	case strings.TrimSpace(enforcing) != "" && !slices.Contains(containerTypes, selinuxType(p["context"])):
		return check.FailWith(out, "the host enforces SELinux, and a container runs as %q, not as container_t (see label in containers.conf, selinux-enabled in daemon.json)", p["context"])
	}
	return nil
}

// selinuxType is the third part of "system_u:system_r:container_t:s0:c1,c2".
func selinuxType(label string) string {
	if f := strings.Split(label, ":"); len(f) > 2 {
		return f[2]
	}
	return ""
}
