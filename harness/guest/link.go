package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// link is one SSH connection that has logged in.
type link struct {
	conn ssh.Conn
	// dead is closed when the connection is gone; why says the reason then.
	dead chan struct{}
	once sync.Once
	why  error
}

// close breaks the connection for the given reason; the first reason stays.
func (l *link) close(why error) {
	l.once.Do(func() {
		l.why = why
		close(l.dead)
		_ = l.conn.Close() // nothing is left to be lost on it
	})
}

// HostKeyError means the guest showed another host key than the seed gave it,
// or none of that kind: it may not have read the seed.
type HostKeyError struct {
	// Want and Got are SHA256 fingerprints; Got is empty when the guest has no
	// key of the wanted kind, and Offered then lists what it has.
	Want, Got string
	Offered   []string
}

func (e *HostKeyError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("the guest has no host key of the seed's kind (it has %s)", strings.Join(e.Offered, ", "))
	}
	return fmt.Sprintf("the guest shows host key %s, the seed gave it %s", e.Got, e.Want)
}

// AuthError means that the guest refused the login.
type AuthError struct {
	User string
	// Said is what the server wanted the user to read, such as that the system
	// is still booting.
	Said string
	Err  error
}

func (e *AuthError) Error() string {
	s := fmt.Sprintf("the guest refused user %s: %v", e.User, e.Err)
	if e.Said != "" {
		s += " (it says: " + e.Said + ")"
	}
	return s
}

func (e *AuthError) Unwrap() error { return e.Err }

// noLogin reports whether it was pam_nologin that refused: the user and its
// key were accepted. The texts are those of systemd's tmpfiles.d/systemd-nologin.conf
// and of systemd-logind's shutdown.
func (e *AuthError) noLogin() bool {
	return strings.Contains(e.Said, "booting up") || strings.Contains(e.Said, "going down") ||
		strings.Contains(e.Said, "not permitted to log in")
}

// dialLimit bounds one attempt to connect. A SYN that was lost while the guest
// had no address yet is only sent again after a second, then two, then four:
// a new attempt is sooner.
const dialLimit = 2 * time.Second

// dialBanner makes one attempt at a connection that has shown a banner.
func (s *SSH) dialBanner(ctx context.Context) (string, net.Conn, error) {
	dctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	c, err := s.cfg.Dial(dctx, 22)
	if err != nil {
		return "", nil, err
	}
	// A forwarder may accept before the guest listens, so silence is likely to
	// be nobody; an emulated sshd takes a second or two for its banner.
	release := s.guard(ctx, c, 5*time.Second+s.scaled(time.Second))
	banner, bc, err := readBanner(c)
	if e := release(); err == nil && e != nil {
		err = e
	}
	if err != nil {
		_ = c.Close() // the error in hand is the better one
		return "", nil, err
	}
	return banner, bc, nil
}

// guard bounds what happens on c until release is called; release returns why
// c was broken by it, if it was.
func (s *SSH) guard(ctx context.Context, c net.Conn, limit time.Duration) (release func() error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	stop := context.AfterFunc(ctx, func() { _ = c.Close() }) // breaking it is the aim
	return func() error {
		defer cancel()
		if stop() {
			return nil
		}
		return context.Cause(ctx)
	}
}

// login runs key exchange and authentication over c, and owns c from then on.
func (s *SSH) login(ctx context.Context, c net.Conn) (*link, error) {
	var shown *HostKeyError
	trusted := false
	var said strings.Builder
	conf := &ssh.ClientConfig{
		User:              s.cfg.User,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(s.cfg.Signer)},
		HostKeyAlgorithms: hostKeyAlgorithms(s.cfg.HostKey),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if string(key.Marshal()) == string(s.cfg.HostKey.Marshal()) {
				trusted = true
				return nil
			}
			shown = &HostKeyError{Want: ssh.FingerprintSHA256(s.cfg.HostKey), Got: ssh.FingerprintSHA256(key)}
			return shown
		},
		BannerCallback: func(message string) error {
			if said.Len() < bannerLineLimit {
				said.WriteString(message)
			}
			return nil
		},
	}
	release := s.guard(ctx, c, 10*time.Second+s.scaled(5*time.Second))
	conn, chans, reqs, err := ssh.NewClientConn(c, s.cfg.Name, conf)
	broken := release()
	if err == nil && broken != nil {
		_ = conn.Close() // broken already
		err = broken
	}
	var none *ssh.AlgorithmNegotiationError
	switch {
	case err == nil:
		return s.keep(conn, chans, reqs), nil
	case shown != nil:
		return nil, shown
	case broken != nil:
		return nil, fmt.Errorf("cannot log in: %w", broken)
	case errors.As(err, &none) && none.What == "host key":
		return nil, &HostKeyError{Want: ssh.FingerprintSHA256(s.cfg.HostKey), Offered: none.RequestedAlgorithms}
	case trusted:
		return nil, &AuthError{User: s.cfg.User, Said: strings.Join(strings.Fields(said.String()), " "), Err: err}
	}
	return nil, fmt.Errorf("cannot agree on keys: %w", err)
}

// hostKeyAlgorithms are the signature algorithms that key can make.
func hostKeyAlgorithms(key ssh.PublicKey) []string {
	if key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{key.Type()}
}

// keep starts what a connection needs beside it: its requests answered, signs
// of life asked for, and its end noticed.
func (s *SSH) keep(conn ssh.Conn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) *link {
	l := &link{conn: conn, dead: make(chan struct{})}
	s.goroutines.Add(4)
	go func() { defer s.goroutines.Done(); ssh.DiscardRequests(reqs) }()
	go func() {
		defer s.goroutines.Done()
		for c := range chans {
			_ = c.Reject(ssh.UnknownChannelType, "the harness opens channels, the guest does not")
		}
	}()
	go func() {
		defer s.goroutines.Done()
		err := conn.Wait()
		l.close(fmt.Errorf("the connection broke: %w", err))
	}()
	go func() {
		defer s.goroutines.Done()
		s.keepAlive(l)
	}()
	return l
}

// keepAlive asks for signs of life until the connection is gone, and breaks it
// when none comes.
func (s *SSH) keepAlive(l *link) {
	tick := time.NewTicker(s.cfg.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-l.dead:
			return
		case <-s.base.Done():
			l.close(errClosed)
			return
		case <-tick.C:
			s.ping(l, s.cfg.KeepAliveLimit)
		}
	}
}

// ping asks for one sign of life and breaks the connection without one.
func (s *SSH) ping(l *link, limit time.Duration) {
	late := time.AfterFunc(limit, func() {
		l.close(fmt.Errorf("the guest gave no sign of life for %s", limit.Round(time.Second)))
	})
	defer late.Stop()
	// Any reply will do, also the refusal that sshd sends.
	if _, _, err := l.conn.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		l.close(fmt.Errorf("the connection broke: %w", err))
	}
}
