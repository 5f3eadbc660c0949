package web

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/harnesstest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/suitetest"
)

func TestMain(m *testing.M) { harnesstest.Main(m) }

// TestSuite runs the suite on a real image: go test ./web -args -image=PATH
func TestSuite(t *testing.T) { harnesstest.Suite(t, suite.Name) }

// The other tests need no guest: each states what one would answer and how the check must judge it.

func TestKernelSettings(t *testing.T) {
	says := func(n string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) { g.On("cat", "/proc/sys/net/core/somaxconn").Prints(n + "\n") }
	}
	suitetest.Run(t, "web/kernel-settings", []suitetest.Case{
		{Name: "enough", Guest: says("4096")},
		{Name: "few", Want: reports.Failed, Says: []string{"somaxconn is 128, less than 1000"}, Shows: []string{"to match regular expression"}, Guest: says("128")},
		{Name: "guest gone", Want: reports.Errored, Fault: reports.FaultInfra, Guest: func(g *guesttest.Fake, _ *check.Env) {
			g.On("cat", "/proc/sys/net/core/somaxconn").Fails(&guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("gone")})
		}},
	})
}

func TestReached(t *testing.T) {
	up := func(g *guesttest.Fake) {
		g.On("sh", "-c", engine.DetectScript, "sh").Prints("podman\n")
		g.On("podman", "image", "inspect", guesttest.Rest).Prints("sha256:x\n")
		g.On("podman", "run", guesttest.Rest).Prints("id\n")
		g.On("podman", "rm", guesttest.Rest)
		g.On("true")
	}
	suitetest.Run(t, "web/reached", []suitetest.Case{
		{Name: "reached", Guest: func(g *guesttest.Fake, _ *check.Env) { up(g); g.OnDial(port, serves("ASSAY TEST PAGE")) }},
		{Name: "another page", Want: reports.Failed, Says: []string{"podman: the page of the web service is not seen"}, Shows: []string{"Welcome"},
			Guest: func(g *guesttest.Fake, _ *check.Env) { up(g); g.SetScale(1e-6); g.OnDial(port, serves("Welcome")) }},
		{Name: "refused", Want: reports.Failed, Says: []string{"not seen"}, Guest: func(g *guesttest.Fake, _ *check.Env) {
			up(g)
			g.SetScale(1e-6)
			g.OnDial(port, func() (io.ReadWriteCloser, error) { return nil, errors.New("connection refused") })
		}},
		{Name: "guest gone", Want: reports.Errored, Fault: reports.FaultInfra, Guest: func(g *guesttest.Fake, _ *check.Env) {
			up(g)
			g.SetScale(1e-6)
			g.OnDial(port, func() (io.ReadWriteCloser, error) { return nil, errors.New("connection refused") })
			g.On("true").Fails(&guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("gone")})
		}},
		{Name: "does not start", Want: reports.Failed, Says: []string{"cannot start the web service: Error: no"}, Guest: func(g *guesttest.Fake, _ *check.Env) {
			up(g)
			g.On("podman", "run", guesttest.Rest).Exits(125).Says("Error: no\n")
		}},
		{Name: "no engine", Want: reports.Skipped, Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", engine.DetectScript, "sh") }},
	})
}

// serves is the guest's end of a connection that answers one request with a page.
func serves(page string) func() (io.ReadWriteCloser, error) {
	return func() (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		go func() {
			l := &once{conn: theirs}
			_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) })) // ends after one connection
		}()
		return ours, nil
	}
}

// once is a listener with one connection.
type once struct {
	conn net.Conn
}

func (o *once) Accept() (net.Conn, error) {
	if o.conn == nil {
		return nil, io.EOF
	}
	c := o.conn
	o.conn = nil
	return c, nil
}
func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return &net.UnixAddr{} }
