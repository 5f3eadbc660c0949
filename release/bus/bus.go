// Package bus speaks to a message bus: AMQP 0-9-1, as RabbitMQ does.
//
// A connection ends with its context; passwords come from where credentials says
// and appear in no error.
package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"assay/release"
	"assay/release/credentials"
)

// Server is a message bus, as YAML has it.
type Server struct {
	// URL is amqps://[USER@]HOST[:PORT][/VHOST], without a password; amqp:// for a
	// server on this host alone. Without a user, the client's certificate is who
	// we are (SASL EXTERNAL). A vhost that begins with a slash is written
	// "/%2Fpubsub".
	URL                      string `yaml:"url"`
	credentials.Secret       `yaml:",inline"`
	credentials.Certificates `yaml:",inline"`
	// Exchange is a topic exchange that is there; "amq.topic" when empty.
	Exchange string `yaml:"exchange"`
}

// CheckURL refuses a URL that cannot be used. It reads no file.
func (s *Server) CheckURL() error {
	u, err := s.parsed()
	switch {
	case err != nil:
		return err
	case u.Scheme == "amqps", u.Scheme == "amqp" && credentials.IsLoopback(u.Hostname()):
		return nil
	case u.Scheme == "amqp":
		return errors.New("url: amqp is for a server on this host alone; use amqps")
	}
	return fmt.Errorf("url: scheme %.20q: want amqps", u.Scheme)
}

// Check fills in defaults and refuses what cannot be used. It opens no connection.
func (s *Server) Check() error {
	if err := s.CheckURL(); err != nil {
		return err
	}
	u, err := s.parsed()
	if err != nil {
		return err
	}
	if err := s.Secret.Check(); err != nil {
		return err
	}
	if (u.User.Username() != "") != s.Secret.IsSet() {
		return errors.New("a user in url goes with password_file or password_env")
	}
	if _, err := s.Certificates.Config(u.Hostname()); err != nil {
		return err
	}
	if u.User == nil && s.CertFile == "" {
		return errors.New("want a user in url, or cert_file and key_file")
	}
	if s.Exchange == "" {
		s.Exchange = "amq.topic"
	}
	if len(s.Exchange) > 127 {
		return fmt.Errorf("exchange %.100q is too long", s.Exchange)
	}
	return nil
}

// parsed is the URL, which is never shown whole: it might have a password in it.
func (s *Server) parsed() (*url.URL, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("url: want amqps://[USER@]HOST[:PORT][/VHOST]")
	}
	if _, ok := u.User.Password(); ok {
		return nil, errors.New("url: put the password into password_file or password_env, not here")
	}
	return u, nil
}

// Host is for messages: HOST[:PORT].
func (s *Server) Host() string {
	u, err := s.parsed()
	if err != nil {
		return ""
	}
	return u.Host
}

// Dial connects. The client library knows no context for most calls: let the
// connection end with ctx (context.AfterFunc).
func (s *Server) Dial(ctx context.Context) (*amqp.Connection, error) {
	u, err := s.parsed()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := s.Certificates.Config(u.Hostname())
	if err != nil {
		return nil, err
	}
	c := amqp.Config{TLSClientConfig: tlsConfig, Heartbeat: 10 * time.Second, Vhost: strings.TrimPrefix(u.Path, "/"), Locale: "en_US",
		Properties: amqp.Table{"product": "assay", "app": "assay"}}
	if c.Vhost == "" {
		c.Vhost = "/"
	}
	if user := u.User.Username(); user != "" {
		password, err := s.Secret.Read()
		if err != nil {
			return nil, err
		}
		c.SASL = []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}}
	} else {
		c.SASL = []amqp.Authentication{&amqp.ExternalAuth{}}
	}
	c.Dial = func(network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		// The library takes the deadline away after the handshake.
		limit, ok := ctx.Deadline()
		if !ok || time.Until(limit) > time.Minute {
			limit = time.Now().Add(time.Minute)
		}
		return conn, conn.SetDeadline(limit)
	}
	return amqp.DialConfig(u.Scheme+"://"+u.Host, c)
}

// Classified marks what no retry mends: refused logins and permissions, a missing
// exchange or vhost.
func Classified(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	var said *amqp.Error
	if errors.As(err, &said) && slices.Contains([]int{amqp.AccessRefused, amqp.NotFound, amqp.NotAllowed}, said.Code) {
		return fmt.Errorf("%w: %w", err, release.ErrPermanent)
	}
	return err
}
