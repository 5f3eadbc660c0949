package announce

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"assay/release"
	"assay/release/credentials"
	"assay/reports"
)

// MailConfig is one mail channel.
type MailConfig struct {
	// Server is HOST:PORT: usually port 587 with starttls, 465 with tls.
	Server string `yaml:"server"`
	// TLS is "starttls" (when empty), "tls", or "none" for a server on this host.
	TLS                      string `yaml:"tls"`
	credentials.Certificates `yaml:",inline"`
	// User logs in; empty does not.
	User               string `yaml:"user"`
	credentials.Secret `yaml:",inline"`
	// From, To and ReplyTo are addresses, with or without a name.
	From    string   `yaml:"from"`
	To      []string `yaml:"to"`
	ReplyTo string   `yaml:"reply_to"`
	// Hello is what this host calls itself; "localhost" when empty.
	Hello string `yaml:"hello"`
}

// Mailer announces by mail. It is a release.Announcer, safe for concurrent use.
type Mailer struct {
	config  MailConfig
	options Options
	from    *mail.Address
	to      []*mail.Address
	replyTo *mail.Address
	host    string
}

var _ release.Announcer = (*Mailer)(nil)

// NewMailer checks a configuration. It opens no connection.
func NewMailer(c MailConfig, o Options) (*Mailer, error) {
	m := &Mailer{config: c, options: o}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("cannot announce by mail: %w", err)
	}
	return m, nil
}

func (m *Mailer) check() (err error) {
	c := &m.config
	if err := m.options.check(); err != nil {
		return err
	}
	if m.host, _, err = net.SplitHostPort(c.Server); err != nil || m.host == "" {
		return fmt.Errorf("server %.100q: want HOST:PORT", c.Server)
	}
	switch c.TLS {
	case "":
		c.TLS = "starttls"
	case "starttls", "tls":
	case "none":
		if !credentials.IsLoopback(m.host) {
			return errors.New("tls: none is for a server on this host alone; everyone on the way could read and change the mail")
		}
	default:
		return fmt.Errorf("tls %.20q: want starttls, tls or none", c.TLS)
	}
	if _, err := c.Certificates.Config(m.host); err != nil {
		return err
	}
	if err := c.Secret.Check(); err != nil {
		return err
	}
	if (c.User != "") != c.Secret.IsSet() {
		return errors.New("user goes with password_file or password_env")
	}
	if m.from, err = address(c.From); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if len(c.To) == 0 || len(c.To) > 100 {
		return fmt.Errorf("to: want 1 to 100 addresses, not %d", len(c.To))
	}
	for _, s := range c.To {
		a, err := address(s)
		if err != nil {
			return fmt.Errorf("to: %w", err)
		}
		m.to = append(m.to, a)
	}
	if c.ReplyTo != "" {
		if m.replyTo, err = address(c.ReplyTo); err != nil {
			return fmt.Errorf("reply_to: %w", err)
		}
	}
	if strings.ContainsAny(c.Hello, " \r\n") {
		return fmt.Errorf("hello %.100q: want the name of a host", c.Hello)
	}
	return nil
}

func address(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(s)
	if err != nil {
		return nil, fmt.Errorf("%.100q is no address: %w", s, err)
	}
	if strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%.100q: want an address in ASCII", s)
	}
	return a, nil
}

// Do sends the announcement to all recipients, or to none: one that the server
// refuses stops the mail for all, and the error names it.
func (m *Mailer) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	a, err := newAnnouncement(ctx, m.options, e)
	if err != nil {
		return release.Receipt{}, fmt.Errorf("cannot announce %s by mail: %w", e.Key, err)
	}
	id := m.messageID(a)
	if err := m.send(ctx, m.message(a)); err != nil {
		return release.Receipt{}, fmt.Errorf("cannot announce %s by mail through %s: %w", e.Key, m.config.Server, err)
	}
	return release.Receipt{Ref: id}, nil
}

func (m *Mailer) messageID(a *announcement) string {
	_, domain, _ := strings.Cut(m.from.Address, "@")
	return fmt.Sprintf("<assay.%x@%s>", a.identity[:16], domain)
}

// message is the mail (RFC 5322, lines ending in CRLF). It reads no clock: the
// same effect makes the same bytes.
func (m *Mailer) message(a *announcement) []byte {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	var to []string
	for _, r := range m.to {
		to = append(to, r.String())
	}
	header("From", m.from.String())
	header("To", strings.Join(to, ",\r\n "))
	if m.replyTo != nil {
		header("Reply-To", m.replyTo.String())
	}
	header("Subject", folded(mime.QEncoding.Encode("utf-8", reports.Line(a.subject(), 200))))
	header("Date", a.at.UTC().Format(time.RFC1123Z))
	header("Message-ID", m.messageID(a))
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	header("Auto-Submitted", "auto-generated") // RFC 3834: nobody's vacation answers
	header("X-Assay-Stream", string(a.Policy.Stream))
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = q.Write([]byte(strings.ReplaceAll(a.body(), "\n", "\r\n"))) // a buffer takes everything
	_ = q.Close()
	return b.Bytes()
}

// folded breaks a long header between its words; encoded words join again.
func folded(s string) string { return strings.ReplaceAll(s, "?= =?", "?=\r\n =?") }

func (m *Mailer) send(ctx context.Context, message []byte) error {
	tlsConfig, err := m.config.Certificates.Config(m.host)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.config.Server)
	if err != nil {
		return err
	}
	// The client knows no context: its connection ends with it.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	err = m.talk(conn, tlsConfig, message)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	var said *smtp.SMTPError
	if errors.As(err, &said) {
		words := fmt.Sprintf("%s (SMTP %d)", text(err.Error()), said.Code) // the server's words, cleaned
		if said.Code >= 500 {
			return fmt.Errorf("%s: %w", words, release.ErrPermanent)
		}
		return errors.New(words)
	}
	return err
}

// talk is one SMTP session (RFC 5321).
func (m *Mailer) talk(conn net.Conn, tlsConfig *tls.Config, message []byte) (err error) {
	var c *smtp.Client
	switch m.config.TLS {
	case "tls":
		c = smtp.NewClient(tls.Client(conn, tlsConfig))
	case "none":
		c = smtp.NewClient(conn)
	default:
		if c, err = smtp.NewClientStartTLS(conn, tlsConfig); err != nil {
			return fmt.Errorf("cannot begin TLS: %w", err)
		}
	}
	defer c.Close()
	if err := c.Hello(cmp.Or(m.config.Hello, "localhost")); err != nil {
		return err
	}
	if m.config.User != "" {
		if err := m.login(c); err != nil {
			return fmt.Errorf("cannot log in as %s: %w", m.config.User, err)
		}
	}
	if err := c.Mail(m.from.Address, nil); err != nil {
		return err
	}
	for _, to := range m.to {
		if err := c.Rcpt(to.Address, nil); err != nil {
			return fmt.Errorf("recipient %s: %w", to.Address, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the server has the mail, whatever becomes of the goodbye
	return nil
}

func (m *Mailer) login(c *smtp.Client) error {
	password, err := m.config.Secret.Read()
	if err != nil {
		return err
	}
	switch {
	case c.SupportsAuth(sasl.Plain):
		return c.Auth(sasl.NewPlainClient("", m.config.User, password))
	case c.SupportsAuth(sasl.Login):
		return c.Auth(sasl.NewLoginClient(m.config.User, password))
	}
	return fmt.Errorf("the server offers neither PLAIN nor LOGIN: %w", release.ErrPermanent)
}
