package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The URIs libvirt gives its QEMU drivers.
const (
	SystemURI  = "qemu:///system"
	SessionURI = "qemu:///session"
)

// DefaultURI is the system daemon for root, the user's own otherwise.
func DefaultURI() string {
	if os.Geteuid() == 0 {
		return SystemURI
	}
	return SessionURI
}

// DaemonError says that no libvirt daemon answered.
type DaemonError struct {
	URI   string
	Tried []string
	Err   error
}

func (e *DaemonError) Error() string {
	return fmt.Sprintf("libvirtd is not running for %s: %v (tried %s); run `assay doctor`", e.URI, e.Err, strings.Join(e.Tried, ", "))
}

func (e *DaemonError) Unwrap() error { return e.Err }

// endpoint is where a URI's daemon listens.
type endpoint struct {
	uri     string
	sockets []string
	session bool
	asked   bool // the socket was named: nobody but its owner can make it answer
}

// CheckURI returns an error for a libvirt that cannot be used. An empty URI is
// the default.
func CheckURI(uri string) error {
	_, err := newEndpoint(uri, os.Getenv)
	return err
}

// newEndpoint reads a URI of the two local forms; ?socket=PATH overrides where
// the daemon listens, as in libvirt itself (https://libvirt.org/uri.html).
func newEndpoint(uri string, env func(string) string) (endpoint, error) {
	if uri == "" {
		uri = DefaultURI()
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "qemu" || u.Host != "" || (u.Path != "/system" && u.Path != "/session") {
		return endpoint{}, fmt.Errorf("cannot use libvirt URI %q: only %s and %s are known", uri, SystemURI, SessionURI)
	}
	e := endpoint{uri: "qemu://" + u.Path, session: u.Path == "/session"}
	if s := u.Query().Get("socket"); s != "" {
		e.sockets, e.asked = []string{s}, true
		return e, nil
	}
	dir := "/run/libvirt"
	if e.session {
		dir = filepath.Join(userRuntimeDir(env), "libvirt")
	}
	// The modular daemon first: where both exist, libvirt-sock is its proxy.
	e.sockets = []string{filepath.Join(dir, "virtqemud-sock"), filepath.Join(dir, "libvirt-sock")}
	return e, nil
}

// userRuntimeDir is GLib's g_get_user_runtime_dir, which libvirt uses.
func userRuntimeDir(env func(string) string) string {
	for _, name := range []string{"XDG_RUNTIME_DIR", "XDG_CACHE_HOME"} {
		if d := env(name); d != "" {
			return d
		}
	}
	return filepath.Join(env("HOME"), ".cache")
}

// dialOnce tries every socket of the endpoint.
func (e endpoint) dialOnce(ctx context.Context) (net.Conn, error) {
	var errs []error
	for _, s := range e.sockets {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", s)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	// The last socket is the one every installation has.
	return nil, &DaemonError{URI: e.uri, Tried: e.sockets, Err: errs[len(errs)-1]}
}

// dial connects, and starts the user's own daemon when there is none: it ends
// by itself two minutes after its last client.
func (e endpoint) dial(ctx context.Context) (net.Conn, error) {
	c, err := e.dialOnce(ctx)
	if err == nil || !e.session || e.asked || !isNoDaemon(err) {
		return c, err
	}
	if serr := startSessionDaemon(ctx); serr != nil {
		return nil, errors.Join(err, serr)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err = e.dialOnce(ctx); err == nil || !isNoDaemon(err) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

func isNoDaemon(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, errConnRefused)
}

func startSessionDaemon(ctx context.Context) error {
	for _, name := range []string{"virtqemud", "libvirtd"} {
		path, err := findDaemon(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--timeout=120", "--daemon").CombinedOutput()
		if err != nil {
			return fmt.Errorf("cannot start %s: %w: %s", path, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	return errors.New("cannot start a session daemon: neither virtqemud nor libvirtd is installed")
}

// findDaemon also looks where an ordinary user's PATH does not.
func findDaemon(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}
