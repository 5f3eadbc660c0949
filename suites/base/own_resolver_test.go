package base

import (
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestOwnResolver(t *testing.T) {
	const (
		hosts   = "nsswitch hosts: files myhostname resolve [!UNAVAIL=return] dns\n"
		plain   = "nsswitch hosts: files dns\n"
		stub    = "resolv.conf: # made by systemd\nresolv.conf: nameserver 127.0.0.53\nresolv.conf: options edns0\n"
		link    = "resolvectl dns Global:\nresolvectl dns Link 2 (eth0): 192.168.127.1\nresolvectl domain Global:\nresolvectl domain Link 2 (eth0): ~.\n"
		relaxed = "resolvectl status Global\nresolvectl status        Protocols: +LLMNR -mDNS -DNSOverTLS DNSSEC=no/unsupported\n"
		both    = "resolvectl dns Global: 9.9.9.9#dns.quad9.net\nresolvectl dns Link 2 (eth0): 192.168.127.1\n"
	)
	for name, c := range map[string]struct{ out, want string }{
		"DHCP's":                       {plain + "resolv.conf: nameserver 192.168.127.1\n", ""},
		"DHCP's among others":          {plain + "resolv.conf: nameserver 9.9.9.9\nresolv.conf: nameserver 192.168.127.1\n", ""},
		"DHCP's by the stub":           {hosts + stub + link + relaxed, ""},
		"the stub, and nobody to ask":  {plain + stub, ""},
		"no sources of names":          {"nsswitch hosts: files\nresolv.conf: nameserver 9.9.9.9\n" + link + "resolvectl status DNSSEC=yes\n", ""},
		"nothing named":                {hosts + "file lrwxrwxrwx /etc/resolv.conf -> ../run/nobody/resolv.conf\n", ""},
		"nothing named, resolved runs": {hosts + link + relaxed, ""},
		"strict, and not asked":        {plain + "resolv.conf: nameserver 192.168.127.1\nresolvectl status DNSSEC=yes/supported\n", ""},
		"pinned beside DHCP's":         {hosts + stub + both + relaxed, ""},
		"opportunistic":                {hosts + stub + link + "resolvectl status Protocols: DNSOverTLS=opportunistic DNSSEC=allow-downgrade/supported\n", ""},
		"files that say nothing":       {plain + stub + "resolved.conf DNSSEC=yes\nresolved.conf DNSSEC=no\n", ""},
		"pinned":                       {plain + "resolv.conf: nameserver 9.9.9.9\n", "name servers of its own: 9.9.9.9"},
		"pinned, no nsswitch.conf":     {"resolv.conf: nameserver 9.9.9.9\n", "9.9.9.9"},
		"unbound":                      {plain + "resolv.conf: nameserver 127.0.0.1\n", "127.0.0.1"},
		"pinned for resolved":          {hosts + stub + "resolvectl dns Global: 9.9.9.9 [2620:fe::fe]:53\nresolvectl dns Link 2 (eth0):\n", "9.9.9.9"},
		"pinned for all names":         {hosts + stub + both + "resolvectl domain Global: ~.\n", "own name servers alone: 9.9.9.9"},
		"signed":                       {hosts + stub + link + "resolvectl status Protocols: -DNSOverTLS DNSSEC=yes/supported\n", "DNSSEC=yes"},
		"signed, before version 247":   {hosts + stub + link + "resolvectl status       DNSSEC setting: yes\n", "DNSSEC setting: yes"},
		"encrypted":                    {hosts + stub + link + "resolvectl status Protocols: +LLMNR +DNSOverTLS DNSSEC=no/unsupported\n", "+DNSOverTLS"},
		"pinned by a file":             {plain + stub + "resolved.conf DNS=9.9.9.9#dns.quad9.net\n", "9.9.9.9"},
		"signed by a file":             {plain + stub + "resolved.conf DNSSEC=true\n", "DNSSEC=true"},
	} {
		got := ownResolver(c.out, "192.168.127.1")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	const local = "local 127.0.0.1\n"
	suitetest.Run(t, "base/name-resolution", []suitetest.Case{
		{Name: "a resolver of the image's", Want: reports.Skipped, Says: []string{"name servers of its own: 9.9.9.9"},
			Guest: says(resolveScript, local+plain+"resolv.conf: nameserver 9.9.9.9\n")},
		{Name: "a resolver of the image's that knows the name", Guest: says(resolveScript, "served 192.168.127.1\n"+local+plain+"resolv.conf: nameserver 127.0.0.1\n")},
		{Name: "a resolver of the image's, and no localhost", Want: reports.Failed, Says: []string{"localhost"},
			Guest: says(resolveScript, "served 192.168.127.1\n"+plain+"resolv.conf: nameserver 127.0.0.1\n")},
		{Name: "the network's server is asked in vain", Want: reports.Failed, Says: []string{"resolves no names"}, Guest: says(resolveScript, local+hosts+stub+link+relaxed)},
		{Name: "names from files alone", Want: reports.Failed, Says: []string{"resolves no names"}, Guest: says(resolveScript, local+"nsswitch hosts: files\n"+stub+link)},
		{Name: "dangling resolv.conf", Want: reports.Failed, Says: []string{"resolves no names"}, Guest: says(resolveScript, local+plain+link)},
		{Name: "a slow guest", Guest: func(g *guesttest.Fake, _ *check.Env) {
			g.SetScale(10)
			g.On("sh", "-c", resolveScript, "sh", "gateway.assay.internal", "200").Prints("served 192.168.127.1\n" + local)
		}},
	})
}

// What the script tells of systemd-resolved, by its program or else by its files.
func TestResolveScriptOfResolved(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "getent", "echo 192.168.127.1\n")
	program(t, dir, "timeout", "echo 'Usage: timeout [-t SECS] PROG ARGS' >&2; exit 1\n")
	program(t, dir, "resolvectl", "echo \"said $*\"\n")
	program(t, dir, "sleep", "exit 0\n")
	put(t, dir, "etc/nsswitch.conf", "passwd: files\nhosts:      files dns\n")
	put(t, dir, "etc/resolv.conf", "nameserver 127.0.0.53\n")
	put(t, dir, "etc/systemd/resolved.conf", "[Resolve]\n#DNS=1.1.1.1\nDNSSEC = yes\n")
	put(t, dir, "etc/systemd/resolved.conf.d/own.conf", "[Resolve]\nDNS=9.9.9.9\n")
	roots := []string{"/etc/", dir + "/etc/", "/usr/lib/systemd/", dir + "/usr/lib/systemd/", "/run/systemd/", dir + "/run/systemd/", "ls -l", "echo"}
	const head = "served 192.168.127.1\nlocal 192.168.127.1\nnsswitch hosts: files dns\n"
	conf := "file " + dir + "/etc/resolv.conf\nresolv.conf: nameserver 127.0.0.53\n"
	want := head + conf + "resolvectl dns said --no-pager dns\nresolvectl domain said --no-pager domain\nresolvectl status said --no-pager status\n"
	if out := shell(t, resolveScript, dir, roots, "gateway.assay.internal", "20"); out != want {
		t.Errorf("%q, want %q", out, want)
	}
	want = head + conf + "resolved.conf DNSSEC=yes\nresolved.conf DNS=9.9.9.9\n"
	if out := shell(t, resolveScript, dir, append(roots, "command -v resolvectl", "false"), "gateway.assay.internal", "20"); out != want {
		t.Errorf("without resolvectl: %q, want %q", out, want)
	}
}
