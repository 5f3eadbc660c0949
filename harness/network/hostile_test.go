package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func mustMAC(s string) macAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return macAddr(m)
}

func frame(dst, src macAddr, payload int) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	return append(append(f, 0x08, 0x00), make([]byte, payload)...)
}

func TestHostileFrames(t *testing.T) {
	n := newNetwork(t, Config{})
	p := newPeer(t, n, 0)
	p.listen(22)
	gateway := mustMAC(GatewayMAC)
	broadcast := macAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for size := range ethernetHeader + 40 {
		p.send(make([]byte, size))
		p.send(frame(gateway, mustMAC(GuestMAC), 60)[:size])
	}
	p.send(frame(broadcast, gateway, 46)) // forges the gateway's address
	p.send(frame(gateway, broadcast, 46))
	for i := range 2000 { // more senders than the bridge will learn
		src := macAddr{0x02}
		binary.BigEndian.PutUint32(src[2:], uint32(i))
		p.send(frame(gateway, src, 46))
	}
	c, err := n.DialContext(context.Background(), 22)
	if err != nil {
		t.Fatalf("after a flood: %v", err)
	}
	roundTrip(t, c, "still here")
	c.Close()
	n.bridge.mu.Lock()
	defer n.bridge.mu.Unlock()
	if len(n.bridge.macs) > maxMACs {
		t.Errorf("%d addresses learned, want at most %d", len(n.bridge.macs), maxMACs)
	}
	if _, ok := n.bridge.macs[gateway]; ok {
		t.Error("the gateway's address was taken over")
	}
}

// TestStandingGuest sends to a guest that reads nothing: a paused QEMU.
func TestStandingGuest(t *testing.T) {
	n := newNetwork(t, Config{})
	at, err := n.Attach()
	if err != nil {
		t.Fatal(err)
	}
	wire, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	for deadline := time.Now().Add(testLimit); n.bridge.plugged() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connection was not taken")
		}
	}
	big := frame(macAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mustMAC(GatewayMAC), 1400)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 * portQueue {
			n.bridge.fromGateway(big)
		}
	}()
	select {
	case <-done:
	case <-time.After(testLimit):
		t.Fatal("a guest that reads nothing blocks the gateway")
	}
}

func TestReadFramesBounds(t *testing.T) {
	long := binary.BigEndian.AppendUint32(nil, maxFrame+1)
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"end":        {nil, io.EOF},
		"cut length": {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"cut frame":  {[]byte{0, 0, 0, 9, 1}, io.ErrUnexpectedEOF},
		"too long":   {long, errFrame},
		"4 GiB":      {[]byte{0xff, 0xff, 0xff, 0xff}, errFrame},
	} {
		if err := readFrames(bytes.NewReader(c.in), func([]byte) { t.Errorf("%s: a frame came out", name) }); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzGuest plays a guest that sends anything at all; nothing may panic.
func FuzzGuest(f *testing.F) {
	n, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { n.Close() })
	p := &port{out: make(chan []byte, portQueue), done: make(chan struct{})}
	n.bridge.add(p)
	f.Cleanup(func() { n.bridge.remove(p) })
	f.Add(frame(mustMAC(GatewayMAC), mustMAC(GuestMAC), 46))
	arp := frame(macAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mustMAC(GuestMAC), 0)
	arp[12], arp[13] = 0x08, 0x06
	f.Add(append(arp, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0xa5, 0x5a, 2, 192, 168, 127, 2, 0, 0, 0, 0, 0, 0, 192, 168, 127, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		n.bridge.fromPort(p, bytes.Clone(b))
		for len(p.out) > 0 {
			<-p.out
		}
	})
}

func (b *bridge) plugged() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ports)
}
