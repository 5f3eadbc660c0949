package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRelayCarriesBothWays(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	asked := 0
	r, err := newRelay(sock, func(_ context.Context, port int) (net.Conn, error) {
		asked = port
		a, b := net.Pipe()
		go func() { _, _ = io.Copy(b, b); b.Close() }()
		return a, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	c, err := DialRelay(t.Context(), sock, 2222)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if asked != 2222 {
		t.Errorf("the relay dialled port %d, want 2222", asked)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v; want hello", got, err)
	}
}

func TestRelaySaysWhyNot(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	r, err := newRelay(sock, func(context.Context, int) (net.Conn, error) { return nil, errors.New("no route") }, func(context.Context) error { return errors.New("no machine") })
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if _, err := DialRelay(t.Context(), sock, 22); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("error %v does not carry the cause", err)
	}
	if err := ResetRelay(t.Context(), sock); err == nil || !strings.Contains(err.Error(), "no machine") {
		t.Errorf("error %v does not carry the cause", err)
	}
	for _, bad := range []string{"RESET 1\n", "CONNECT 0\n", "CONNECT 70000\n", "GET / HTTP/1.1\n", strings.Repeat("x", 100) + "\n"} {
		c, err := net.Dial("unix", sock)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(c, bad)
		if line, err := readLine(c, 4096); err != nil || !strings.HasPrefix(line, "ERR ") {
			t.Errorf("after %q: %q, %v; want ERR", bad, line, err)
		}
		c.Close()
	}
}

func TestRelayCloseEndsConnections(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "s")
	r, err := newRelay(sock, func(context.Context, int) (net.Conn, error) {
		a, _ := net.Pipe()
		return a, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := DialRelay(t.Context(), sock, 22)
	if err != nil {
		t.Fatal(err)
	}
	r.close()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection outlived the relay: %v", err)
	}
}
