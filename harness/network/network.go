// Package network is one private network inside this process: a gateway with
// DHCP and DNS, the services the harness offers on it, and the guests whose
// QEMU connects to it.
package network

import (
	"context"
	"errors"
	"net"
)

// Names and addresses every network has.
const (
	GatewayIP  = "192.168.127.1"
	GuestIP    = "192.168.127.2"
	GatewayMAC = "52:54:00:a5:5a:01"
	GuestMAC   = "52:54:00:a5:5a:02"
	Subnet     = "192.168.127.0/24"
)

// Config is what a network is made of. The zero value is one guest.
type Config struct{}

// Network is one private network.
type Network struct{}

// ErrNotUp is returned by DialContext while the guest cannot be reached yet:
// no QEMU, no answer to ARP, nothing listening. Trying again is right.
var ErrNotUp = errors.New("the guest's network is not up")

// New makes a network.
func New(cfg Config) (*Network, error) { return nil, errors.New("not implemented") }

// Listen listens on the gateway's address.
func (n *Network) Listen(port int) (net.Listener, error) { return nil, errors.New("not implemented") }

// ListenOn listens on another address, 169.254.169.254 for instance.
func (n *Network) ListenOn(addr string, port int) (net.Listener, error) {
	return nil, errors.New("not implemented")
}

// Attach returns the address (host:port) the guest's QEMU must connect to.
func (n *Network) Attach() (addr string, err error) { return "", errors.New("not implemented") }

// DialContext connects to a TCP port of the guest.
func (n *Network) DialContext(ctx context.Context, port int) (net.Conn, error) {
	return nil, errors.New("not implemented")
}

// Close ends everything and waits for it.
func (n *Network) Close() error { return nil }
