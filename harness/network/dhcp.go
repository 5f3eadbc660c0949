package network

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// leaseTime outlives every run: a fork whose clock jumps must not lose its
// address.
const leaseTime = 7 * 24 * time.Hour

// leases is who gets which address; it never grows, so no client can fill it.
type leases map[macAddr]netip.Addr

func (n *Network) startDHCP(guests int) error {
	known := leases{}
	for i := range guests {
		m, a := guestAddr(i)
		known[macAddr(m)] = a
	}
	var wq waiter.Queue
	ep, terr := n.stack.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &wq)
	if terr != nil {
		return fmt.Errorf("cannot make the DHCP server's socket: %s", terr)
	}
	ep.SocketOptions().SetBroadcast(true)
	if err := ep.Bind(tcpip.FullAddress{NIC: nic, Port: dhcpv4.ServerPort}); err != nil {
		ep.Close()
		return fmt.Errorf("cannot bind the DHCP server's socket: %s", err)
	}
	c := gonet.NewUDPConn(&wq, ep)
	if err := n.own(c); err != nil {
		return err
	}
	n.wg.Go(func() { serveDHCP(c, known) })
	return nil
}

func serveDHCP(c net.PacketConn, known leases) {
	buf := make([]byte, MTU)
	for {
		size, peer, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		m, err := dhcpv4.FromBytes(buf[:size])
		if err != nil {
			continue
		}
		reply := known.answer(m)
		if reply == nil {
			continue
		}
		to, ok := peer.(*net.UDPAddr)
		if !ok || to.IP.IsUnspecified() || m.IsBroadcast() || reply.MessageType() == dhcpv4.MessageTypeNak {
			to = &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort}
		}
		// A reply that is lost is asked for again.
		_, _ = c.WriteTo(reply.ToBytes(), to)
	}
}

// answer is the reply to m, or nil when it deserves none (RFC 2131).
func (l leases) answer(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	if m.OpCode != dhcpv4.OpcodeBootRequest || len(m.ClientHWAddr) != 6 {
		return nil
	}
	ip, ok := l[macAddr(m.ClientHWAddr)]
	if !ok {
		return nil
	}
	server := net.ParseIP(GatewayIP)
	subnet := netip.MustParsePrefix(Subnet)
	with := []dhcpv4.Modifier{
		dhcpv4.WithServerIP(server),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)),
		dhcpv4.WithNetmask(net.CIDRMask(subnet.Bits(), 32)),
		dhcpv4.WithRouter(server),
		dhcpv4.WithDNS(server),
	}
	lease := []dhcpv4.Modifier{dhcpv4.WithYourIP(ip.AsSlice()), dhcpv4.WithLeaseTime(uint32(leaseTime.Seconds()))}
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		with = append(with, append(lease, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer))...)
	case dhcpv4.MessageTypeRequest:
		if other := m.ServerIdentifier(); other != nil && !other.Equal(server) {
			return nil
		}
		asked := m.RequestedIPAddress()
		if asked == nil {
			asked = m.ClientIPAddr
		}
		if !asked.Equal(ip.AsSlice()) {
			with = []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server)), dhcpv4.WithMessageType(dhcpv4.MessageTypeNak)}
			break
		}
		with = append(with, append(lease, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck))...)
	case dhcpv4.MessageTypeInform:
		with = append(with, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck))
	default:
		return nil
	}
	reply, err := dhcpv4.NewReplyFromRequest(m, with...)
	if err != nil {
		return nil
	}
	return reply
}
