// Package network is one private Ethernet inside this process: a gateway with
// DHCP and DNS, the services the harness offers on it, and the guests whose
// QEMU connects to it over loopback TCP.
//
// There is no forwarder. A guest reaches what was opened with Listen, DHCP and
// DNS on the gateway, and nothing else: neither the host's loopback, nor its
// other networks, nor its resolver. What is sent elsewhere is answered with
// "network unreachable", so that programs in the guest give up at once instead
// of waiting for silence. Names of the internet are the gateway's, where nothing
// listens for them.
//
// Everything from a guest is read with bounds: oversized or undersized frames,
// forged addresses, and floods cost frames, not memory.
//
// The package needs nothing of the host but a loopback interface; no root, no
// tap device, no port known in advance.
package network
