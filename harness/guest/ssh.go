package guest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSHConfig says how a guest is reached over SSH.
type SSHConfig struct {
	// Name is the guest's name in the report.
	Name string
	// Dial opens a connection to a TCP port of the guest. It must honour ctx.
	Dial func(ctx context.Context, port int) (net.Conn, error)
	// User logs in with Signer. When it is not root, it must be allowed to use
	// sudo without a password for whatever is to run as root.
	User   string
	Signer ssh.Signer
	// HostKey is the one key the guest may show; no other algorithm is offered,
	// so a guest with further keys shows this one or none.
	HostKey ssh.PublicKey
	// Scale multiplies all limits; below 1 (also 0) it counts as 1.
	Scale float64
	// Record, when set, gets every command after it has ended. It is called
	// from several goroutines and must not block for long.
	Record func(Record)
	// PowerCut resets the machine without asking the guest; nil where nobody can.
	PowerCut func(ctx context.Context) error
	// KeepAlive is how often the connection is asked for a sign of life, and
	// KeepAliveLimit how long the answer may take before the connection counts
	// as broken. Zero values: every 5 s; 20 s plus 4 s times Scale, as an
	// emulated guest under load was seen to be silent for many seconds.
	KeepAlive      time.Duration
	KeepAliveLimit time.Duration
}

// maxSessions bounds how many commands run at once: sshd refuses the eleventh
// (MaxSessions), and a kill needs one too.
const maxSessions = 8

// SSH is a Guest over one SSH connection that is kept, and made again when it
// breaks while the guest lives on. Await makes it; Close ends it.
type SSH struct {
	cfg   SSHConfig
	scale float64
	// callID marks the processes of this guest's commands; see kill.
	callID string
	calls  atomic.Int64
	// slots holds one token per command that may run.
	slots chan struct{}
	// downLimit and upLimit bound the halves of a reboot.
	downLimit, upLimit time.Duration
	// base ends when Close is called; goroutines counts what must end then.
	base       context.Context
	stop       context.CancelFunc
	goroutines sync.WaitGroup

	// connecting is held by whoever makes a connection.
	connecting chan struct{}

	mu     sync.Mutex
	closed bool
	link   *link
	bootID string
	// lost is why the last attempt to connect again failed.
	lost error
	// sudo is true once it is known that sudo works, or is not needed.
	sudo, root bool
	// stoodStill is true until the clock of a restored guest is set.
	stoodStill bool
}

// SSH is a Guest.
var _ Guest = (*SSH)(nil)

func newSSH(cfg SSHConfig) (*SSH, error) {
	switch {
	case cfg.Dial == nil:
		return nil, errors.New("cannot reach a guest without a dialer")
	case cfg.Signer == nil || cfg.User == "":
		return nil, errors.New("cannot log in to a guest without a user and a key")
	case cfg.HostKey == nil:
		return nil, errors.New("cannot trust a guest without its host key")
	}
	if cfg.Name == "" {
		cfg.Name = "guest"
	}
	s := &SSH{cfg: cfg, scale: max(cfg.Scale, 1), slots: make(chan struct{}, maxSessions), connecting: make(chan struct{}, 1)}
	if s.cfg.KeepAlive <= 0 {
		s.cfg.KeepAlive = 5 * time.Second
	}
	if s.cfg.KeepAliveLimit <= 0 {
		s.cfg.KeepAliveLimit = 20*time.Second + s.scaled(4*time.Second)
	}
	s.downLimit, s.upLimit = stopUnit+s.scaled(goDownLimit), stopUnit+s.scaled(comeUpLimit)
	s.root = cfg.User == "root"
	var id [6]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("cannot name the commands of guest %s: %w", cfg.Name, err)
	}
	s.callID = hex.EncodeToString(id[:])
	s.base, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// scaled is a limit for a KVM host, on this host.
func (s *SSH) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * s.scale) }

// Name is SSHConfig.Name.
func (s *SSH) Name() string { return s.cfg.Name }

// Scale is SSHConfig.Scale, at least 1.
func (s *SSH) Scale() float64 { return s.scale }

// BootID is the boot id read when the guest was last waited for.
func (s *SSH) BootID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bootID
}

// Dial opens a connection through SSHConfig.Dial.
func (s *SSH) Dial(ctx context.Context, port int) (io.ReadWriteCloser, error) {
	c, err := s.cfg.Dial(ctx, port)
	if err != nil {
		return nil, s.transport(fmt.Sprintf("connect to port %d", port), err)
	}
	return c, nil
}

// Close breaks the connection and waits for what ran over it. Commands under
// way end with a TransportError. Closing twice is harmless.
func (s *SSH) Close() error {
	s.stop()
	s.mu.Lock()
	s.closed = true
	l := s.link
	s.link = nil
	s.mu.Unlock()
	if l != nil {
		l.close(errClosed)
	}
	s.goroutines.Wait()
	return nil
}

// enter counts a call that is under way, so that Close waits for it; leave
// ends it. After Close nothing begins any more.
func (s *SSH) enter() (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	s.goroutines.Add(1)
	return s.goroutines.Done, nil
}

var errClosed = errors.New("the connection was closed by the harness")

// transport wraps err once, as the guest's.
func (s *SSH) transport(op string, err error) error {
	var te *TransportError
	if errors.As(err, &te) {
		return err
	}
	return &TransportError{Guest: s.cfg.Name, Op: op, Err: err}
}

// ended is the error for a context that is over: it matches both ctx.Err and
// the cause.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w (%w)", cause, ctx.Err())
	}
	return ctx.Err()
}
