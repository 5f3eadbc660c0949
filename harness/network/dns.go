package network

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

const dnsPort = 53

// nameServer answers for our own names without asking anyone. A name of the
// internet is the gateway's, which answers on none of its ports: hosts judge
// their boot by whether the names that their updates come from can be resolved
// (greenboot's repository check), and a closed network is no fault of theirs.
// Every other name is denied.
type nameServer map[string]net.IP

// reserved are the last labels that the internet does not have (RFC 2606, 6761,
// 6762, 8375, 9476), or that clouds have for themselves.
var reserved = map[string]bool{"alt": true, "arpa": true, "corp": true, "example": true, "home": true, "internal": true, "invalid": true,
	"lan": true, "local": true, "localdomain": true, "localhost": true, "onion": true, "test": true}

// foreign reports whether a name, in lower case, is one that the internet may
// have. cloud-init asks for one below example.com to see whether it is lied to.
func foreign(name string) bool {
	labels := dns.SplitDomainName(name)
	n := len(labels)
	return n >= 2 && !reserved[labels[n-1]] && labels[n-2] != "example"
}

func (s nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	_ = w.WriteMsg(s.answer(q)) // who gets no answer asks again
}

func (s nameServer) answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		return m
	}
	asked := q.Question[0]
	name := strings.ToLower(asked.Name)
	ip, ok := s[name]
	if !ok && foreign(name) {
		ip, ok = net.ParseIP(GatewayIP).To4(), true
	}
	if !ok || asked.Qclass != dns.ClassINET {
		m.Rcode = dns.RcodeNameError
		return m
	}
	// A name that exists has an empty answer, not a denial, for what it lacks:
	// a denied AAAA would make resolvers give up on the A as well.
	if asked.Qtype == dns.TypeA {
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
			A:   ip,
		}}
	}
	return m
}

func (n *Network) startDNS(names []string) error {
	s := nameServer{}
	for _, name := range names {
		s[strings.ToLower(dns.Fqdn(name))] = net.ParseIP(GatewayIP).To4()
	}
	at := tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4Slice(net.ParseIP(GatewayIP).To4()), Port: dnsPort}
	pc, err := gonet.DialUDP(n.stack, &at, nil, ipv4.ProtocolNumber)
	if err != nil {
		return fmt.Errorf("cannot open the name server's UDP socket: %w", err)
	}
	if err := n.own(pc); err != nil {
		return err
	}
	l, err := n.Listen(dnsPort)
	if err != nil {
		return err
	}
	n.udp, n.tcp = &dns.Server{PacketConn: pc, Handler: s}, &dns.Server{Listener: l, Handler: s}
	for _, srv := range []*dns.Server{n.udp, n.tcp} {
		started, failed := make(chan struct{}), make(chan error, 1)
		srv.NotifyStartedFunc = func() { close(started) }
		n.wg.Go(func() { failed <- srv.ActivateAndServe() })
		select {
		case <-started:
		case err := <-failed:
			return fmt.Errorf("cannot start the name server: %w", err)
		}
	}
	return nil
}

// stopDNS closes the servers' sockets and waits a moment for queries under way.
func (n *Network) stopDNS() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, srv := range []*dns.Server{n.udp, n.tcp} {
		if srv != nil {
			// Its sockets are closed in any case; that is enough.
			_ = srv.ShutdownContext(ctx)
		}
	}
}
