package machine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// maxSocketPath is what fits in sockaddr_un with its final NUL (unix(7)).
const maxSocketPath = 107

// serialPort is the harness's end of a guest's serial port. QEMU connects to
// it before its first instruction, so that no byte is lost.
type serialPort struct {
	path string
	// eof is closed when QEMU has closed its end, or when close was called.
	eof chan struct{}

	listener *net.UnixListener
	dir      string
	wg       sync.WaitGroup

	mu     sync.Mutex
	conn   net.Conn
	pid    int // of QEMU, once it has connected; 0 when unknown
	closed bool
}

// listenSerial waits in the background for one QEMU and copies what it says to w.
func listenSerial(dir, name string, w io.Writer) (*serialPort, error) {
	s := &serialPort{path: filepath.Join(dir, name), eof: make(chan struct{})}
	if len(s.path) > maxSocketPath {
		short, err := os.MkdirTemp("", "assay-")
		if err != nil {
			return nil, fmt.Errorf("cannot make a folder for the serial socket: %w", err)
		}
		// QEMU may run as another user: it must pass, not look around.
		if err := os.Chmod(short, 0o711); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot open the serial socket's folder: %w", err), os.Remove(short))
		}
		s.dir, s.path = short, filepath.Join(short, "serial")
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		s.removeFiles()
		return nil, fmt.Errorf("cannot listen for the serial port: %w", err)
	}
	// The socket's file stays until close: libvirt, which gave it to QEMU's
	// user, takes it back when the guest ends and stumbles when it is not there.
	l.SetUnlinkOnClose(false)
	s.listener = l
	if err := os.Chmod(s.path, 0o666); err != nil {
		l.Close()
		s.removeFiles()
		return nil, fmt.Errorf("cannot let QEMU use the serial socket: %w", err)
	}
	if w == nil {
		w = io.Discard
	}
	s.wg.Go(func() { s.copy(w) })
	return s, nil
}

func (s *serialPort) copy(w io.Writer) {
	defer close(s.eof)
	c, err := s.listener.Accept()
	s.listener.Close()
	if err != nil {
		return
	}
	defer c.Close()
	pid := peerPID(c)
	s.mu.Lock()
	s.conn, s.pid = c, pid
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := c.Read(buf)
		if n > 0 && w != nil {
			if _, werr := w.Write(buf[:n]); werr != nil {
				// The guest must not stall for the sake of its listener.
				w = nil
			}
		}
		if err != nil {
			return
		}
	}
}

// peer is QEMU's process, 0 as long as it has not connected.
func (s *serialPort) peer() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// peerPID is the process at the other end of a unix socket, 0 when unknown.
func peerPID(c net.Conn) int {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}

func (s *serialPort) removeFiles() {
	os.Remove(s.path)
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// close ends the port and waits; more than once is once.
func (s *serialPort) close() {
	s.mu.Lock()
	s.closed = true
	if s.conn != nil {
		s.conn.Close()
	}
	s.mu.Unlock()
	s.listener.Close()
	s.wg.Wait()
	s.removeFiles()
}
