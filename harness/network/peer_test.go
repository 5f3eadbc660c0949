package network

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const testLimit = 20 * time.Second

// peer is a guest made of a network stack alone, plugged in as QEMU would.
type peer struct {
	t     *testing.T
	stack *stack.Stack
	wire  net.Conn
}

// newPeer attaches guest i with its address set by hand.
func newPeer(t *testing.T, n *Network, i int) *peer {
	t.Helper()
	at, err := n.Attach()
	if err != nil {
		t.Fatal(err)
	}
	wire, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	mac, ip := guestAddr(i)
	p := &peer{t: t, wire: wire, stack: stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})}
	link := channel.New(1024, MTU+14, tcpip.LinkAddress(mac))
	if err := p.stack.CreateNIC(nic, ethernet.New(link)); err != nil {
		t.Fatal(err)
	}
	if err := p.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(ip.As4()), PrefixLen: 24},
	}, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	local, err := tcpip.NewSubnet(tcpip.AddrFrom4([4]byte{192, 168, 127, 0}), tcpip.MaskFromBytes([]byte{255, 255, 255, 0}))
	if err != nil {
		t.Fatal(err)
	}
	p.stack.SetRouteTable([]tcpip.Route{
		{Destination: local, NIC: nic},
		{Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFrom4([4]byte{192, 168, 127, 1}), NIC: nic},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() {
		readFrames(wire, func(f []byte) { inject(link, f) })
		done <- struct{}{}
	}()
	go func() {
		for pkt := link.ReadContext(ctx); pkt != nil; pkt = link.ReadContext(ctx) {
			p.send(pkt.ToView().AsSlice())
			pkt.DecRef()
		}
		done <- struct{}{}
	}()
	t.Cleanup(func() {
		wire.Close()
		p.stack.Close()
		cancel()
		<-done
		<-done
		p.stack.Wait()
	})
	return p
}

// send writes one frame as QEMU does.
func (p *peer) send(frame []byte) {
	b := make([]byte, frameLength, frameLength+len(frame))
	putFrameLength(b, len(frame))
	p.wire.Write(append(b, frame...))
}

func (p *peer) dial(addr string, port int, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return gonet.DialContextTCP(ctx, p.stack, tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4Slice(net.ParseIP(addr).To4()), Port: uint16(port)}, ipv4.ProtocolNumber)
}

// listen answers every connection to port with its own bytes.
func (p *peer) listen(port int) {
	p.t.Helper()
	l, err := gonet.ListenTCP(p.stack, tcpip.FullAddress{NIC: nic, Port: uint16(port)}, ipv4.ProtocolNumber)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { l.Close() })
	go echo(l)
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

func newNetwork(t *testing.T, cfg Config) *Network {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// roundTrip sends a word and expects it back.
func roundTrip(t *testing.T, c net.Conn, word string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(testLimit))
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != word {
		t.Fatalf("got %q, %v; want %q", got, err, word)
	}
}

// settle waits until no more goroutines run than before.
func settle(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(testLimit)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
		time.Sleep(5 * time.Millisecond)
	}
}
