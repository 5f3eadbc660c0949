package base

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "password-refused", Title: "SSH refuses an empty and a wrong password", Run: passwordRefused,
	Limit: 2 * time.Minute,
})

func passwordRefused(ctx context.Context, t *check.T) error {
	guess := make([]byte, 12)
	if _, err := rand.Read(guess); err != nil {
		return fmt.Errorf("cannot make a password: %w", err)
	}
	users := []string{"root"}
	if t.Env.User != "" {
		users = append(users, t.Env.User)
	}
	for _, user := range users {
		// One connection per user: the server offers the methods it has, and each
		// password is tried with each.
		in, err := logIn(ctx, t, user, []string{"", hex.EncodeToString(guess)})
		if err != nil {
			return err
		}
		if in {
			return check.Failf("SSH lets %s in without the right password", user)
		}
	}
	return nil
}

// logIn tries to log in with passwords only.
func logIn(ctx context.Context, t *check.T, user string, passwords []string) (bool, error) {
	raw, err := t.Dial(ctx, 22)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	next := 0
	password := func() (string, error) {
		if next >= len(passwords) {
			return "", errors.New("no password is left to try")
		}
		next++
		return passwords[next-1], nil
	}
	conf := &ssh.ClientConfig{
		User: user,
		// Whose host key it is does not matter: nothing of worth is sent.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec
		Auth: []ssh.AuthMethod{
			ssh.RetryableAuthMethod(ssh.PasswordCallback(password), len(passwords)),
			ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = passwords[len(passwords)-1]
				}
				return answers, nil
			}),
		},
	}
	conn, chans, reqs, err := ssh.NewClientConn(wire{raw}, "guest:22", conf)
	switch {
	case err == nil:
		client := ssh.NewClient(conn, chans, reqs)
		_ = client.Close()
		return true, nil
	case strings.Contains(err.Error(), "unable to authenticate"), strings.Contains(err.Error(), "Too many authentication failures"):
		return false, nil
	case ctx.Err() != nil:
		return false, check.Infraf("cannot try a password as %s: %w", user, context.Cause(ctx))
	}
	return false, check.Infraf("cannot try a password as %s: %w", user, err)
}

// wire makes a net.Conn of a stream: the SSH client asks for no more than the
// stream and, for its messages, addresses.
type wire struct{ io.ReadWriteCloser }

func (wire) LocalAddr() net.Addr              { return wireAddr{} }
func (wire) RemoteAddr() net.Addr             { return wireAddr{} }
func (wire) SetDeadline(time.Time) error      { return nil }
func (wire) SetReadDeadline(time.Time) error  { return nil }
func (wire) SetWriteDeadline(time.Time) error { return nil }

type wireAddr struct{}

func (wireAddr) Network() string { return "guest" }
func (wireAddr) String() string  { return "guest:22" }
