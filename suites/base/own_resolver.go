package base

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"assay/suites/probe"
)

// ownResolver is why a host, by what resolveScript prints of it, is not meant to ask
// the name server at the address dhcp; empty where it is. An image may pin servers of
// its own, or want answers that are signed or encrypted: in a closed network it then
// resolves nothing, and is as its makers want it. A host that asks no server at all, or
// names none, is not that.
func ownResolver(out, dhcp string) string {
	sources := strings.Join(linesOf("nsswitch hosts:", out), " ")
	if sources == "" {
		sources = "dns files" // the C library's own
	}
	byResolved, byDNS := asks(sources, "resolve"), asks(sources, "dns")
	if !byResolved && !byDNS {
		return ""
	}
	var servers []string
	if byDNS {
		servers = confServers(out)
		stub := slices.DeleteFunc(slices.Clone(servers), isOwn)
		byResolved = byResolved || len(stub) < len(servers)
		servers = stub
	}
	if byResolved {
		said := resolvedSettings(out)
		if said.strict != "" {
			return "systemd-resolved takes only answers that the network's server does not give (" + said.strict + ")"
		}
		if len(said.pinned) > 0 && !slices.Contains(said.pinned, dhcp) && said.all {
			return "systemd-resolved asks the image's own name servers alone: " + probe.Some(said.pinned)
		}
		servers = append(servers, said.servers...)
	}
	if len(servers) == 0 || slices.Contains(servers, dhcp) {
		return ""
	}
	return "the host asks name servers of its own: " + probe.Some(servers)
}

// asks reports whether a source is among those of nsswitch.conf(5).
func asks(sources, source string) bool {
	return slices.Contains(strings.Fields(sources), source)
}

// isOwn reports whether a server is systemd-resolved, which then says whom it asks.
// Source: systemd-resolved.service(8).
func isOwn(server string) bool { return server == "127.0.0.53" || server == "127.0.0.54" }

func confServers(out string) (servers []string) {
	for _, l := range linesOf("resolv.conf:", out) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "nameserver" {
			servers = append(servers, f[1])
		}
	}
	return servers
}

// resolvedState is whom systemd-resolved asks.
type resolvedState struct {
	// servers are all that it knows, pinned those that are of no link.
	servers, pinned []string
	// all says that those that are pinned are for all names.
	all bool
	// strict is the setting that makes it turn plain answers down, if any.
	strict string
}

// strictStatus is how resolvectl shows that answers must be signed or encrypted, in its
// words of today and in those before version 247.
var strictStatus = regexp.MustCompile(`DNSSEC=yes|\+DNSOverTLS|(?:DNSSEC|DNSOverTLS) setting: yes`)

// ofScope is a line of resolvectl dns and resolvectl domain: "Global: 9.9.9.9",
// "Link 2 (eth0): 192.168.127.1".
var ofScope = regexp.MustCompile(`^(Global|Link [^:]*):(.*)$`)

func resolvedSettings(out string) (s resolvedState) {
	for _, l := range linesOf("resolvectl dns", out) {
		if m := ofScope.FindStringSubmatch(l); m != nil {
			names := servers(m[2])
			s.servers = append(s.servers, names...)
			if m[1] == "Global" {
				s.pinned = names
			}
		}
	}
	for _, l := range linesOf("resolvectl domain", out) {
		if m := ofScope.FindStringSubmatch(l); m != nil && m[1] == "Global" {
			s.all = asks(m[2], "~.")
		}
	}
	s.strict = strictStatus.FindString(strings.Join(linesOf("resolvectl status", out), "\n"))
	s.configured(probe.Pairs(strings.Join(linesOf("resolved.conf", out), "\n")))
	return s
}

// configured adds what files say, where resolvectl is not there to say it. Which
// servers links have is not known then: pinned ones may be asked beside those.
func (s *resolvedState) configured(file map[string]string) {
	s.pinned = append(s.pinned, servers(file["DNS"])...)
	s.servers = append(s.servers, servers(file["DNS"])...)
	s.all = s.all || asks(file["Domains"], "~.")
	for _, key := range []string{"DNSSEC", "DNSOverTLS"} {
		switch strings.ToLower(file[key]) {
		case "yes", "true", "on", "1", "y", "t":
			s.strict = fmt.Sprintf("%s=%s", key, file[key])
		}
	}
}

// servers are the addresses of a list, without their ports and host names:
// "9.9.9.9#dns.quad9.net", "192.0.2.1:53", "[2001:db8::1]:53%eth0".
func servers(list string) (addresses []string) {
	for _, word := range strings.Fields(list) {
		word, _, _ = strings.Cut(word, "#")
		word, _, _ = strings.Cut(word, "%")
		if strings.Count(word, ":") == 1 {
			word, _, _ = strings.Cut(word, ":")
		}
		addresses = append(addresses, word)
	}
	return addresses
}
