package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/digitalocean/go-libvirt"
)

var errConnRefused error = syscall.ECONNREFUSED

// DeadlineError says that libvirt did not answer a call in time. The
// connection it was made on has been dropped.
type DeadlineError struct {
	Call  string
	Limit time.Duration
}

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("libvirt did not answer %s within %s", e.Call, e.Limit)
}

// Limits of the calls. None has one of its own in libvirt's protocol.
const (
	connectLimit = 15 * time.Second
	queryLimit   = 20 * time.Second
	destroyLimit = time.Minute
	// createLimit allows for the 70 s that libvirt takes on a host whose KVM is
	// there for root only, as it then probes QEMU again and again.
	createLimit = 4 * time.Minute
	// saveLimit is for 8 GiB on a slow disk.
	saveLimit = 5 * time.Minute
)

// session is one connection to libvirt, made when first needed and made again
// after it was lost. Each guest has its own, so that a call that hangs costs
// that guest alone.
type session struct {
	at endpoint

	// calls is held for reading by every call, so that close does not take the
	// connection from one whose answer is on its way.
	calls  sync.RWMutex
	closed bool

	mu   sync.Mutex
	conn *connection
}

// errSessionClosed is for calls after close.
var errSessionClosed = errors.New("the connection to libvirt is closed")

type connection struct {
	libvirt *libvirt.Libvirt
	raw     net.Conn
}

// connectOnce opens a connection within ctx.
func connectOnce(ctx context.Context, at endpoint) (*connection, error) {
	raw, err := at.dial(ctx)
	if err != nil {
		return nil, err
	}
	wire := &wire{Conn: raw, ready: make(chan struct{})}
	l := libvirt.NewWithDialer(readyDialer{wire})
	opened := make(chan error, 1)
	go func() {
		err := l.ConnectToURI(libvirt.ConnectURI(at.uri))
		close(wire.ready)
		opened <- err
	}()
	select {
	case err = <-opened:
	case <-ctx.Done():
		raw.Close()
		<-opened
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("cannot open %s: %w", at.uri, err)
	}
	return &connection{libvirt: l, raw: raw}, nil
}

// readyDialer hands go-libvirt a connection that exists.
type readyDialer struct{ c net.Conn }

func (d readyDialer) Dial() (net.Conn, error) { return d.c, nil }

// wire holds back the news of a lost connection while go-libvirt opens it:
// ConnectToURI ends by writing a field that its watcher of lost connections
// reads without a lock.
type wire struct {
	net.Conn
	// ready is closed when ConnectToURI has returned.
	ready chan struct{}
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		select {
		case <-w.ready:
		case <-time.After(100 * time.Millisecond):
			// Opening it failed, and ConnectToURI waits for this error.
		}
	}
	return n, err
}

// close drops the connection without asking the daemon, which may be the one
// that hangs, and waits until every call on it has been let go.
func (c *connection) close() {
	c.raw.Close()
	select {
	case <-c.libvirt.Disconnected():
	case <-time.After(5 * time.Second):
	}
}

// call runs f with a connection. After limit, or when ctx ends, the connection
// is dropped, which makes f return; whatever f then returns is lost.
func (s *session) call(ctx context.Context, name string, limit time.Duration, f func(*libvirt.Libvirt) error) error {
	s.calls.RLock()
	defer s.calls.RUnlock()
	if s.closed {
		return errSessionClosed
	}
	c, err := s.get(ctx)
	if err != nil {
		return err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	done := make(chan error, 1)
	go func() { done <- f(c.libvirt) }()
	select {
	case err = <-done:
	case <-timer.C:
		err = &DeadlineError{Call: name, Limit: limit}
	case <-ctx.Done():
		err = fmt.Errorf("cannot wait for libvirt's %s: %w", name, ctx.Err())
	}
	select {
	case <-c.libvirt.Disconnected():
		s.drop(c)
	default:
	}
	if _, late := errors.AsType[*DeadlineError](err); late || ctx.Err() != nil && err != nil {
		s.drop(c)
		select {
		case <-done:
		case <-time.After(5 * time.Second):
		}
	}
	return err
}

func (s *session) get(ctx context.Context) (*connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && s.conn.libvirt.IsConnected() {
		return s.conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	c, err := connectOnce(ctx, s.at)
	if err != nil {
		return nil, err
	}
	s.conn = c
	return c, nil
}

func (s *session) drop(c *connection) {
	s.mu.Lock()
	if s.conn == c {
		s.conn = nil
	}
	s.mu.Unlock()
	c.close()
}

// close waits for the calls under way, which have their limits, and drops the
// connection. Later calls fail.
func (s *session) close() {
	s.calls.Lock()
	defer s.calls.Unlock()
	s.closed = true
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}

// isNoDomain says that libvirt knows no such domain.
func isNoDomain(err error) bool {
	e, ok := errors.AsType[libvirt.Error](err)
	return ok && e.Code == uint32(libvirt.ErrNoDomain)
}
