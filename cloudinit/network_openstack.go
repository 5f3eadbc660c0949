package cloudinit

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// networkData is OpenStack's network_data.json, as Nova writes it and
// cloud-init's sources/helpers/openstack.py reads it.
type networkData struct {
	Links    []osLink    `json:"links"`
	Networks []osNetwork `json:"networks"`
	Services []osService `json:"services"`
}

type osLink struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	MAC  string `json:"ethernet_mac_address"`
	MTU  *int   `json:"mtu"`
}

type osNetwork struct {
	ID      string    `json:"id"`
	Link    string    `json:"link"`
	Type    string    `json:"type"`
	Address string    `json:"ip_address,omitempty"`
	Netmask string    `json:"netmask,omitempty"`
	Routes  []osRoute `json:"routes,omitempty"`
}

type osRoute struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type osService struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// renderOpenStack says the same in OpenStack's words. It refuses what they
// cannot say: a card not named by its MAC address, search domains, metrics.
func (n *Network) renderOpenStack() ([]byte, error) {
	var p problems
	doc := networkData{Links: []osLink{}, Networks: []osNetwork{}, Services: []osService{}}
	for _, id := range n.ids() {
		e := n.Ethernets[id]
		at := "network.ethernets." + id
		if e.Match == nil || e.Match.MACAddress == "" {
			p.add(at, "a config drive names cards by match.macaddress; it is missing")
			continue
		}
		if e.SetName != "" || e.Match.Name != "" || e.Match.Driver != "" || e.Optional {
			p.add(at, "set-name, match.name, match.driver and optional cannot be said in a config drive")
		}
		hw, err := net.ParseMAC(e.Match.MACAddress)
		if err != nil {
			return nil, &InputError{Field: at, Err: err}
		}
		link := osLink{ID: id, Type: "phy", MAC: hw.String()}
		if e.MTU != 0 {
			mtu := e.MTU
			link.MTU = &mtu
		}
		doc.Links = append(doc.Links, link)
		doc.Networks = append(doc.Networks, e.openStackNetworks(&p, at, id)...)
		if e.Nameservers != nil {
			if len(e.Nameservers.Search) > 0 {
				p.add(at+".nameservers.search", "cannot be said in a config drive")
			}
			for _, a := range e.Nameservers.Addresses {
				doc.Services = append(doc.Services, osService{Type: "dns", Address: a})
			}
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return marshalJSON(doc)
}

func (e *Ethernet) openStackNetworks(p *problems, at, link string) []osNetwork {
	var nets []osNetwork
	add := func(n osNetwork) {
		n.ID, n.Link = fmt.Sprintf("%s-net%d", link, len(nets)), link
		nets = append(nets, n)
	}
	// Routes hang on the first static network of their family, else on that of DHCP.
	first, leased := map[bool]int{}, map[bool]int{}
	if e.DHCP4 {
		leased[true] = len(nets)
		add(osNetwork{Type: "ipv4_dhcp"})
	}
	if e.DHCP6 {
		leased[false] = len(nets)
		add(osNetwork{Type: "ipv6_dhcp"})
	}
	for _, a := range e.Addresses {
		prefix, err := netip.ParsePrefix(a)
		if err != nil {
			p.add(at+".addresses", "%v", err)
			continue
		}
		kind := "ipv6"
		if prefix.Addr().Is4() {
			kind = "ipv4"
		}
		if _, seen := first[prefix.Addr().Is4()]; !seen {
			first[prefix.Addr().Is4()] = len(nets)
		}
		add(osNetwork{Type: kind, Address: prefix.Addr().String(), Netmask: netmask(prefix)})
	}
	for i, r := range e.Routes {
		to, err := netip.ParsePrefix(r.destination())
		if err != nil {
			p.add(fmt.Sprintf("%s.routes[%d].to", at, i), "%v", err)
			continue
		}
		if r.Metric != 0 {
			p.add(fmt.Sprintf("%s.routes[%d].metric", at, i), "cannot be said in a config drive")
		}
		on, ok := first[to.Addr().Is4()]
		if !ok {
			on, ok = leased[to.Addr().Is4()]
		}
		if !ok {
			p.add(fmt.Sprintf("%s.routes[%d]", at, i), "needs an address of the same family, or DHCP, in a config drive")
			continue
		}
		nets[on].Routes = append(nets[on].Routes, osRoute{
			Network: to.Masked().Addr().String(), Netmask: netmask(to), Gateway: r.Via,
		})
	}
	return nets
}

// netmask spells a prefix length the way network_data.json does.
func netmask(p netip.Prefix) string {
	bits := 128
	if p.Addr().Is4() {
		bits = 32
	}
	mask := net.IP(net.CIDRMask(p.Bits(), bits))
	a, _ := netip.AddrFromSlice(mask)
	return a.String()
}

func marshalJSON(v any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot encode JSON: %w", err)
	}
	return []byte(b.String()), nil
}
