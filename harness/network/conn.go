package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// neighbourLimits make ARP give up after half a second instead of three: a
// guest answers within milliseconds or has not got so far.
func neighbourLimits() stack.NUDConfigurations {
	c := stack.DefaultNUDConfigurations()
	c.RetransmitTimer = 170 * time.Millisecond
	c.MaxMulticastProbes = 3
	return c
}

// Listen listens on a TCP port of the gateway. Close of the network ends it.
func (n *Network) Listen(port int) (net.Listener, error) {
	return n.ListenOn(GatewayIP, port)
}

// ListenOn listens on a TCP port of another IPv4 address, which becomes one of
// the gateway's: 169.254.169.254 for a metadata service, for instance.
func (n *Network) ListenOn(addr string, port int) (net.Listener, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || !a.Is4() {
		return nil, fmt.Errorf("cannot listen on %q: not an IPv4 address", addr)
	}
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("cannot listen on %s port %d: no such port", addr, port)
	}
	bits := 32
	if addr == GatewayIP {
		bits = netip.MustParsePrefix(Subnet).Bits()
	}
	if err := n.addAddress(a, bits); err != nil {
		return nil, err
	}
	l, err := gonet.ListenTCP(n.stack, tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4(a.As4()), Port: uint16(port)}, ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s port %d of the guest's network: %w", addr, port, err)
	}
	o := &listener{TCPListener: l, net: n}
	if err := n.own(o); err != nil {
		return nil, err
	}
	return o, nil
}

type listener struct {
	*gonet.TCPListener
	net  *Network
	once sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.Accept()
	if err != nil {
		return nil, fmt.Errorf("cannot accept on %s: %w", l.Addr(), net.ErrClosed)
	}
	t, ok := c.(*gonet.TCPConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("cannot accept on %s: %T is no TCP connection", l.Addr(), c)
	}
	return l.net.track(t)
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.disown(l)
		l.TCPListener.Shutdown()
		l.TCPListener.Close()
	})
	return nil
}

// conn is a connection that the network ends when it closes.
type conn struct {
	*gonet.TCPConn
	net *Network
}

func (n *Network) track(t *gonet.TCPConn) (net.Conn, error) {
	c := &conn{TCPConn: t, net: n}
	if err := n.own(c); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *conn) Close() error {
	c.net.disown(c)
	// Whoever is blocked in Read or Write is let go first.
	_ = c.TCPConn.SetDeadline(time.Unix(1, 0)) // never fails
	return c.TCPConn.Close()
}

// DialContext connects to a TCP port of the first guest. It gives up when ctx
// ends; it returns ErrNotUp within a second when the guest does not answer ARP,
// and ErrRefused at once when nothing listens on the port.
func (n *Network) DialContext(ctx context.Context, port int) (net.Conn, error) {
	return n.DialGuest(ctx, 0, port)
}

// DialGuest is DialContext for guest i, counted from 0.
func (n *Network) DialGuest(ctx context.Context, i, port int) (net.Conn, error) {
	_, ip := guestAddr(i)
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("cannot connect to port %d of the guest: no such port", port)
	}
	t, err := gonet.DialContextTCP(ctx, n.stack, tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4(ip.As4()), Port: uint16(port)}, ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s port %d: %w", ip, port, n.dialError(ctx, err))
	}
	return n.track(t)
}

// dialError turns gonet's errors, which are text, into ones to branch on.
func (n *Network) dialError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return err
	}
	switch op.Err.Error() {
	case (&tcpip.ErrConnectionRefused{}).String():
		return ErrRefused
	case (&tcpip.ErrHostUnreachable{}).String(), (&tcpip.ErrNetworkUnreachable{}).String(), (&tcpip.ErrTimeout{}).String():
		return ErrNotUp
	}
	return err
}
