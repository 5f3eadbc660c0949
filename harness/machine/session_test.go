package machine

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// daemon is a libvirtd that opens connections and answers nothing else.
type daemon struct {
	at   endpoint
	open bool // also answer what opens a connection

	mu    sync.Mutex
	conns []net.Conn
}

// Numbers of libvirt's remote protocol (src/remote/remote_protocol.x).
const (
	procConnectOpen = 1
	procAuthList    = 66
)

func newDaemon(t *testing.T, open bool) *daemon {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{at: endpoint{uri: SystemURI, sockets: []string{path}}, open: open}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.conns = append(d.conns, c)
			d.mu.Unlock()
			wg.Go(func() { d.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		d.hangUp()
		wg.Wait()
	})
	return d
}

func (d *daemon) connections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

func (d *daemon) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		c.Close()
	}
}

func (d *daemon) serve(c net.Conn) {
	defer c.Close()
	for {
		head := make([]byte, 28) // length, program, version, procedure, type, serial, status
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-28); err != nil {
			return
		}
		payload := 0
		switch proc := binary.BigEndian.Uint32(head[12:]); {
		case !d.open:
			continue
		case proc == procAuthList:
			payload = 8 // a list of one: none
		case proc != procConnectOpen:
			continue
		}
		reply := append(head, make([]byte, payload)...)
		binary.BigEndian.PutUint32(reply, uint32(len(reply)))
		binary.BigEndian.PutUint32(reply[16:], 1) // a reply
		if payload > 0 {
			binary.BigEndian.PutUint32(reply[28:], 1)
		}
		c.Write(reply)
	}
}

func TestCallDeadline(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("call", func(t *testing.T) {
		d := newDaemon(t, true)
		s := session{at: d.at}
		defer s.close()
		for range 2 { // the second needs a new connection
			start := time.Now()
			err := s.call(context.Background(), "DomainGetInfo", 50*time.Millisecond, func(l *libvirt.Libvirt) error {
				_, _, _, _, _, err := l.DomainGetInfo(libvirt.Domain{Name: "x"})
				return err
			})
			late, ok := errors.AsType[*DeadlineError](err)
			if !ok || late.Call != "DomainGetInfo" || !strings.Contains(err.Error(), "50ms") {
				t.Fatalf("error %v, want a DeadlineError that names the call and its limit", err)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("gave up after %s", took)
			}
		}
		if n := d.connections(); n != 2 {
			t.Errorf("%d connections, want 2: one dropped, one new", n)
		}
	})
	t.Run("context", func(t *testing.T) {
		d := newDaemon(t, true)
		s := session{at: d.at}
		defer s.close()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		err := s.call(ctx, "DomainGetInfo", time.Minute, func(l *libvirt.Libvirt) error {
			_, _, _, _, _, err := l.DomainGetInfo(libvirt.Domain{Name: "x"})
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
	})
	t.Run("lost", func(t *testing.T) {
		d := newDaemon(t, true)
		s := session{at: d.at}
		defer s.close()
		err := s.call(context.Background(), "DomainGetInfo", time.Minute, func(l *libvirt.Libvirt) error {
			d.hangUp()
			_, _, _, _, _, err := l.DomainGetInfo(libvirt.Domain{Name: "x"})
			return err
		})
		if err == nil {
			t.Error("a call succeeded on a lost connection")
		}
	})
	t.Run("open", func(t *testing.T) {
		d := newDaemon(t, false)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if _, err := connectOnce(ctx, d.at); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestNoDaemon(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "sock")
	_, err := Connect(context.Background(), Config{URI: "qemu:///system?socket=" + missing, RunID: "r", Dir: t.TempDir()})
	if _, ok := errors.AsType[*DaemonError](err); !ok || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "assay doctor") {
		t.Errorf("error %v, want a DaemonError that names the socket and the next step", err)
	}
	// A socket whose daemon died is the same to the user.
	l, err := net.Listen("unix", missing)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err = ListOwned(context.Background(), "qemu:///system?socket="+missing); err == nil {
		t.Error("asked a dead daemon and got an answer")
	}
	if got, err := ListOwned(context.Background(), "qemu:///session?socket="+missing); err != nil || got != nil {
		t.Errorf("a session daemon that does not run owns %v, %v", got, err)
	}
	os.Remove(missing)
}

func TestConnectRefuses(t *testing.T) {
	dir := t.TempDir()
	for what, cfg := range map[string]Config{
		"run id": {RunID: "a/b", Dir: dir},
		"folder": {RunID: "r", Dir: filepath.Join(dir, "none")},
		"URI":    {RunID: "r", Dir: dir, URI: "xen:///"},
	} {
		if _, err := Connect(context.Background(), cfg); err == nil {
			t.Errorf("a wrong %s is accepted", what)
		}
	}
}
