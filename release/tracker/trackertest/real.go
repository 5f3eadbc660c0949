package trackertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// NeedServers skips a test that starts real servers, unless ASSAY_SERVER_TESTS
// is 1. Then nothing is skipped: what cannot be started fails.
func NeedServers(t testing.TB) {
	if os.Getenv("ASSAY_SERVER_TESTS") != "1" {
		t.Skip("set ASSAY_SERVER_TESTS=1 to run this against a real server, built or installed into the cache first (5 minutes); make server-tests does")
	}
}

// cache is where servers are kept between runs: a folder that the account which
// runs them can reach.
func cache(t testing.TB, name string) string {
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

// workFolder is a folder that the servers' account can write to.
func workFolder(t testing.TB) string {
	dir, err := os.MkdirTemp("", "assay-server-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	give(t, dir)
	return dir
}

func give(t testing.TB, path string) {
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

// freePort is free now. Another program may be faster; then the server says so
// and the test fails.
func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// server is a program that runs until the test ends.
type server struct {
	ended chan struct{}
	log   string
}

// startServer starts a program whose output goes to a file.
func startServer(t testing.TB, c *exec.Cmd, log string) *server {
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c.Stdout, c.Stderr = f, f
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{ended: make(chan struct{}), log: log}
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

// answers waits until ready is content.
func (s *server) answers(t testing.TB, ready func() error) {
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

// asServer is a command under the servers' account, with nothing of our
// environment.
func asServer(dir, program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = dir
	c.Env = []string{"HOME=" + dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return c
}

func output(t testing.TB, c *exec.Cmd) string {
	t.Helper()
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", c, err, out, errs.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// person sends requests by hand, as people's browsers and scripts do.
type person struct {
	base, header, value string
}

func (p person) call(t testing.TB, method, path string, body, out any) {
	t.Helper()
	if err := p.try(method, path, body, out); err != nil {
		t.Fatal(err)
	}
}

func (p person) try(method, path string, body, out any) error {
	var content io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		content, kind = strings.NewReader(b), "application/x-www-form-urlencoded"
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return err
		}
		content = bytes.NewReader(j)
	}
	req, err := http.NewRequest(method, p.base+path, content)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	if p.header != "" {
		req.Header.Set(p.header, p.value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, b)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(b)
		return nil
	}
	return json.Unmarshal(b, out)
}

func tokenFile(t testing.TB, token string) string {
	f := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(f, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}
