package guesttest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"assay/harness/guest"
)

// Server is a real SSH server in the test's process that behaves like the one
// of a booting guest. Commands run on the test's machine as the test's user,
// in a folder of their own; what would touch the machine (boot id, reboot,
// /run/nologin, sudo, runuser) is played.
//
// Its switches may be changed at any time and count from the next connection
// or command on.
type Server struct {
	t testing.TB
	// Dir is the folder commands start in. Dir/bin is first on their path.
	Dir string

	clientKey ssh.Signer
	hostKey   ssh.Signer

	mu        sync.Mutex
	listener  net.Listener
	conns     map[net.Conn]bool
	sw        Switches
	bootID    string
	boots     int
	intercept []func(*Exec) bool
	logins    int
	dials     int
	closing   bool
	over      chan struct{}
	running   sync.WaitGroup
}

// Switches are what goes wrong. The zero value is a healthy guest that has booted.
type Switches struct {
	// Down refuses connections.
	Down bool
	// Silent accepts connections and says nothing.
	Silent bool
	// BannerDelay is how long the banner takes.
	BannerDelay time.Duration
	// OtherHostKey shows a host key that the client does not know.
	OtherHostKey bool
	// RSAHostKey shows a host key of another kind.
	RSAHostKey ssh.Signer
	// RefuseKey refuses the login, RefuseSays is what the user is told then.
	RefuseKey  bool
	RefuseSays string
	// NoLogin is /run/nologin.
	NoLogin bool
	// State is what is-system-running says; empty is "running". "starting"
	// waits, as --wait does.
	State string
	// NoSudo makes sudo refuse.
	NoSudo bool
	// Hang answers nothing any more: no command, no sign of life.
	Hang bool
	// MaxSessions bounds the sessions of a connection; 0 is 10, as sshd has it.
	MaxSessions int
	// RebootTakes is how long a reboot keeps the server down; RebootIgnored
	// makes it do nothing.
	RebootTakes   time.Duration
	RebootIgnored bool
}

// Exec is one command line that a client sent.
type Exec struct {
	Line           string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Exit is the status to end with, Signal a signal instead.
	Exit   int
	Signal string
	// Done is closed when the client hung up.
	Done <-chan struct{}

	// report sends how the command ended, once.
	report func()
}

// NewServer starts a server that ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, Dir: t.TempDir(), clientKey: newKey(t), hostKey: newKey(t),
		conns: map[net.Conn]bool{}, over: make(chan struct{}), bootID: bootID(1), boots: 1}
	bin := filepath.Join(s.Dir, "bin")
	for name, script := range map[string]string{
		// -n -- COMMAND
		"sudo": `shift 2; exec "$@"`,
		// The clock of whoever runs the tests stays as it is.
		"date":    `[ "$1" = -s ] || exec /bin/date "$@"`,
		"runuser": `[ "$1" = -u ] || exit 1; export ASSAY_TEST_USER="$2"; shift 3; exec "$@"`,
	} {
		s.Program(name, script)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("cannot listen for SSH in %s: %v", bin, err)
	}
	s.listener = l
	s.running.Add(1)
	go s.accept()
	t.Cleanup(s.close)
	return s
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// Program puts a shell script on the commands' path.
func (s *Server) Program(name, script string) {
	s.t.Helper()
	bin := filepath.Join(s.Dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// Config is how a client reaches the server, as user "core".
func (s *Server) Config() guest.SSHConfig {
	return guest.SSHConfig{
		Name: "inprocess", User: "core", Signer: s.clientKey, HostKey: s.hostKey.PublicKey(), Scale: 1,
		Dial: func(ctx context.Context, port int) (net.Conn, error) {
			if port != 22 {
				return nil, fmt.Errorf("port %d: %w", port, syscall.ECONNREFUSED)
			}
			s.mu.Lock()
			s.dials++
			down := s.sw.Down
			s.mu.Unlock()
			if down {
				return nil, syscall.ECONNREFUSED
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", s.listener.Addr().String())
		},
	}
}

// Set changes switches.
func (s *Server) Set(change func(*Switches)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.sw)
}

// On looks at every command line first; answer returns whether it dealt with
// it. The newest is asked first.
func (s *Server) On(answer func(*Exec) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = append(s.intercept, answer)
}

// BootID is what the guest's boot id is now.
func (s *Server) BootID() string { s.mu.Lock(); defer s.mu.Unlock(); return s.bootID }

// Logins is how many logins have worked, Dials how many times a client tried
// to connect.
func (s *Server) Logins() int { s.mu.Lock(); defer s.mu.Unlock(); return s.logins }

// Dials is how many times a client tried to connect.
func (s *Server) Dials() int { s.mu.Lock(); defer s.mu.Unlock(); return s.dials }

// Drop breaks all connections, as a reset does.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // breaking it is the aim
	}
}

// Restart gives the guest a new boot id and breaks all connections.
func (s *Server) Restart() {
	s.mu.Lock()
	s.boots++
	s.bootID = bootID(s.boots)
	s.mu.Unlock()
	s.Drop()
}

func (s *Server) switches() Switches { s.mu.Lock(); defer s.mu.Unlock(); return s.sw }

func (s *Server) close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	_ = s.listener.Close() // ends accept
	close(s.over)
	s.Drop()
	s.running.Wait()
}

func (s *Server) accept() {
	defer s.running.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closing {
			s.mu.Unlock()
			_ = c.Close() // the test is over
			return
		}
		s.conns[c] = true
		s.running.Add(1)
		s.mu.Unlock()
		go func() {
			defer s.running.Done()
			s.serve(c)
			_ = c.Close() // broken already, or done
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		}()
	}
}

func (s *Server) serve(c net.Conn) {
	sw := s.switches()
	if sw.Silent {
		_, _ = io.Copy(io.Discard, c) // until the client gives up
		return
	}
	if sw.BannerDelay > 0 {
		select {
		case <-time.After(sw.BannerDelay):
		case <-s.over:
			return
		}
	}
	conf := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if sw := s.switches(); sw.RefuseKey || !bytes.Equal(key.Marshal(), s.clientKey.PublicKey().Marshal()) {
				err := errors.New("this key may not log in")
				if sw.RefuseSays != "" {
					return nil, &ssh.BannerError{Err: err, Message: sw.RefuseSays + "\n"}
				}
				return nil, err
			}
			return nil, nil
		},
	}
	switch {
	case sw.RSAHostKey != nil:
		conf.AddHostKey(sw.RSAHostKey)
	case sw.OtherHostKey:
		conf.AddHostKey(newKey(s.t))
	default:
		conf.AddHostKey(s.hostKey)
	}
	conn, chans, reqs, err := ssh.NewServerConn(c, conf)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.logins++
	s.mu.Unlock()
	var work sync.WaitGroup
	defer work.Wait()
	gone := make(chan struct{})
	work.Add(2)
	go func() {
		defer work.Done()
		for r := range reqs {
			if r.WantReply && !s.switches().Hang {
				_ = r.Reply(false, nil) // the connection's end is seen below
			}
		}
	}()
	go func() {
		defer work.Done()
		_ = conn.Wait() // any end is an end
		close(gone)
	}()
	open := make(chan struct{}, 100)
	for nc := range chans {
		most := s.switches().MaxSessions
		if most == 0 {
			most = 10
		}
		if len(open) >= most {
			_ = nc.Reject(ssh.ResourceShortage, "open failed") // as sshd does
			continue
		}
		ch, reqs, err := nc.Accept()
		if err != nil {
			return
		}
		open <- struct{}{}
		work.Add(1)
		go func() {
			defer work.Done()
			defer func() { <-open }()
			s.session(ch, reqs, gone)
		}()
	}
}

// session runs the one command of a session.
func (s *Server) session(ch ssh.Channel, reqs <-chan *ssh.Request, gone <-chan struct{}) {
	defer func() { _ = ch.Close() }() // nothing to lose
	for r := range reqs {
		if r.Type != "exec" {
			_ = r.Reply(false, nil) // the client sees the refusal or nothing
			continue
		}
		var m struct{ Command string }
		if err := ssh.Unmarshal(r.Payload, &m); err != nil {
			return
		}
		if s.switches().Hang {
			<-gone
			return
		}
		_ = r.Reply(true, nil) // the client sees its command end, or the connection

		// The rest of the requests end when the client closes the session.
		hung := make(chan struct{})
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			ssh.DiscardRequests(reqs)
			close(hung)
		}()
		e := &Exec{Line: m.Command, Stdin: ch, Stdout: ch, Stderr: ch.Stderr(), Done: hung}
		e.report = sync.OnceFunc(func() { sendStatus(ch, e) })
		s.exec(e)
		if s.switches().Hang {
			<-gone
			return
		}
		e.report()
		return
	}
}

func sendStatus(ch ssh.Channel, e *Exec) {
	if e.Signal == "" {
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(e.Exit)})) // the client may be gone
		return
	}
	_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
		Signal     string
		CoreDumped bool
		Error      string
		Lang       string
	}{Signal: e.Signal})) // the client may be gone
}

// exec plays what is not the machine's to do, and runs the rest.
func (s *Server) exec(e *Exec) {
	s.mu.Lock()
	answers := append([]func(*Exec) bool(nil), s.intercept...)
	s.mu.Unlock()
	for i := len(answers) - 1; i >= 0; i-- {
		if answers[i](e) {
			return
		}
	}
	sw := s.switches()
	switch {
	case strings.Contains(e.Line, "/proc/sys/kernel/random/boot_id"):
		fmt.Fprintln(e.Stdout, s.BootID())
	case strings.Contains(e.Line, "/run/nologin"):
		s.until(e, func(sw Switches) bool { return !sw.NoLogin })
	case strings.Contains(e.Line, "is-system-running"):
		s.until(e, func(sw Switches) bool { return sw.State != "starting" })
		state := s.switches().State
		if state == "" {
			state = "running"
		}
		fmt.Fprintln(e.Stdout, state)
		if state != "running" {
			e.Exit = 1
		}
	case strings.HasPrefix(e.Line, "sudo ") && sw.NoSudo:
		fmt.Fprintln(e.Stderr, "sudo: a password is required")
		e.Exit = 1
	case strings.HasSuffix(e.Line, "systemctl reboot"):
		s.reboot(sw)
	default:
		s.runLocal(e)
	}
}

// until waits for a switch, or for the client to hang up.
func (s *Server) until(e *Exec, ok func(Switches) bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok(s.switches()) {
		select {
		case <-e.Done:
			return
		case <-tick.C:
		}
	}
}

func (s *Server) reboot(sw Switches) {
	if sw.RebootIgnored {
		return
	}
	s.Set(func(sw *Switches) { sw.Down = true })
	s.Restart()
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		select {
		case <-time.After(sw.RebootTakes):
		case <-s.over:
		}
		s.Set(func(sw *Switches) { sw.Down = false })
	}()
}

// runLocal runs the line by the machine's shell. It lives on when the client
// hangs up, as under sshd, and is killed at the test's end.
func (s *Server) runLocal(e *Exec) {
	cmd := exec.Command("/bin/sh", "-c", e.Line)
	cmd.Dir = s.Dir
	cmd.Env = []string{"HOME=" + s.Dir, "TMPDIR=" + s.Dir, "USER=core",
		"PATH=" + filepath.Join(s.Dir, "bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Pipes of our own: exec waits for a client that sends nothing, and for
	// daemons that keep the output open; sshd waits for neither.
	var in io.WriteCloser
	var out, errs *os.File
	err := func() (err error) {
		if in, err = cmd.StdinPipe(); err != nil {
			return err
		}
		var w1, w2 *os.File
		if out, w1, err = os.Pipe(); err != nil {
			return err
		}
		defer w1.Close()
		if errs, w2, err = os.Pipe(); err != nil {
			return err
		}
		defer w2.Close()
		cmd.Stdout, cmd.Stderr = w1, w2
		return cmd.Start()
	}()
	if err != nil {
		fmt.Fprintln(e.Stderr, err)
		e.Exit = 127
		return
	}
	s.running.Add(3)
	go func() {
		defer s.running.Done()
		_, _ = io.Copy(in, e.Stdin) // ends with the client's input, or the session
		_ = in.Close()
	}()
	var copied sync.WaitGroup
	copied.Add(2)
	for _, c := range []struct {
		to   io.Writer
		from *os.File
	}{{e.Stdout, out}, {e.Stderr, errs}} {
		go func() {
			defer s.running.Done()
			defer copied.Done()
			_, _ = io.Copy(c.to, c.from) // ends with the pipe, or the session
		}()
	}
	drained := make(chan struct{})
	s.running.Add(1)
	go func() { defer s.running.Done(); copied.Wait(); close(drained) }()
	// When the client hangs up the pipes end, but the processes live, as with sshd.
	stopOnEnd := make(chan struct{})
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		select {
		case <-s.over:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already is fine
		case <-stopOnEnd:
		}
	}()
	err = cmd.Wait()
	close(stopOnEnd)
	var status *exec.ExitError
	switch {
	case errors.As(err, &status):
		ws, _ := status.Sys().(syscall.WaitStatus)
		if ws.Signaled() {
			e.Signal = strings.TrimPrefix(signalName(ws.Signal()), "SIG")
		} else {
			e.Exit = status.ExitCode()
		}
	case err != nil:
		fmt.Fprintln(e.Stderr, err)
		e.Exit = 126
	}
	// The rest of the output may take a moment, or for ever.
	select {
	case <-drained:
	case <-time.After(50 * time.Millisecond):
		e.report()
		select {
		case <-drained:
		case <-e.Done:
		}
	}
	_, _ = out.Close(), errs.Close() // ends the copies
}

func signalName(sig syscall.Signal) string {
	for n, name := range map[syscall.Signal]string{syscall.SIGKILL: "SIGKILL", syscall.SIGTERM: "SIGTERM",
		syscall.SIGSEGV: "SIGSEGV", syscall.SIGABRT: "SIGABRT", syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT"} {
		if n == sig {
			return name
		}
	}
	return sig.String()
}
