package cloudinit

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "network-config", Title: "the network is as the seed says: an address, a way out, a name server, and a route that the seed alone knows", Run: networkConfig,
})

// networkScript prints addresses, default routes, name servers, routes to the
// seed's own network $1, what cloud-init wrote for the system's network program,
// and what it said of that.
const networkScript = need + `
command -v ip >/dev/null 2>&1 || exit 127
ip -o addr show scope global 2>/dev/null | sed 's/^/addr /'
ip route show default 2>/dev/null | sed 's/^/route /'
cat /etc/resolv.conf /run/systemd/resolve/resolv.conf /run/NetworkManager/no-stub-resolv.conf 2>/dev/null | sed -n 's/^nameserver */dns /p'
[ -z "$1" ] || ip route show "$1" 2>/dev/null | sed 's/^/seed /'
grep -h -o -E 'network config is disabled by .*|Applying network config[a-z]* from [a-z_]*' /var/log/cloud-init.log 2>/dev/null | sed 's/^/said /'
grep -qs '^DEVICE="*seed"*$' /etc/sysconfig/network-scripts/ifcfg-seed && echo 'named seed'
ls /etc/netplan/*cloud-init* /etc/NetworkManager/system-connections/cloud-init-* /etc/systemd/network/*cloud-init* \
	/etc/network/interfaces.d/*cloud-init* /etc/sysconfig/network-scripts/ifcfg-* /run/systemd/network/*.network 2>/dev/null | sed 's/^/file /'
exit 0`

func networkConfig(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "cloud-init or ip", networkScript, t.Env.SeedRoute)
	if err != nil {
		return err
	}
	var addrs, routes, servers, seeded int
	said, named := "", false
	for _, l := range probe.Lines(out) {
		kind, rest, _ := strings.Cut(l, " ")
		switch kind {
		case "addr":
			if globalAddress(rest) {
				addrs++
			}
		case "route":
			routes++
		case "seed":
			seeded++
		case "named":
			named = true
		case "said":
			said = rest
		case "dns":
			if _, err := netip.ParseAddr(strings.TrimSpace(rest)); err == nil {
				servers++
			}
		}
	}
	switch {
	case addrs == 0:
		return check.FailWith(out, "no interface has an address besides loopback")
	case routes == 0:
		return check.FailWith(out, "there is no default route")
	case servers == 0:
		return check.FailWith(out, "there is no name server in /etc/resolv.conf")
	case seeded == 0 && named:
		// cloud-init before 22.2 writes for network-scripts the seed's word for a card
		// in place of the card's name (its change log: "Fix sysconfig render when set-name is missing").
		t.Log("the seed's network configuration was written for a device that is not there, as cloud-init before 22.2 does: its route is not asked for")
	case t.Env.SeedRoute != "" && seeded == 0:
		// What DHCP gives is there without the seed, too.
		return check.FailWith(out, "the seed's network configuration is not heeded: its route to %s is missing (cloud-init: %s)", t.Env.SeedRoute, orElse(probe.OneLine(said), "no word of it"))
	}
	return nil
}

// globalAddress reads a line of `ip -o addr`: "2: eth0 inet 10.0.0.2/24 ...".
func globalAddress(line string) bool {
	f := strings.Fields(line)
	for i, w := range f {
		if (w == "inet" || w == "inet6") && i+1 < len(f) {
			ip, _, err := net.ParseCIDR(f[i+1])
			return err == nil && ip.IsGlobalUnicast()
		}
	}
	return false
}
