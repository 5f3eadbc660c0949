package base

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestListeners(t *testing.T) {
	const usual = `Netid State  Recv-Q Send-Q        Local Address:Port Peer Address:PortProcess
udp   UNCONN 0      0      192.168.127.2%ens3:68        0.0.0.0:*    users:(("systemd-network",pid=300,fd=19))
udp   UNCONN 0      0                127.0.0.1:323       0.0.0.0:*    users:(("chronyd",pid=612,fd=5))
udp   UNCONN 0      0           127.0.0.53%lo:53        0.0.0.0:*    users:(("systemd-resolve",pid=1,fd=1))
udp   UNCONN 0      0                    [::1]:323          [::]:*    users:(("chronyd",pid=612,fd=6))
tcp   LISTEN 0      128                0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=700,fd=3))
tcp   LISTEN 0      128                      *:22              *:*    users:(("systemd",pid=1,fd=50))
tcp   LISTEN 0      4096               0.0.0.0:5355      0.0.0.0:*    users:(("systemd-resolve",pid=1,fd=1))
`
	const (
		asks   = "udp UNCONN 0 0 0.0.0.0:49533 0.0.0.0:*\n"
		serves = "udp UNCONN 0 0 0.0.0.0:7 0.0.0.0:* users:((\"nc\",pid=9,fd=3))\n"
	)
	// told is one answer after the other; the last one stays.
	told := func(first string, then ...string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.SetScale(1e-3)
			p := g.On("sh", "-c", listenScript, "sh").Prints(first)
			for _, out := range then {
				p.Then().Prints(out)
			}
		}
	}
	suitetest.Run(t, "base/listeners", []suitetest.Case{
		{Name: "usual", Guest: told(usual)},
		{Name: "mDNS and an old DHCP client", Guest: told(usual + "udp UNCONN 0 0 *:68 *:* users:((\"dhclient\",pid=9,fd=6))\n" +
			"udp UNCONN 0 0 *:47126 *:* users:((\"dhclient\",pid=9,fd=20))\nudp UNCONN 0 0 0.0.0.0:5353 0.0.0.0:* users:((\"avahi-daemon\",pid=7,fd=12))\n" +
			"udp UNCONN 0 0 [::]:51413 [::]:* users:((\"avahi-daemon\",pid=7,fd=15))\n")},
		{Name: "asks for the time", Guest: told(usual + "udp UNCONN 0 0 0.0.0.0:54593 0.0.0.0:* users:((\"systemd-timesyn\",pid=9,fd=12))\n")},
		{Name: "a nameless port", Want: reports.Failed, Says: []string{"an unknown process on udp port 51413"}, Guest: told("udp UNCONN 0 0 [::]:51413 [::]:*\n")},
		{Name: "a question that was answered", Guest: told(usual+asks, usual+asks, usual)},
		{Name: "one question after the other", Guest: told(usual+asks, usual+strings.ReplaceAll(asks, "49533", "49534"), usual)},
		{Name: "a question, and a service", Want: reports.Failed, Says: []string{"to the outside: nc on udp port 7"}, Guest: told(usual+asks+serves, usual+asks+serves, usual+serves)},
		{Name: "a question, and a service that is gone", Want: reports.Failed, Says: []string{"to the outside: an unknown process on tcp port 80"},
			Guest: told(usual+asks+"tcp LISTEN 0 1 *:80 *:*\n", usual)},
		{Name: "rpcbind", Want: reports.Failed, Says: []string{"rpcbind on udp port 111 (0.0.0.0)"},
			Guest: told(usual + "udp UNCONN 0 0 0.0.0.0:111 0.0.0.0:* users:((\"rpcbind\",pid=1,fd=2),(\"systemd\",pid=1,fd=2))\n")},
		{Name: "rpcbind, by the distribution's presets", Guest: told("preset rpcbind\n" + usual + "udp UNCONN 0 0 0.0.0.0:111 0.0.0.0:* users:((\"rpcbind\",pid=1,fd=2),(\"systemd\",pid=1,fd=2))\n" +
			"tcp LISTEN 0 4096 *:111 *:* users:((\"systemd\",pid=1,fd=50))\n")},
		{Name: "a time server", Want: reports.Failed, Says: []string{"chronyd on udp port 123"},
			Guest: told(usual + "udp UNCONN 0 0 0.0.0.0:123 0.0.0.0:* users:((\"chronyd\",pid=9,fd=2))\n")},
		{Name: "a time server of old", Guest: told("chrony 1\n" + usual + "udp UNCONN 0 0 0.0.0.0:123 0.0.0.0:* users:((\"chronyd\",pid=9,fd=2))\n")},
		{Name: "rpcbind of EL 7", Guest: told("preset rpcbind\n" + usual + "udp UNCONN 0 0 0.0.0.0:1018 0.0.0.0:* users:((\"rpcbind\",pid=1,fd=7))\n")},
		{Name: "nobody's port beside rpcbind", Want: reports.Failed, Says: []string{"an unknown process on udp port 1019"}, Guest: told("preset rpcbind\n" + usual + "udp UNCONN 0 0 0.0.0.0:1019 0.0.0.0:*\n")},
		{Name: "ntpd asks", Guest: told(usual + "udp UNCONN 0 0 0.0.0.0:123 0.0.0.0:* users:((\"ntpd\",pid=9,fd=2))\n")},
		{Name: "port 22 of another", Want: reports.Failed, Says: []string{"nc on tcp port 22"},
			Guest: told("tcp LISTEN 0 1 [::]:22 [::]:* users:((\"nc\",pid=1,fd=2))\n")},
		{Name: "unnamed", Want: reports.Failed, Says: []string{"an unknown process on tcp port 80 (*)"}, Guest: told("tcp LISTEN 0 1 *:80 *:*\n")},
		lacks(listenScript),
	})
}

func FuzzParseListeners(f *testing.F) {
	f.Add("tcp LISTEN 0 1 [::]:22 [::]:* users:((\"nc\",pid=1,fd=2))\n")
	f.Add("udp UNCONN 0 0 fe80::1%eth0:546 *:*")
	f.Fuzz(func(t *testing.T, out string) {
		for _, l := range parseListeners(out) {
			_ = l.local()
			if l.proto != "tcp" && l.proto != "udp" {
				t.Errorf("a listener of protocol %q", l.proto)
			}
		}
	})
}

// answers plans that port 22 says text.
func answers(g *guesttest.Fake, text string) {
	g.OnDial(22, func() (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }() // both end when either side closes
		go func() {
			_, _ = io.WriteString(there, text)
			_ = there.Close()
		}()
		return here, nil
	})
}

func TestSSHDListening(t *testing.T) {
	with := func(banner, units string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) { answers(g, banner); says(sshUnitsScript, units)(g, e) }
	}
	const banner = "SSH-2.0-OpenSSH_9.8\r\n"
	suitetest.Run(t, "base/sshd-listening", []suitetest.Case{
		{Name: "enabled", Guest: with(banner, "sshd.service=\nssh.service=enabled\n")},
		{Name: "by socket", Guest: with(banner, "sshd.service=disabled\nsshd.socket=enabled\n")},
		{Name: "for now", Want: reports.Failed, Says: []string{"not enabled for the next boot", "sshd.service is disabled"}, Guest: with(banner, "sshd.service=disabled\n")},
		{Name: "something else", Want: reports.Failed, Says: []string{`"220 mail"`}, Guest: with("220 mail\n", "")},
		{Name: "unknown unit", Want: reports.Skipped, Guest: with(banner, "sshd.service=\n")},
		{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: func(g *guesttest.Fake, _ *check.Env) {
			g.OnDial(22, func() (io.ReadWriteCloser, error) {
				return nil, &guest.TransportError{Guest: "fake", Op: "connect", Err: errors.New("refused")}
			})
		}},
		{Name: "cut off", Want: reports.Errored, Fault: reports.FaultInfra, Guest: with("", "")},
	})
}

// sshServer is an SSH server that lets in whom accept says.
func sshServer(t *testing.T, accept func(user, password string) bool) func() (io.ReadWriteCloser, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	conf := &ssh.ServerConfig{PasswordCallback: func(c ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
		if accept(c.User(), string(p)) {
			return nil, nil
		}
		return nil, errors.New("wrong password")
	}}
	if accept == nil {
		conf = &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			return nil, errors.New("no key")
		}}
	}
	conf.AddHostKey(signer)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _, _, _ = ssh.NewServerConn(c, conf)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-served })
	return func() (io.ReadWriteCloser, error) { return net.Dial("tcp", ln.Addr().String()) }
}

func TestPasswordRefused(t *testing.T) {
	with := func(accept func(user, password string) bool) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) { g.OnDial(22, sshServer(t, accept)) }
	}
	suitetest.Run(t, "base/password-refused", []suitetest.Case{
		{Name: "wrong password", Guest: with(func(_, _ string) bool { return false })},
		{Name: "keys only", Guest: with(nil)},
		{Name: "empty password", Want: reports.Failed, Says: []string{"lets root in"}, Guest: with(func(_, p string) bool { return p == "" })},
		{Name: "any password", Want: reports.Failed, Says: []string{"lets assay in"}, Guest: with(func(u, _ string) bool { return u == "assay" })},
		{Name: "no SSH server", Want: reports.Errored, Fault: reports.FaultInfra, Guest: func(g *guesttest.Fake, _ *check.Env) { answers(g, "220 mail\r\n") }},
	})
}

func TestFirewalld(t *testing.T) {
	with := func(out string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			says(firewalldScript, out)(g, e)
			answers(g, "SSH-2.0-x\r\n")
			g.Logs()
		}
	}
	suitetest.Run(t, "base/firewalld", []suitetest.Case{
		{Name: "starts", Guest: with("enabled=disabled\nactive=inactive\nstate=running\n")},
		{Name: "does not", Want: reports.Failed, Says: []string{"does not start: Job failed"}, Guest: with("enabled=disabled\nactive=inactive\nerror=Job failed\nstate=not running\n")},
		{Name: "was down", Want: reports.Failed, Says: []string{"was failed after boot"}, Guest: with("enabled=enabled\nactive=failed\nstate=running\n")},
		{Name: "masked", Want: reports.Skipped, Guest: with("enabled=masked\nstate=not running\n")},
		{Name: "shuts us out", Want: reports.Failed, Says: []string{"shuts SSH out"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			with("enabled=disabled\nstate=running\n")(g, e)
			answers(g, "")
			g.On("sh", "-c", "true", guesttest.Rest)
		}},
		{Name: "the guest is gone", Want: reports.Errored, Guest: func(g *guesttest.Fake, e *check.Env) {
			with("enabled=disabled\nstate=running\n")(g, e)
			answers(g, "")
			g.On("sh", "-c", "true", guesttest.Rest).Fails(&guest.TransportError{Op: "run", Err: errors.New("EOF")})
		}},
		lacks(firewalldScript),
	})
}

func TestNetworkOnline(t *testing.T) {
	suitetest.Run(t, "base/network-online", []suitetest.Case{
		{Name: "inactive", Guest: says(networkOnlineScript, "state=inactive\n")},
		{Name: "cloud-init", Want: reports.Skipped, Guest: says(networkOnlineScript, "cloudinit=1\nstate=active\n")},
		{Name: "active", Want: reports.Failed, Guest: says(networkOnlineScript, "state=active\nby foo.service\n"), Shows: []string{"foo.service"}},
		lacks(networkOnlineScript),
	})
}
