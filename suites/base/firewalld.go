package base

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "firewalld", Title: "firewalld starts, and SSH stays open", Run: firewalld,
	Isolated: true, Limit: 3 * time.Minute,
})

const firewalldScript = `
command -v firewall-cmd >/dev/null 2>&1 || exit 127
echo "enabled=$(systemctl is-enabled firewalld.service 2>/dev/null)"
echo "active=$(systemctl is-active firewalld.service 2>/dev/null)"
systemctl start firewalld.service 2>&1 | sed 's/^/error=/'
printf 'state='; firewall-cmd --state 2>&1 | tail -n 1
exit 0`

func firewalld(ctx context.Context, t *check.T) error {
	out, err := probe.OutputWithin(ctx, t, time.Minute, "firewalld", firewalldScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["enabled"] == "masked":
		return check.Skipf("firewalld is masked")
	case p["state"] != "running":
		return check.FailWith(out+probe.JournalTail(ctx, t, "firewalld.service", 20),
			"firewalld does not start: %s", orUnknown(probe.OneLine(p["error"]+" "+p["state"])))
	case p["enabled"] == "enabled" && p["active"] != "active":
		return check.FailWith(out, "firewalld is enabled and was %s after boot", orUnknown(p["active"]))
	}
	banner, err := sshBanner(ctx, t)
	if err != nil {
		// The connection that is open already stays open, unless it is the guest
		// or what is around it that is gone.
		if _, lost := probe.Output(ctx, t, "sh", "true"); lost != nil {
			return lost
		}
	}
	if err != nil || !strings.HasPrefix(banner, "SSH-") {
		return check.Failf("firewalld shuts SSH out: port 22 does not answer once it runs")
	}
	return nil
}
