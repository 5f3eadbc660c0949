package base

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "listeners", Title: "nothing but SSH and the network's own services listens to the outside", Run: listeners,
})

// listenScript prints the open ports, whether the distribution's own presets have
// the port mapper of NFS on, as those of EL 7 to 9 do, and whether chrony is of
// the first version, which asks from the port that servers have.
const listenScript = `command -v ss >/dev/null 2>&1 || exit 127
chronyd -v 2>/dev/null | grep -q ' version 1\.' && echo 'chrony 1'
grep -hsq '^enable[[:space:]]*rpcbind\.' /usr/lib/systemd/system-preset/*.preset && echo 'preset rpcbind'
ss -plutn`

// listener is one line of ss.
type listener struct {
	proto, addr, port, process string
}

// expectedListener is a port that a freshly booted host may offer, with the
// programs that may do so; none is any. An empty port is whichever they get that
// needs no rights: from 1024 on.
type expectedListener struct {
	proto, port string
	programs    []string
}

// portMapper is what a host may offer whose presets have rpcbind on.
var portMapper = []expectedListener{
	{"tcp", "111", []string{"rpcbind", "systemd"}},
	{"udp", "111", []string{"rpcbind", "systemd"}},
	{"udp", anyPort, []string{"rpcbind"}}, // of EL 7, for calls on others' behalf
}

// oldChrony is what a host may offer whose chrony is of before 2.0.
var oldChrony = []expectedListener{{"udp", "123", []string{"chronyd"}}}

// anyPort is whichever port a program takes, those of the system included.
const anyPort = "any"

var expectedListeners = []expectedListener{
	{"tcp", "22", []string{"sshd", "systemd", "dropbear"}},
	{"udp", "68", nil},  // DHCP client
	{"udp", "546", nil}, // DHCPv6 client
	// Name resolution in the local network; Fedora's default for resolved.
	{"tcp", "5355", []string{"systemd-resolve"}},
	{"udp", "5355", []string{"systemd-resolve"}},
	{"udp", "5353", []string{"systemd-resolve", "avahi-daemon"}},
	{"udp", "123", []string{"ntpd"}}, // asks from the port that servers have; chronyd since 2.0 does not
	// These ask from a port of their own, which stays open for the answers. The
	// kernel keeps 15 characters of a program's name.
	{"udp", "", []string{"avahi-daemon", "dhclient", "systemd-timesyn", "systemd-resolve", "systemd-network", "NetworkManager", "chronyd", "ntpd"}},
}

var ssProcess = regexp.MustCompile(`\("([^"]+)"`)

// Whoever asks something over UDP, a name or the time, has a port for the answer
// until that is there. looksAgain is how often one is looked at again, lookPause
// the time between two looks on a KVM host: together longer than a resolver waits.
const (
	looksAgain = 20
	lookPause  = 500 * time.Millisecond
)

func listeners(ctx context.Context, t *check.T) error {
	bad, out, err := strangeListeners(ctx, t)
	udp := func(l listener) bool { return l.proto == "udp" }
	for n := 0; n < looksAgain && err == nil && slices.ContainsFunc(bad, udp); n++ {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(t.Scaled(lookPause)):
		}
		var now []listener
		var later string
		now, later, err = strangeListeners(ctx, t)
		bad = slices.DeleteFunc(bad, func(l listener) bool { return udp(l) && !slices.ContainsFunc(now, l.same) })
		out += "\nLater:\n" + later
	}
	if err != nil || len(bad) == 0 {
		return err
	}
	var names []string
	for _, l := range bad {
		names = append(names, l.String())
	}
	return check.FailWith(probe.Clip(out, 8000), "the host listens to the outside: %s", probe.Some(names))
}

// strangeListeners are those that nobody expects, and all as ss tells them.
func strangeListeners(ctx context.Context, t *check.T) (bad []listener, out string, err error) {
	out, err = probe.Output(ctx, t, "ss", listenScript)
	if err != nil {
		return nil, "", err
	}
	expected := expectedListeners
	for word, more := range map[string][]expectedListener{"preset rpcbind": portMapper, "chrony 1": oldChrony} {
		if slices.Contains(probe.Lines(out), word) {
			expected = append(slices.Clone(expected), more...)
		}
	}
	for _, l := range parseListeners(out) {
		if !l.local() && !l.among(expected) {
			bad = append(bad, l)
		}
	}
	return bad, out, nil
}

// same reports whether both are one socket, as far as ss tells.
func (l listener) same(o listener) bool {
	return l.proto == o.proto && l.addr == o.addr && l.port == o.port
}

func parseListeners(out string) []listener {
	var all []listener
	for _, line := range probe.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 6 || (f[0] != "tcp" && f[0] != "udp") {
			continue
		}
		at := strings.LastIndex(f[4], ":")
		if at < 0 {
			continue
		}
		l := listener{proto: f[0], addr: strings.Trim(f[4][:at], "[]"), port: f[4][at+1:]}
		if m := ssProcess.FindStringSubmatch(line); m != nil {
			l.process = m[1]
		}
		all = append(all, l)
	}
	return all
}

// local reports whether only the host itself reaches it.
func (l listener) local() bool {
	addr, zone, _ := strings.Cut(l.addr, "%")
	addr = strings.Trim(addr, "[]")
	if zone == "lo" || strings.HasPrefix(zone, "lo]") {
		return true
	}
	ip, err := netip.ParseAddr(addr)
	return err == nil && ip.Unmap().IsLoopback()
}

func (l listener) among(expected []expectedListener) bool {
	port, err := strconv.Atoi(l.port)
	for _, e := range expected {
		if e.proto != l.proto || e.port != "" && e.port != anyPort && e.port != l.port || e.port == "" && (err != nil || port < 1024) {
			continue
		}
		if e.port != "" && e.port != anyPort && (len(e.programs) == 0 || l.process == "") {
			return true
		}
		for _, p := range e.programs {
			if p == l.process {
				return true
			}
		}
	}
	return false
}

func (l listener) String() string {
	who := l.process
	if who == "" {
		who = "an unknown process"
	}
	return fmt.Sprintf("%s on %s port %s (%s)", who, l.proto, l.port, l.addr)
}
