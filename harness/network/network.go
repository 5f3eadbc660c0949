package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// The addresses of every network. They are the same in each, and a fork keeps
// those of the guest it was made from, ARP cache included: hence a fixed
// gateway MAC, too.
const (
	GatewayIP  = "192.168.127.1"
	GuestIP    = "192.168.127.2"
	Subnet     = "192.168.127.0/24"
	GatewayMAC = "52:54:00:a5:5a:01"
	GuestMAC   = "52:54:00:a5:5a:02"
)

// The names that DNS answers, all with the gateway's address.
const (
	GatewayName  = "gateway.assay.internal"
	RegistryName = "registry.assay.internal"
	UpdatesName  = "updates.assay.internal"
)

// MTU is Ethernet's ordinary one, so that images meet what they will meet.
const MTU = 1500

// Config is what a network is made of. The zero value has one guest.
type Config struct {
	// Guests is how many guests get a lease, 1 to 200; 0 is 1. Guest i (from 0)
	// has MAC and address of Guest(i).
	Guests int
	// Names are further names to answer with the gateway's address.
	Names []string
}

// Network is one private network. Its methods may be called at the same time.
type Network struct {
	stack  *stack.Stack
	link   *channel.Endpoint
	bridge *bridge
	udp    *dns.Server
	tcp    *dns.Server

	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	addrs   map[netip.Addr]bool
	closers map[io.Closer]struct{}
}

const nic = tcpip.NICID(1)

// Guest returns MAC and IPv4 address of guest i, counted from 0.
func Guest(i int) (mac, ip string) {
	m, a := guestAddr(i)
	return m.String(), a.String()
}

func guestAddr(i int) (net.HardwareAddr, netip.Addr) {
	m, _ := net.ParseMAC(GuestMAC)
	m[5] += byte(i)
	a := netip.MustParseAddr(GuestIP).As4()
	a[3] += byte(i)
	return m, netip.AddrFrom4(a)
}

// New makes a network with DHCP and DNS running. Close must be called.
func New(cfg Config) (*Network, error) {
	guests := max(cfg.Guests, 1)
	if guests > 200 {
		return nil, fmt.Errorf("cannot make a network for %d guests: its subnet holds 200", guests)
	}
	mac, err := net.ParseMAC(GatewayMAC)
	if err != nil {
		return nil, fmt.Errorf("cannot read the gateway's MAC: %w", err)
	}
	n := &Network{
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
			NUDConfigs:         neighbourLimits(),
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
		}),
		// The link's queue is the first bound on what is under way to guests.
		link:    channel.New(1024, MTU+14, tcpip.LinkAddress(mac)),
		addrs:   map[netip.Addr]bool{},
		closers: map[io.Closer]struct{}{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.bridge = newBridge(mac, func(frame []byte) { inject(n.link, frame) })
	if err := n.start(ctx, guests, cfg.Names); err != nil {
		n.Close()
		return nil, fmt.Errorf("cannot make a network: %w", err)
	}
	return n, nil
}

func (n *Network) start(ctx context.Context, guests int, names []string) error {
	if err := n.stack.CreateNIC(nic, ethernet.New(n.link)); err != nil {
		return fmt.Errorf("cannot create the gateway's interface: %s", err)
	}
	subnet := netip.MustParsePrefix(Subnet)
	dst, err := tcpip.NewSubnet(tcpip.AddrFromSlice(subnet.Masked().Addr().AsSlice()), tcpip.MaskFromBytes(net.CIDRMask(subnet.Bits(), 32)))
	if err != nil {
		return fmt.Errorf("cannot read the subnet: %w", err)
	}
	n.stack.SetRouteTable([]tcpip.Route{{Destination: dst, NIC: nic}})
	if err := n.addAddress(netip.MustParseAddr(GatewayIP), subnet.Bits()); err != nil {
		return err
	}
	// A router without an uplink: every other destination is "network
	// unreachable", told at once by ICMP.
	if err := n.stack.SetForwardingDefaultAndAllNICs(ipv4.ProtocolNumber, true); err != nil {
		return fmt.Errorf("cannot set up the gateway as a router: %s", err)
	}
	if err := tuneTCP(n.stack); err != nil {
		return err
	}
	n.wg.Go(func() { n.pump(ctx) })
	if err := n.startDHCP(guests); err != nil {
		return err
	}
	return n.startDNS(slices.Concat([]string{GatewayName, RegistryName, UpdatesName}, names))
}

// pump carries frames from the gateway to the guests.
func (n *Network) pump(ctx context.Context) {
	for {
		pkt := n.link.ReadContext(ctx)
		if pkt == nil {
			return
		}
		view := pkt.ToView()
		n.bridge.fromGateway(slices.Clone(view.AsSlice()))
		view.Release()
		pkt.DecRef()
	}
}

// tuneTCP turns on what gVisor leaves off by default and bulk transfers need.
func tuneTCP(s *stack.Stack) error {
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	for _, opt := range []tcpip.SettableTransportProtocolOption{&sack, &moderate} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, opt); err != nil {
			return fmt.Errorf("cannot set a TCP option: %s", err)
		}
	}
	return nil
}

// addAddress gives the gateway one more address; twice is once.
func (n *Network) addAddress(a netip.Addr, bits int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.addrs[a] {
		return nil
	}
	if err := n.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(a.As4()), PrefixLen: bits},
	}, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("cannot give the gateway the address %s: %s", a, err)
	}
	n.addrs[a] = true
	return nil
}

// own registers c to be closed by Close. It closes c and says no when the
// network is closed already.
func (n *Network) own(c io.Closer) error {
	n.mu.Lock()
	closed := n.closed
	if !closed {
		n.closers[c] = struct{}{}
	}
	n.mu.Unlock()
	if closed {
		c.Close()
		return fmt.Errorf("the network is closed: %w", net.ErrClosed)
	}
	return nil
}

func (n *Network) disown(c io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.closers, c)
}

// Close ends every connection, listener and attachment, and waits for the
// network's goroutines. It may be called more than once; later calls wait too.
func (n *Network) Close() error {
	n.mu.Lock()
	first := !n.closed
	n.closed = true
	closers := make([]io.Closer, 0, len(n.closers))
	for c := range n.closers {
		closers = append(closers, c)
	}
	n.mu.Unlock()
	if first {
		n.stopDNS()
		for _, c := range closers {
			c.Close()
		}
		n.bridge.close()
		n.stack.Close()
		n.cancel()
	}
	n.wg.Wait()
	if first {
		n.stack.Wait()
		n.link.Close()
	}
	return nil
}

// ErrNotUp is returned by DialContext while the guest does not answer ARP: it
// has not booted far enough, or QEMU is gone. Trying again is right.
var ErrNotUp = errors.New("the guest's network is not up")

// ErrRefused is returned by DialContext when the guest is up and nothing
// listens on that port (yet).
var ErrRefused = errors.New("connection refused by the guest")
