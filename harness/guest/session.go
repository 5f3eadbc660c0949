package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// outputGrace is how long output may go on after a command has ended: a
// daemon that the command left behind keeps the streams open for ever.
const outputGrace = 2 * time.Second

// request is one command line on its way through one SSH session.
type request struct {
	line           string
	stdin          io.Reader
	stdout, stderr *stream
	// limit is scaled already.
	limit time.Duration
}

// Why a session gave no exit status.
var (
	errNoSession = errors.New("the command was not started")
	errTimeout   = errors.New("the limit passed")
	errNoStatus  = errors.New("the connection broke before the command ended")
)

// do runs one command line. It returns when the command has ended, the limit
// has passed (errTimeout), ctx is over, or the connection is gone. An error
// that matches errNoSession says that nothing was started.
func (s *SSH) do(ctx context.Context, l *link, q request) (exit int, signal string, err error) {
	var limit <-chan time.Time
	if q.limit != endless {
		t := time.NewTimer(q.limit)
		defer t.Stop()
		limit = t.C
	}
	ch, reqs, err := s.open(ctx, l)
	if err != nil {
		return 0, "", fmt.Errorf("%w: %w", errNoSession, err)
	}

	var output sync.WaitGroup
	output.Add(2)
	s.goroutines.Add(3)
	for _, c := range []struct {
		to   *stream
		from io.Reader
	}{{q.stdout, ch}, {q.stderr, ch.Stderr()}} {
		go func() {
			defer s.goroutines.Done()
			defer output.Done()
			_, _ = io.Copy(c.to, c.from) // ends with the channel; a stream takes everything
		}()
	}
	status := make(chan exitStatus, 1)
	go func() {
		defer s.goroutines.Done()
		readStatus(reqs, status)
	}()
	defer func() {
		q.stdout.seal()
		q.stderr.seal()
		// Closing waits for nothing, but a full send buffer of a dead guest
		// may block it until the connection is given up.
		s.goroutines.Add(1)
		go func() { defer s.goroutines.Done(); _ = ch.Close() }()
	}()

	accepted := make(chan error, 1)
	s.goroutines.Add(1)
	go func() {
		defer s.goroutines.Done()
		ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{q.line}))
		if err == nil && !ok {
			err = errors.New("the guest's SSH server refuses to run commands")
		}
		accepted <- err
	}()
	select {
	case err = <-accepted:
		if err != nil {
			return 0, "", fmt.Errorf("%w: %w", errNoStatus, err)
		}
	case <-ctx.Done():
		return 0, "", ended(ctx)
	case <-limit:
		return 0, "", errTimeout
	case <-l.dead:
		return 0, "", l.why
	}
	s.feed(ch, q.stdin)

	done := make(chan struct{})
	s.goroutines.Add(1)
	go func() { defer s.goroutines.Done(); output.Wait(); close(done) }()
	select {
	case st := <-status:
		if st.err != nil {
			select {
			case <-l.dead:
				return 0, "", l.why
			default:
				return 0, "", st.err
			}
		}
		select {
		case <-done:
		case <-l.dead:
		case <-ctx.Done():
		case <-time.After(outputGrace):
		}
		return st.exit, st.signal, nil
	case <-ctx.Done():
		return 0, "", ended(ctx)
	case <-limit:
		return 0, "", errTimeout
	case <-l.dead:
		return 0, "", l.why
	}
}

// open makes a channel for one command. A server that has no room at the
// moment, as a session that was closed lingers, is asked again for a while.
//
// Nobody waits for the asking itself, Close included: on a connection that breaks
// at that very moment OpenChannel never returns, as a channel that comes after the
// broken connection's last is not told of the break.
func (s *SSH) open(ctx context.Context, l *link) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second+s.scaled(2*time.Second), errors.New("the guest's SSH server opens no session"))
	defer cancel()
	for {
		got := make(chan opened, 1)
		go func() {
			ch, reqs, err := l.conn.OpenChannel("session", nil)
			got <- opened{ch, reqs, err}
		}()
		select {
		case o := <-got:
			var busy *ssh.OpenChannelError
			if o.err == nil || !errors.As(o.err, &busy) {
				return o.ch, o.reqs, o.err
			}
		case <-l.dead:
			return nil, nil, l.why
		case <-ctx.Done():
			// The answer may still come; nobody waits for it then.
			go func() {
				if o := <-got; o.err == nil {
					_ = o.ch.Close() // it was not used
					ssh.DiscardRequests(o.reqs)
				}
			}()
			return nil, nil, context.Cause(ctx)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// feed copies stdin to the command in the background. The goroutine ends when
// the reader or the channel does; a reader that blocks for ever keeps it, and
// so is not waited for.
func (s *SSH) feed(ch ssh.Channel, stdin io.Reader) {
	if stdin == nil {
		_ = ch.CloseWrite() // a command that is gone already needs no end of input
		return
	}
	go func() {
		_, _ = io.Copy(ch, stdin) // a command may end without reading its input
		_ = ch.CloseWrite()
	}()
}

type exitStatus struct {
	exit   int
	signal string
	err    error
}

// readStatus reads a session's requests to their end and sends one status, as
// soon as it is known (RFC 4254 section 6.10).
func readStatus(reqs <-chan *ssh.Request, to chan<- exitStatus) {
	known := false
	for r := range reqs {
		st := exitStatus{err: errNoStatus}
		switch r.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if err := ssh.Unmarshal(r.Payload, &m); err == nil {
				st = exitStatus{exit: int(m.Status)}
			}
		case "exit-signal":
			var m struct {
				Signal     string
				CoreDumped bool
				Error      string
				Lang       string
			}
			if err := ssh.Unmarshal(r.Payload, &m); err == nil {
				st = exitStatus{exit: -1, signal: m.Signal}
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // the connection's own end tells more
		}
		if st.err == nil && !known {
			known = true
			to <- st
		}
	}
	if !known {
		to <- exitStatus{err: errNoStatus}
	}
}

// raw runs a fixed shell line as the login user on a connection that is not
// the guest's yet.
func (s *SSH) raw(ctx context.Context, l *link, line string, limit time.Duration) (Result, error) {
	out, errs := newStream(nil, DefaultMaxOutput), newStream(nil, DefaultMaxOutput)
	start := time.Now()
	exit, signal, err := s.do(ctx, l, request{line: line, stdout: out, stderr: errs, limit: limit})
	r := Result{Exit: exit, Signal: signal, Stdout: out.text(), Stderr: errs.text(), Took: time.Since(start)}
	return r, err
}
