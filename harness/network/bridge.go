package network

import (
	"encoding/binary"
	"net"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// ethernetHeader is two addresses and a type; a shorter frame is nonsense.
	ethernetHeader = 14
	// maxMACs bounds what the bridge learns; guests that run containers on a
	// macvlan have a few, a guest that forges addresses has millions.
	maxMACs = 256
)

type macAddr [6]byte

func (m macAddr) isGroup() bool { return m[0]&1 == 1 }

// bridge is a learning switch between the gateway and the guests' ports.
type bridge struct {
	gateway macAddr
	// toGateway hands one frame, owned by the callee, to the gateway's stack.
	toGateway func(frame []byte)

	mu     sync.Mutex
	ports  map[*port]struct{}
	macs   map[macAddr]*port
	closed bool
}

func newBridge(gateway net.HardwareAddr, toGateway func([]byte)) *bridge {
	return &bridge{
		gateway:   macAddr(gateway),
		toGateway: toGateway,
		ports:     map[*port]struct{}{},
		macs:      map[macAddr]*port{},
	}
}

// inject hands a frame to the stack behind ep. The frame must not be used after.
func inject(ep *channel.Endpoint, frame []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
	defer pkt.DecRef()
	ep.InjectInbound(0, pkt)
}

func (b *bridge) fromGateway(frame []byte) {
	if len(frame) < ethernetHeader {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deliver(macAddr(frame[0:6]), frame, nil)
}

// fromPort takes one frame a guest sent; the frame is owned by the bridge.
func (b *bridge) fromPort(p *port, frame []byte) {
	if len(frame) < ethernetHeader {
		return
	}
	dst, src := macAddr(frame[0:6]), macAddr(frame[6:12])
	if src == b.gateway || src.isGroup() {
		return
	}
	b.mu.Lock()
	if _, known := b.macs[src]; known || len(b.macs) < maxMACs {
		b.macs[src] = p
	}
	if dst != b.gateway {
		b.deliver(dst, frame, p)
	}
	b.mu.Unlock()
	if dst == b.gateway || dst.isGroup() {
		b.toGateway(frame)
	}
}

// deliver queues frame on the port that has dst, or on all but from. It never
// blocks: a port whose guest does not read loses frames. b.mu is held.
func (b *bridge) deliver(dst macAddr, frame []byte, from *port) {
	if p, ok := b.macs[dst]; ok && !dst.isGroup() {
		if p != from {
			p.queue(frame)
		}
		return
	}
	for p := range b.ports {
		if p != from {
			p.queue(frame)
		}
	}
}

// add says no when the bridge is closed.
func (b *bridge) add(p *port) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.ports[p] = struct{}{}
	return true
}

func (b *bridge) remove(p *port) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ports, p)
	for m, q := range b.macs {
		if q == p {
			delete(b.macs, m)
		}
	}
}

func (b *bridge) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for p := range b.ports {
		p.stop()
	}
}

// frameLength is the header QEMU's stream and socket netdevs put before each
// frame (QEMU, net/socket.c): its length, big endian.
const frameLength = 4

// maxFrame is more than QEMU ever sends (NET_BUFSIZE: 64 KiB plus 4 KiB).
const maxFrame = 64<<10 + 4<<10

func putFrameLength(b []byte, n int) { binary.BigEndian.PutUint32(b, uint32(n)) }
func getFrameLength(b []byte) int64  { return int64(binary.BigEndian.Uint32(b)) }
