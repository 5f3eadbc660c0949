package network

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// portQueue is how many frames may wait for one QEMU: about 1.5 MB, enough for
// TCP at full speed, and the bound when a guest stands still.
const portQueue = 1024

// port is one QEMU's connection.
type port struct {
	conn net.Conn
	out  chan []byte
	done chan struct{}
	once sync.Once
}

func (p *port) queue(frame []byte) {
	select {
	case p.out <- frame:
	default:
	}
}

func (p *port) stop() {
	p.once.Do(func() {
		close(p.done)
		p.conn.Close()
	})
}

// Attach opens a loopback listener for one QEMU and returns its address
// (host:port). The first connection becomes the guest's network cable and ends
// the listening; nobody else can plug in. Each guest needs its own Attach.
func (n *Network) Attach() (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("cannot listen for QEMU: %w", err)
	}
	// The goroutine is registered before Close can have started to wait.
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		l.Close()
		return "", fmt.Errorf("cannot attach a guest: %w", net.ErrClosed)
	}
	n.closers[l] = struct{}{}
	n.wg.Go(func() {
		defer n.disown(l)
		defer l.Close()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		l.Close()
		n.serve(conn)
	})
	n.mu.Unlock()
	return l.Addr().String(), nil
}

// serve carries frames between one QEMU and the bridge until either ends.
func (n *Network) serve(conn net.Conn) {
	p := &port{conn: conn, out: make(chan []byte, portQueue), done: make(chan struct{})}
	defer p.stop()
	if !n.bridge.add(p) {
		return
	}
	defer n.bridge.remove(p)
	var writer sync.WaitGroup
	writer.Go(func() {
		defer p.stop()
		writeFrames(p)
	})
	// Whatever ended the stream, the cable is out.
	_ = readFrames(conn, func(f []byte) { n.bridge.fromPort(p, f) })
	p.stop()
	writer.Wait()
}

// writeFrames sends queued frames, several with one system call when they wait.
func writeFrames(p *port) {
	w := bufio.NewWriterSize(p.conn, 64<<10)
	var head [frameLength]byte
	for {
		select {
		case <-p.done:
			return
		case f := <-p.out:
			putFrameLength(head[:], len(f))
			// A bufio.Writer keeps its first error for Flush.
			_, _ = w.Write(head[:])
			_, _ = w.Write(f)
		}
		if len(p.out) > 0 {
			continue
		}
		if err := w.Flush(); err != nil {
			return
		}
	}
}

var errFrame = errors.New("QEMU sent a frame of impossible length")

// readFrames hands each frame to take, which owns it, until the stream ends or
// stops making sense.
func readFrames(r io.Reader, take func(frame []byte)) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var head [frameLength]byte
	for {
		if _, err := io.ReadFull(br, head[:]); err != nil {
			return err
		}
		size := getFrameLength(head[:])
		if size > maxFrame {
			return fmt.Errorf("%w: %d bytes", errFrame, size)
		}
		frame := make([]byte, size)
		if _, err := io.ReadFull(br, frame); err != nil {
			return err
		}
		take(frame)
	}
}
