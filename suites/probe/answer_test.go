package probe

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

// server answers one request with what it is given.
func server(answer string) func() (io.ReadWriteCloser, error) {
	return func() (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			if _, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
				_, _ = io.WriteString(there, answer) // the client may be gone
			}
		}()
		return here, nil
	}
}

func page(body string) string { return "HTTP/1.0 200 OK\r\n\r\n" + body }

func TestAwaitAnswer(t *testing.T) {
	lost := &guest.TransportError{Op: "run", Err: errors.New("EOF")}
	for name, c := range map[string]struct {
		dial func() (io.ReadWriteCloser, error)
		lost error
		last string
		ok   bool
	}{
		"answers":       {dial: server(page("Hi foo\n")), last: "Hi foo\n", ok: true},
		"another page":  {dial: server(page("Hi bar\n")), last: "Hi bar\n"},
		"an error page": {dial: server("HTTP/1.0 404 Not Found\r\n\r\nHi foo\n"), last: "404"},
		"no web server": {dial: server("SSH-2.0-x\r\n"), last: "not answer as a web server"},
		"nobody there":  {dial: func() (io.ReadWriteCloser, error) { return nil, errors.New("refused") }, last: "refused"},
		"guest is gone": {dial: func() (io.ReadWriteCloser, error) { return nil, lost }, lost: lost, last: "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.New(t)
			g.SetScale(1e-6)
			g.OnDial(80, c.dial)
			g.On("true").Fails(c.lost)
			last, ok, err := AwaitAnswer(t.Context(), g, 80, time.Second, "Hi foo")
			if ok != c.ok || !strings.Contains(last, c.last) || !errors.Is(err, c.lost) {
				t.Errorf("%q, %t, %v; want %q, %t, %v", last, ok, err, c.last, c.ok, c.lost)
			}
		})
	}
}

func TestAwaitAnswerWaits(t *testing.T) {
	g := guesttest.New(t)
	asked := 0
	g.OnDial(80, func() (io.ReadWriteCloser, error) {
		if asked++; asked == 1 {
			return nil, errors.New("refused")
		}
		return server(page("up"))()
	})
	if _, ok, err := AwaitAnswer(t.Context(), g, 80, time.Minute, "up"); !ok || err != nil {
		t.Errorf("%t, %v after %d attempts", ok, err, asked)
	}
}

func TestOpenPort(t *testing.T) {
	g := guesttest.New(t)
	plan := g.On("sh", "-c", openScript, "sh", "80").Then().Exits(1).Says("Error: no zone\n")
	if err := OpenPort(t.Context(), g, 80); err != nil {
		t.Error(err)
	}
	if err := OpenPort(t.Context(), g, 80); err == nil || plan.Used() != 2 {
		t.Errorf("%v after %d calls", err, plan.Used())
	}
}
