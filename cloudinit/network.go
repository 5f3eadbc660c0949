package cloudinit

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"sort"
)

// Network is the part of network configuration version 2 that a guest with
// Ethernet cards needs.
// Source: cloud-init's documentation, "Networking config Version 2".
type Network struct {
	// Ethernets are the cards by an id of the seed's own; without Match the id
	// is the interface's name.
	Ethernets map[string]Ethernet `yaml:"ethernets"`
}

// Ethernet is one card.
type Ethernet struct {
	Match *Match `yaml:"match,omitempty"`
	// SetName renames the interface that Match found.
	SetName string `yaml:"set-name,omitempty"`
	DHCP4   bool   `yaml:"dhcp4,omitempty"`
	DHCP6   bool   `yaml:"dhcp6,omitempty"`
	// Addresses are in prefix notation, "192.0.2.10/24".
	Addresses []string `yaml:"addresses,omitempty"`
	Routes    []Route  `yaml:"routes,omitempty"`
	// Nameservers are used while the interface is up.
	Nameservers *Nameservers `yaml:"nameservers,omitempty"`
	// MTU in bytes; 0 is the driver's default.
	MTU int `yaml:"mtu,omitempty"`
	// Optional interfaces do not hold up the boot.
	Optional bool `yaml:"optional,omitempty"`
}

// Match finds the card. At least one field is set.
type Match struct {
	MACAddress string `yaml:"macaddress,omitempty"`
	Name       string `yaml:"name,omitempty"`
	Driver     string `yaml:"driver,omitempty"`
}

// Route is a static route.
type Route struct {
	// To is a prefix or "default".
	To string `yaml:"to"`
	// Via is the gateway's address.
	Via    string `yaml:"via"`
	Metric int    `yaml:"metric,omitempty"`
}

// Nameservers are DNS servers and search domains.
type Nameservers struct {
	Addresses []string `yaml:"addresses,omitempty"`
	Search    []string `yaml:"search,omitempty"`
}

// Bounds of a network configuration: generous for a virtual machine.
const (
	maxEthernets = 32
	maxPerCard   = 64
	// maxMTU is the largest IPv4 packet; minMTU what IPv6 demands is 1280, but
	// IPv4 alone goes down to 68.
	minMTU, maxMTU = 68, 65535
)

var (
	reNetworkID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$`)
	// reInterface bounds a name as the kernel does: 15 bytes, no slash, no space.
	reInterface = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`)
	// reGlob is an interface or driver name with shell wildcards.
	reGlob = regexp.MustCompile(`^[A-Za-z0-9_.*?\[\]-]{1,32}$`)
)

func (n *Network) validate(p *problems, at string) {
	if len(n.Ethernets) == 0 {
		p.add(at+".ethernets", "no card is described; leave out network for the guest's default")
	}
	if len(n.Ethernets) > maxEthernets {
		p.add(at+".ethernets", "%d cards, more than %d", len(n.Ethernets), maxEthernets)
		return
	}
	for _, id := range n.ids() {
		e := n.Ethernets[id]
		where := at + ".ethernets." + id
		if !reNetworkID.MatchString(id) {
			p.add(at+".ethernets", "%.40q is not an id: want letters, digits, '.', '_' and '-'", id)
			continue
		}
		e.validate(p, where, id)
	}
}

func (n *Network) ids() []string {
	ids := make([]string, 0, len(n.Ethernets))
	for id := range n.Ethernets {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

func (e *Ethernet) validate(p *problems, at, id string) {
	switch {
	case e.Match == nil:
		if !reInterface.MatchString(id) {
			p.add(at, "%.40q is not an interface name; say which card with match", id)
		}
		if e.SetName != "" {
			p.add(at+".set-name", "needs match: only a card that was searched for is renamed")
		}
	default:
		e.Match.validate(p, at+".match")
	}
	if e.SetName != "" && !reInterface.MatchString(e.SetName) {
		p.add(at+".set-name", "%.40q is not an interface name", e.SetName)
	}
	if e.MTU != 0 && (e.MTU < minMTU || e.MTU > maxMTU) {
		p.add(at+".mtu", "%d is not within %d and %d", e.MTU, minMTU, maxMTU)
	}
	if len(e.Addresses) > maxPerCard || len(e.Routes) > maxPerCard {
		p.add(at, "more than %d addresses or routes", maxPerCard)
		return
	}
	for i, a := range e.Addresses {
		if _, err := parsePrefix(a); err != nil {
			p.add(fmt.Sprintf("%s.addresses[%d]", at, i), "%v", err)
		}
	}
	for i, r := range e.Routes {
		r.validate(p, fmt.Sprintf("%s.routes[%d]", at, i))
	}
	if e.Nameservers == nil {
		return
	}
	if len(e.Nameservers.Addresses) > maxPerCard || len(e.Nameservers.Search) > maxPerCard {
		p.add(at+".nameservers", "more than %d entries", maxPerCard)
		return
	}
	for i, a := range e.Nameservers.Addresses {
		if _, err := parseAddr(a); err != nil {
			p.add(fmt.Sprintf("%s.nameservers.addresses[%d]", at, i), "%v", err)
		}
	}
	for i, d := range e.Nameservers.Search {
		if err := checkHostname(d); err != nil {
			p.add(fmt.Sprintf("%s.nameservers.search[%d]", at, i), "%v", err)
		}
	}
}

func (m *Match) validate(p *problems, at string) {
	if *m == (Match{}) {
		p.add(at, "is empty; want macaddress, name or driver")
	}
	if m.MACAddress != "" {
		if hw, err := net.ParseMAC(m.MACAddress); err != nil || len(hw) != 6 {
			p.add(at+".macaddress", "%.40q is not a MAC address", m.MACAddress)
		}
	}
	if m.Name != "" && !reGlob.MatchString(m.Name) {
		p.add(at+".name", "%.40q is not an interface name or pattern", m.Name)
	}
	if m.Driver != "" && !reGlob.MatchString(m.Driver) {
		p.add(at+".driver", "%.40q is not a driver name or pattern", m.Driver)
	}
}

func (r *Route) validate(p *problems, at string) {
	via, err := parseAddr(r.Via)
	if err != nil {
		p.add(at+".via", "%v", err)
	}
	if r.Metric < 0 {
		p.add(at+".metric", "%d is negative", r.Metric)
	}
	if r.To == "default" {
		return
	}
	to, err2 := parsePrefix(r.To)
	if err2 != nil {
		p.add(at+".to", "%v, nor \"default\"", err2)
	} else if err == nil && to.Addr().Is4() != via.Is4() {
		p.add(at+".via", "%s is of another address family than %s", via, to)
	}
}

// destination spells "default" as the prefix it means, which every version of
// cloud-init understands.
func (r *Route) destination() string {
	if r.To != "default" {
		return r.To
	}
	if via, err := netip.ParseAddr(r.Via); err == nil && via.Is4() {
		return "0.0.0.0/0"
	}
	return "::/0"
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%.60q is not an address with a prefix length, like 192.0.2.10/24", s)
	}
	return p, nil
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, fmt.Errorf("%.60q is not an IP address", s)
	}
	return a, nil
}

// networkConfig is the document's shape.
type networkConfig struct {
	Version   int                 `yaml:"version"`
	Ethernets map[string]Ethernet `yaml:"ethernets"`
}

func (n *Network) render() ([]byte, error) {
	doc := networkConfig{Version: 2, Ethernets: map[string]Ethernet{}}
	for id, e := range n.Ethernets {
		routes := make([]Route, len(e.Routes))
		for i, r := range e.Routes {
			r.To = r.destination()
			routes[i] = r
		}
		e.Routes = routes
		doc.Ethernets[id] = e
	}
	return marshalYAML(doc)
}
