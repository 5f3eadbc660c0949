// Package servertest starts real servers for tests: their programs are built or
// installed into the cache once, and each runs on the loopback until its test
// ends. It is a kit: only tests import it.
package servertest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Need skips a test that starts real servers, unless ASSAY_SERVER_TESTS
// is 1. Then nothing is skipped: what cannot be started fails.
func Need(t testing.TB) {
	if os.Getenv("ASSAY_SERVER_TESTS") != "1" {
		t.Skip("set ASSAY_SERVER_TESTS=1 to run this against a real server, built or installed into the cache first (5 minutes); make server-tests does")
	}
}

// Cache is where servers are kept between runs: a folder that the account which
// runs them can reach.
func Cache(t testing.TB, name string) string {
	dir := os.Getenv("ASSAY_CACHE")
	if dir == "" {
		dir = "/var/cache/assay"
	}
	if os.Getenv("ASSAY_CACHE") == "" && os.Geteuid() != 0 {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(user, "assay")
	}
	return filepath.Join(dir, "servers", name)
}

// nobody is the account that servers run under when the test runs as root;
// Gitea refuses root.
const nobody = 65534

// WorkFolder is a folder that the servers' account can write to.
func WorkFolder(t testing.TB) string {
	dir, err := os.MkdirTemp("", "assay-server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	Give(t, dir)
	return dir
}

// Give lets the servers' account have a path.
func Give(t testing.TB, path string) {
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

// FreePort is free now. Another program may be faster; then the server says so
// and the test fails.
func FreePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Server is a program that runs until the test ends.
type Server struct {
	ended chan struct{}
	log   string
}

// Start starts a program whose output goes to a file.
func Start(t testing.TB, c *exec.Cmd, log string) *Server {
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c.Stdout, c.Stderr = f, f
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{ended: make(chan struct{}), log: log}
	go func() { _ = c.Wait(); close(s.ended) }()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(20 * time.Second):
			_ = c.Process.Kill()
			<-s.ended
		}
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", log, b[max(0, len(b)-8000):])
		}
	})
	return s
}

// Answers waits until ready is content.
func (s *Server) Answers(t testing.TB, ready func() error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-s.ended:
			b, _ := os.ReadFile(s.log)
			t.Fatalf("the server has ended:\n%s", b[max(0, len(b)-8000):])
		case <-ctx.Done():
			t.Fatalf("the server does not answer: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// As is a command under the servers' account, with nothing of our
// environment.
func As(dir, program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = dir
	c.Env = []string{"HOME=" + dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return c
}

// Output runs a command that has to work and returns what it writes.
func Output(t testing.TB, c *exec.Cmd) string {
	t.Helper()
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", c, err, out, errs.Bytes())
	}
	return strings.TrimSpace(string(out))
}
