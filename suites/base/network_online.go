package base

import (
	"context"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "network-online", Title: "the boot does not wait for the network", Advisory: true, Run: networkOnline,
})

const networkOnlineScript = `
command -v systemctl >/dev/null 2>&1 || exit 127
command -v cloud-init >/dev/null 2>&1 && echo 'cloudinit=1'
echo "state=$(systemctl is-active network-online.target)"
systemctl list-dependencies --reverse --plain --no-pager network-online.target 2>/dev/null | sed -n '2,$s/^ */by /p'
exit 0`

func networkOnline(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "systemctl", networkOnlineScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["state"] != "active":
		return nil
	case p["cloudinit"] != "":
		return check.Skipf("cloud-init needs the network at boot")
	}
	return check.FailWith(out, "network-online.target is active: a host without a network waits at boot")
}
