package network

import (
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func request(t *testing.T, mac string, mt dhcpv4.MessageType, with ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(hw), dhcpv4.WithMessageType(mt)}, with...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLeases(t *testing.T) {
	l := leases{mustMAC(GuestMAC): netip.MustParseAddr(GuestIP)}
	asks := func(ip string) dhcpv4.Modifier {
		return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
	}
	for _, c := range []struct {
		name string
		m    *dhcpv4.DHCPv4
		want dhcpv4.MessageType // 0: no answer
		ip   string
	}{
		{"discover", request(t, GuestMAC, dhcpv4.MessageTypeDiscover), dhcpv4.MessageTypeOffer, GuestIP},
		{"request", request(t, GuestMAC, dhcpv4.MessageTypeRequest, asks(GuestIP)), dhcpv4.MessageTypeAck, GuestIP},
		{"renew", request(t, GuestMAC, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(net.ParseIP(GuestIP))), dhcpv4.MessageTypeAck, GuestIP},
		{"another address", request(t, GuestMAC, dhcpv4.MessageTypeRequest, asks("10.0.2.15")), dhcpv4.MessageTypeNak, "0.0.0.0"},
		{"another server", request(t, GuestMAC, dhcpv4.MessageTypeRequest, asks(GuestIP),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP("192.168.127.9")))), 0, ""},
		{"inform", request(t, GuestMAC, dhcpv4.MessageTypeInform), dhcpv4.MessageTypeAck, "0.0.0.0"},
		{"release", request(t, GuestMAC, dhcpv4.MessageTypeRelease), 0, ""},
		{"stranger", request(t, "02:00:00:00:00:01", dhcpv4.MessageTypeDiscover), 0, ""},
	} {
		got := l.answer(c.m)
		if c.want == 0 {
			if got != nil {
				t.Errorf("%s: answered with %s", c.name, got.MessageType())
			}
			continue
		}
		if got == nil {
			t.Errorf("%s: no answer, want %s", c.name, c.want)
			continue
		}
		if got.MessageType() != c.want || got.YourIPAddr.String() != c.ip {
			t.Errorf("%s: %s %s, want %s %s", c.name, got.MessageType(), got.YourIPAddr, c.want, c.ip)
		}
		if c.want == dhcpv4.MessageTypeAck && (!got.Router()[0].Equal(net.ParseIP(GatewayIP)) || !got.DNS()[0].Equal(net.ParseIP(GatewayIP))) {
			t.Errorf("%s: router %v, name servers %v; want the gateway", c.name, got.Router(), got.DNS())
		}
	}
}

func FuzzDHCP(f *testing.F) {
	l := leases{mustMAC(GuestMAC): netip.MustParseAddr(GuestIP)}
	hw, _ := net.ParseMAC(GuestMAC)
	m, err := dhcpv4.NewDiscovery(hw)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.ToBytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dhcpv4.FromBytes(b)
		if err != nil {
			return
		}
		if r := l.answer(m); r != nil {
			r.ToBytes()
		}
	})
}
