package network

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

func TestGuestReachesWhatIsListenedOn(t *testing.T) {
	n := newNetwork(t, Config{})
	p := newPeer(t, n, 0)
	for _, at := range []string{GatewayIP, "169.254.169.254"} {
		l, err := n.ListenOn(at, 80)
		if err != nil {
			t.Fatal(err)
		}
		go echo(l)
		c, err := p.dial(at, 80, testLimit)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, c, "to "+at)
		c.Close()
	}
}

// TestGuestReachesNothingElse tries what a forwarder would let through: a real
// listener on the host's loopback, on the host's other addresses, and elsewhere.
func TestGuestReachesNothingElse(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reached := make(chan net.Conn, 16)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			reached <- c
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	targets := []string{"127.0.0.1", "8.8.8.8", "192.168.127.77", GatewayIP}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			targets = append(targets, ip.IP.String())
		}
	}
	n := newNetwork(t, Config{})
	p := newPeer(t, n, 0)
	for _, target := range targets {
		start := time.Now()
		limit := testLimit
		if target == "127.0.0.1" {
			// The guest's own stack sends it nowhere; silence is the answer.
			limit = time.Second
		}
		c, err := p.dial(target, port, limit)
		if err == nil {
			c.Close()
			t.Errorf("the guest reached %s port %d", target, port)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: refused after %s only", target, took)
		}
		t.Logf("%s: %v after %s", target, err, time.Since(start).Round(time.Millisecond))
	}
	select {
	case c := <-reached:
		t.Errorf("a connection came through from %s", c.RemoteAddr())
	default:
	}
}

func TestDialGuest(t *testing.T) {
	n := newNetwork(t, Config{})
	start := time.Now()
	if _, err := n.DialContext(context.Background(), 22); !errors.Is(err, ErrNotUp) {
		t.Errorf("without a guest: %v, want ErrNotUp", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("ErrNotUp took %s", took)
	}
	p := newPeer(t, n, 0)
	if _, err := n.DialContext(context.Background(), 22); !errors.Is(err, ErrRefused) {
		t.Errorf("without a listener: %v, want ErrRefused", err)
	}
	p.listen(22)
	c, err := n.DialContext(context.Background(), 22)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c, "hello")
	c.Close()

	p.wire.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start = time.Now()
	if _, err := n.DialContext(ctx, 22); err == nil {
		t.Error("reached a guest that was unplugged")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("gave up %s after its context ended", took)
	}
	for _, port := range []int{0, -1, 65536} {
		if _, err := n.DialContext(context.Background(), port); err == nil {
			t.Errorf("port %d was dialled", port)
		}
	}
}

func TestBulk(t *testing.T) {
	n := newNetwork(t, Config{})
	p := newPeer(t, n, 0)
	l, err := n.Listen(80)
	if err != nil {
		t.Fatal(err)
	}
	const size = 16 << 20
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.CopyN(c, zeroes{}, size)
	}()
	c, err := p.dial(GatewayIP, 80, testLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := time.Now()
	got, err := io.Copy(io.Discard, c)
	if got != size || err != nil {
		t.Fatalf("got %d of %d bytes: %v", got, size, err)
	}
	t.Logf("%.0f MB/s", size/time.Since(start).Seconds()/1e6)
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSeveralGuests(t *testing.T) {
	n := newNetwork(t, Config{Guests: 2})
	a, b := newPeer(t, n, 0), newPeer(t, n, 1)
	b.listen(80)
	_, ip := Guest(1)
	c, err := a.dial(ip, 80, testLimit)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, c, "between guests")
	c.Close()
	d, err := n.DialGuest(context.Background(), 1, 80)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, d, "from the gateway")
	d.Close()
}

func TestOnlyOneConnectionPerAttach(t *testing.T) {
	n := newNetwork(t, Config{})
	at, err := n.Attach()
	if err != nil {
		t.Fatal(err)
	}
	first, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	// The listener closes once the first was taken; until then the kernel may
	// still queue a second, which nobody serves.
	for deadline := time.Now().Add(testLimit); ; {
		second, err := net.Dial("tcp", at)
		if err != nil {
			break
		}
		second.Close()
		if time.Now().After(deadline) {
			t.Fatal("a second connection is still taken")
		}
	}
}

func TestNames(t *testing.T) {
	n := newNetwork(t, Config{Names: []string{"extra.assay.internal"}})
	p := newPeer(t, n, 0)
	for _, network := range []string{"udp", "tcp"} {
		for _, c := range []struct {
			name  string
			qtype uint16
			rcode int
			want  string
		}{
			{"registry.assay.internal.", dns.TypeA, dns.RcodeSuccess, GatewayIP},
			{"UPDATES.Assay.internal.", dns.TypeA, dns.RcodeSuccess, GatewayIP},
			{"gateway.assay.internal.", dns.TypeA, dns.RcodeSuccess, GatewayIP},
			{"extra.assay.internal.", dns.TypeA, dns.RcodeSuccess, GatewayIP},
			{"registry.assay.internal.", dns.TypeAAAA, dns.RcodeSuccess, ""},
			{"other.assay.internal.", dns.TypeA, dns.RcodeNameError, ""},
			{"localhost.", dns.TypeA, dns.RcodeNameError, ""},
			{"db.local.", dns.TypeA, dns.RcodeNameError, ""},
			{"2.127.168.192.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, ""},
			{"does-not-exist.example.com.", dns.TypeA, dns.RcodeNameError, ""},
			{"Kojipkgs.FedoraProject.org.", dns.TypeA, dns.RcodeSuccess, GatewayIP},
			{"kojipkgs.fedoraproject.org.", dns.TypeAAAA, dns.RcodeSuccess, ""},
			{"example.com.", dns.TypeA, dns.RcodeNameError, ""},
			{"example.com.", dns.TypeAAAA, dns.RcodeNameError, ""},
			{"example.com.", dns.TypeMX, dns.RcodeNameError, ""},
		} {
			got := ask(t, p, network, c.name, c.qtype)
			ip := ""
			if len(got.Answer) == 1 {
				ip = got.Answer[0].(*dns.A).A.String()
			}
			if got.Rcode != c.rcode || ip != c.want {
				t.Errorf("%s %s %s: %s %q, want %s %q", network, c.name, dns.TypeToString[c.qtype],
					dns.RcodeToString[got.Rcode], ip, dns.RcodeToString[c.rcode], c.want)
			}
		}
	}
}

func ask(t *testing.T, p *peer, network, name string, qtype uint16) *dns.Msg {
	t.Helper()
	var c net.Conn
	var err error
	if network == "tcp" {
		c, err = p.dial(GatewayIP, 53, testLimit)
	} else {
		c, err = gonet.DialUDP(p.stack, nil, &tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4Slice(net.ParseIP(GatewayIP).To4()), Port: 53}, ipv4.ProtocolNumber)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := new(dns.Msg).SetQuestion(name, qtype)
	client := dns.Client{Net: network, Timeout: testLimit}
	m, _, err := client.ExchangeWithConn(q, &dns.Conn{Conn: c})
	if err != nil {
		t.Fatalf("%s %s: %v", network, name, err)
	}
	return m
}

func TestCloseLetsGo(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("network", func(t *testing.T) {
		n := newNetwork(t, Config{})
		p := newPeer(t, n, 0)
		p.listen(22)
		if _, err := n.Attach(); err != nil { // nobody ever connects
			t.Fatal(err)
		}
		l, err := n.Listen(80)
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan error, 1)
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		c, err := n.DialContext(context.Background(), 22)
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		for what, ch := range map[string]chan error{"Accept": accepted, "Read": read} {
			select {
			case err := <-ch:
				if err == nil {
					t.Errorf("%s succeeded on a closed network", what)
				}
			case <-time.After(testLimit):
				t.Errorf("%s still waits on a closed network", what)
			}
		}
		if err := n.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := n.Attach(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Attach after Close: %v", err)
		}
		if _, err := n.Listen(81); err == nil {
			t.Error("Listen after Close succeeded")
		}
		if _, err := n.DialContext(context.Background(), 22); err == nil {
			t.Error("DialContext after Close succeeded")
		}
	})
	settle(t, before)
}

func TestListenRefuses(t *testing.T) {
	n := newNetwork(t, Config{})
	for _, c := range []struct {
		addr string
		port int
	}{{"::1", 80}, {"nonsense", 80}, {GatewayIP, 0}, {GatewayIP, 70000}, {GatewayIP, 53}} {
		if _, err := n.ListenOn(c.addr, c.port); err == nil {
			t.Errorf("listening on %s port %d worked", c.addr, c.port)
		}
	}
	if _, err := New(Config{Guests: 201}); err == nil || !strings.Contains(err.Error(), "200") {
		t.Errorf("a network for 201 guests: %v", err)
	}
}
