package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// relay lets other processes of the run reach one guest: a unix socket that
// only our user can open. A client says "CONNECT <port>\n" and, after "OK\n",
// talks to that TCP port of the guest; or it says "RESET\n", and after "OK\n"
// the machine has been reset.
type relay struct {
	path   string
	ln     net.Listener
	dial   func(ctx context.Context, port int) (net.Conn, error)
	reset  func(ctx context.Context) error
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// relayGreeting bounds how long a client may take to say what it wants.
const relayGreeting = 10 * time.Second

// newRelay listens on path. The caller closes it.
func newRelay(path string, dial func(ctx context.Context, port int) (net.Conn, error), reset func(ctx context.Context) error) (*relay, error) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	r := &relay{path: path, ln: ln, dial: dial, reset: reset}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.wg.Go(r.accept)
	return r, nil
}

func (r *relay) accept() {
	for {
		c, err := r.ln.Accept()
		if err != nil {
			return
		}
		r.wg.Go(func() { r.serve(c) })
	}
}

func (r *relay) serve(c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(r.ctx, func() { c.Close() })
	defer stop()
	_ = c.SetReadDeadline(time.Now().Add(relayGreeting))
	port, err := readRequest(c)
	if err != nil {
		fmt.Fprintf(c, "ERR %v\n", err)
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	if port == resetRequest {
		answer := "OK"
		if err := r.reset(r.ctx); err != nil {
			answer = "ERR " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Fprintln(c, answer)
		return
	}
	up, err := r.dial(r.ctx, port)
	if err != nil {
		fmt.Fprintf(c, "ERR %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	defer up.Close()
	stopUp := context.AfterFunc(r.ctx, func() { up.Close() })
	defer stopUp()
	if _, err := io.WriteString(c, "OK\n"); err != nil {
		return
	}
	join(c, up)
}

// resetRequest is what readRequest returns for RESET; no port has that number.
const resetRequest = 0

// readRequest reads "CONNECT <port>\n" or "RESET\n" byte by byte, so that
// nothing of what follows is swallowed.
func readRequest(c io.Reader) (port int, err error) {
	line, err := readLine(c, 32)
	if err != nil {
		return 0, err
	}
	if line == "RESET" {
		return resetRequest, nil
	}
	word, ok := strings.CutPrefix(line, "CONNECT ")
	port, err = strconv.Atoi(word)
	if !ok || err != nil || port < 1 || port > 65535 {
		return 0, fmt.Errorf("want CONNECT and a port, not %q", line)
	}
	return port, nil
}

func readLine(c io.Reader, limit int) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) <= limit {
		if _, err := io.ReadFull(c, one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[0])
	}
	return "", bufio.ErrTooLong
}

// join copies both ways until both directions have ended.
func join(a, b net.Conn) {
	var wg sync.WaitGroup
	half := func(dst, src net.Conn) {
		_, _ = io.Copy(dst, src)
		if w, ok := dst.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		} else {
			_ = dst.Close()
		}
	}
	wg.Go(func() { half(a, b) })
	wg.Go(func() { half(b, a) })
	wg.Wait()
}

// close ends every connection and waits for them.
func (r *relay) close() {
	r.cancel()
	r.ln.Close()
	r.wg.Wait()
	os.Remove(r.path)
}

// DialRelay connects to a port of the guest behind a relay's socket.
func DialRelay(ctx context.Context, socket string, port int) (net.Conn, error) {
	c, err := askRelay(ctx, socket, fmt.Sprintf("CONNECT %d", port))
	if err != nil {
		return nil, fmt.Errorf("cannot reach port %d of the guest: %w", port, err)
	}
	return c, nil
}

// ResetRelay resets the machine behind a relay's socket.
func ResetRelay(ctx context.Context, socket string) error {
	c, err := askRelay(ctx, socket, "RESET")
	if err != nil {
		return fmt.Errorf("cannot reset the guest: %w", err)
	}
	return c.Close()
}

// askRelay makes a request and reads its answer.
func askRelay(ctx context.Context, socket, request string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = fmt.Fprintln(c, request)
	var line string
	if err == nil {
		line, err = readLine(c, 4096)
	}
	if err == nil && line != "OK" {
		err = errors.New(strings.TrimPrefix(line, "ERR "))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
