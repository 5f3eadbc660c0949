package containers

import (
	"errors"
	"io"
	"net"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// greets is the guest's end of a connection that answers one request.
func greets(text string) func() (io.ReadWriteCloser, error) {
	return func() (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			_, _ = theirs.Read(make([]byte, 4096)) // the request, whatever it is
			_, _ = io.WriteString(theirs, "HTTP/1.0 200 OK\r\n\r\n"+text)
		}()
		return ours, nil
	}
}

func TestAtomicRun(t *testing.T) {
	const ref = "192.168.127.1:5000/assay/system:1"
	with := func(more ...func(g *guesttest.Fake)) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			e.Registry.Images = map[string]string{"system": "assay/system:1"}
			g.SetScale(1e-3)
			g.HasProgram("atomic")
			g.Logs()
			g.On("sh", "-c", guesttest.Containing("firewall-cmd"), "sh", "18085")
			g.On("true")
			g.On("atomic", "pull", "--storage=ostree", "http:"+ref)
			g.On("atomic", "install", "--system", "--name=assay-atomic-run", "--set=PORT=18085", "--set=RECEIVER=run", ref)
			g.On("atomic", "run", atomicContainer)
			g.On("atomic", "run", atomicContainer, "echo", "inside").Prints("inside\n")
			g.On("atomic", "run", atomicContainer+"-not-there").Exits(1).Says("Unable to find image\n")
			g.On("atomic", "stop", atomicContainer)
			g.On("atomic", "uninstall", atomicContainer)
			g.OnDial(atomicPort, greets("Hi run\n"))
			for _, m := range more {
				m(g)
			}
		}
	}
	fails := func(name, says string, more func(g *guesttest.Fake)) suitetest.Case {
		return suitetest.Case{Name: name, Want: reports.Failed, Says: []string{says}, Guest: with(more)}
	}
	suitetest.Run(t, "containers/atomic-run", []suitetest.Case{
		{Name: "works", Guest: with()},
		{Name: "not shipped", Want: reports.Skipped, Says: []string{"ships no atomic"}, Guest: with(func(g *guesttest.Fake) { g.LacksProgram("atomic") })},
		{Name: "not served", Want: reports.Skipped, Guest: func(g *guesttest.Fake, e *check.Env) { with()(g, e); e.Registry.Images = nil }},
		fails("no pull", "atomic pull fails: Failed: x", func(g *guesttest.Fake) { g.On("atomic", "pull", rest).Exits(1).Says("Failed: x\n") }),
		fails("no start", "atomic run fails: Job failed", func(g *guesttest.Fake) { g.On("atomic", "run", atomicContainer).Exits(1).Says("Job failed\n") }),
		fails("no answer", "does not answer on port 18085: refused", func(g *guesttest.Fake) {
			g.OnDial(atomicPort, func() (io.ReadWriteCloser, error) { return nil, errors.New("refused") })
		}),
		fails("another greeting", "does not answer on port 18085: Hi World", func(g *guesttest.Fake) { g.OnDial(atomicPort, greets("Hi World\n")) }),
		fails("runs elsewhere", `prints ""`, func(g *guesttest.Fake) { g.On("atomic", "run", atomicContainer, "echo", "inside") }),
		fails("runs anything", "is called a success", func(g *guesttest.Fake) { g.On("atomic", "run", atomicContainer+"-not-there") }),
		{Name: "guest gone", Want: reports.Errored, Fault: reports.FaultInfra, Guest: with(func(g *guesttest.Fake) {
			g.On("atomic", "stop", rest).Fails(&guest.TransportError{Guest: "fake", Op: "run", Err: errors.New("gone")})
		})},
	})
}
