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
	Name: "network-config", Title: "the network is as the seed says: an address, a way out, a name server", Run: networkConfig,
})

// networkScript prints addresses, default routes, name servers and what
// cloud-init wrote for the system's own network program.
const networkScript = need + `
command -v ip >/dev/null 2>&1 || exit 127
ip -o addr show scope global 2>/dev/null | sed 's/^/addr /'
ip route show default 2>/dev/null | sed 's/^/route /'
cat /etc/resolv.conf /run/systemd/resolve/resolv.conf /run/NetworkManager/no-stub-resolv.conf 2>/dev/null | sed -n 's/^nameserver */dns /p'
ls /etc/netplan/*cloud-init* /etc/NetworkManager/system-connections/cloud-init-* /etc/systemd/network/*cloud-init* \
	/etc/network/interfaces.d/*cloud-init* /etc/sysconfig/network-scripts/ifcfg-* /run/systemd/network/*.network 2>/dev/null | sed 's/^/file /'
exit 0`

func networkConfig(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "cloud-init or ip", networkScript)
	if err != nil {
		return err
	}
	var addrs, routes, servers int
	for _, l := range probe.Lines(out) {
		kind, rest, _ := strings.Cut(l, " ")
		switch kind {
		case "addr":
			if globalAddress(rest) {
				addrs++
			}
		case "route":
			routes++
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
