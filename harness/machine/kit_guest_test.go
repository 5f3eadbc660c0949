package machine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"assay/artifact"
	"assay/cloudinit"
	"assay/fixtures/smallguest"
	"assay/harness/accel"
	"assay/harness/network"
)

// bootLimit is generous: the tests share their host with other guests.
const bootLimit = 4 * time.Minute

// smallGuest makes the small guest in the host's own cache, as it is dear.
func smallGuest(t *testing.T) *smallguest.Guest {
	t.Helper()
	if os.Getenv("ASSAY_GUEST_TESTS") == "" {
		t.Skip("boots real guests: set ASSAY_GUEST_TESTS=1 (make acceptance does)")
	}
	g, err := smallguest.Ensure(t.Context(), smallguest.Options{Cache: cacheDir(t), Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func cacheDir(t *testing.T) string {
	t.Helper()
	if d := os.Getenv("ASSAY_CACHE"); d != "" {
		return d
	}
	if os.Geteuid() == 0 {
		return "/var/cache/assay"
	}
	user, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(user, "assay")
}

// rig is one run's host and the small guest's seed.
type rig struct {
	t       *testing.T
	guest   *smallguest.Guest
	host    *Host
	dir     string
	seed    string
	secrets *cloudinit.Secrets
}

func newRig(t *testing.T) *rig {
	t.Helper()
	g := smallGuest(t)
	// Not t.TempDir: QEMU's user may have to enter it.
	dir, err := os.MkdirTemp("", "assay-machine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	kind, reason, err := accel.Detect(t.Context(), cacheDir(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, guest: g, dir: dir, seed: filepath.Join(dir, "seed.iso")}
	seed, secrets, err := cloudinit.New(cloudinit.Options{Hostname: "little.example", RootLogin: true, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	r.secrets = secrets
	if err := seed.WriteISO(r.seed, cloudinit.NoCloud, false); err != nil {
		t.Fatal(err)
	}
	id := "test" + formatUUID(newUUID())[:8]
	r.host, err = Connect(t.Context(), Config{RunID: id, Dir: dir, Accel: kind, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("run %s under %s: %s", id, kind, reason)
	t.Cleanup(func() {
		if err := r.host.Close(); err != nil {
			t.Error(err)
		}
		if n, err := DestroyOwned(context.Background(), "", id); n != 0 || err != nil {
			t.Errorf("%d guests were left, %v", n, err)
		}
	})
	return r
}

// direct is a guest without a disk that boots by its kernel.
func (r *rig) direct(name, more string) Spec {
	return Spec{Name: name, Arch: artifact.X8664, Firmware: artifact.BIOS, MemoryMiB: 256, CPUs: 1, Seed: r.seed,
		Direct: &DirectBoot{Kernel: r.guest.Kernel, Initrd: r.guest.Initrd, Cmdline: strings.TrimSpace(r.guest.Cmdline + " " + more)}}
}

// overlay makes a disk on top of another.
func (r *rig) overlay(name, base string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, path).CombinedOutput()
	if err != nil {
		r.t.Fatalf("cannot make an overlay: %v: %s", err, out)
	}
	return path
}

// subject is a running guest as the tests hold it.
type subject struct {
	*Machine
	t       *testing.T
	r       *rig
	console *console
	began   time.Time
	client  *ssh.Client
}

func (r *rig) boot(s Spec) *subject {
	r.t.Helper()
	c := newConsole()
	s.Console = c
	began := time.Now()
	m, err := r.host.Boot(r.t.Context(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Logf("%s: created after %s", s.Name, since(began))
	return &subject{Machine: m, t: r.t, r: r, console: c, began: began}
}

func (r *rig) fork(saved *Saved, f ForkSpec) *subject {
	r.t.Helper()
	c := newConsole()
	f.Console = c
	began := time.Now()
	m, err := r.host.Fork(r.t.Context(), saved, f)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Logf("%s: restored after %s", f.Name, since(began))
	return &subject{Machine: m, t: r.t, r: r, console: c, began: began}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }

// connect logs in, trying until the guest is up.
func (s *subject) connect() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), bootLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		c, err := s.Network().DialContext(ctx, 22)
		if err == nil {
			banner := since(s.began)
			var client *ssh.Client
			if client, err = login(ctx, c, s.r.secrets); err == nil {
				s.t.Logf("%s: connected to port 22 after %s, logged in after %s", s.Name(), banner, since(s.began))
				s.client = client
				s.t.Cleanup(func() { client.Close() })
				return
			}
		} else if !errors.Is(err, network.ErrNotUp) && !errors.Is(err, network.ErrRefused) && ctx.Err() == nil {
			s.t.Fatalf("%s: %v", s.Name(), err)
		}
		last = err
		select {
		case <-s.Gone():
			s.t.Fatalf("%s ended (%s) before SSH answered; its console:\n%s", s.Name(), s.End(), s.console.tail())
		case <-ctx.Done():
			s.t.Fatalf("%s: no SSH within %s: %v; its console:\n%s", s.Name(), bootLimit, last, s.console.tail())
		case <-tick.C:
		}
	}
}

func login(ctx context.Context, c net.Conn, secrets *cloudinit.Secrets) (*ssh.Client, error) {
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	conn, channels, requests, err := ssh.NewClientConn(c, "guest", &ssh.ClientConfig{
		User: secrets.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(secrets.Signer)}, HostKeyCallback: ssh.FixedHostKey(secrets.HostKey)})
	if err != nil {
		c.Close()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return ssh.NewClient(conn, channels, requests), nil
}

// run runs a line in the guest's shell; anything but success fails the test.
func (s *subject) run(line string) string {
	s.t.Helper()
	out, err := s.try(line)
	if err != nil {
		s.t.Fatalf("%s: %s: %v: %s", s.Name(), line, err, out)
	}
	return strings.TrimSpace(out)
}

func (s *subject) try(line string) (string, error) {
	s.t.Helper()
	if s.client == nil {
		s.connect()
	}
	session, err := s.client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	// A guest that stands still must not hold the tests.
	stop := time.AfterFunc(bootLimit, func() { s.client.Close() })
	defer stop.Stop()
	out, err := session.CombinedOutput(line)
	return string(out), err
}

// awaitEnd waits for the guest's end and checks how it ended.
func (s *subject) awaitEnd(want EndKind) {
	s.t.Helper()
	select {
	case <-s.Gone():
	case <-time.After(bootLimit):
		s.t.Fatalf("%s is still there", s.Name())
	}
	if got := s.End(); got.Kind != want {
		s.t.Errorf("%s ended by %q (%s), want %q", s.Name(), got.Kind, got.Detail, want)
	}
}

// console keeps what a guest says and lets a test wait for it.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
	wake chan struct{}
}

func newConsole() *console { return &console{wake: make(chan struct{}, 1)} }

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func (c *console) tail() string {
	s := c.String()
	return s[max(0, len(s)-4000):]
}

// await waits until want was said count times.
func (c *console) await(t *testing.T, want string, count int) {
	t.Helper()
	timeout := time.After(bootLimit)
	for strings.Count(c.String(), want) < count {
		select {
		case <-c.wake:
		case <-timeout:
			t.Fatalf("no %q on the console within %s:\n%s", want, bootLimit, c.tail())
		}
	}
}
