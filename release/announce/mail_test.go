package announce_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"assay/release"
	"assay/release/announce"
)

// post is a mail server that keeps what it gets.
type post struct {
	mu       sync.Mutex
	mails    []letter
	password string
	refuse   map[string]*smtp.SMTPError // by recipient
	silent   chan struct{}              // when set, mail is taken and nothing said; closed when it is there
	ended    chan struct{}
}

type letter struct {
	from string
	to   []string
	text string
}

type session struct {
	*post
	letter
	user string
}

func (p *post) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{post: p}, nil }
func (s *session) AuthMechanisms() []string                 { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "assay" || password != s.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "authentication failed"}
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.password != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.refuse[to]; err != nil {
		return err
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.text = string(b)
	s.mu.Lock()
	s.mails = append(s.mails, s.letter)
	s.mu.Unlock()
	if s.silent != nil {
		close(s.silent)
		<-s.ended
	}
	return nil
}

func (s *session) Reset()        { s.letter = letter{} }
func (s *session) Logout() error { return nil }

func (p *post) got() []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mails
}

// certificate is one for 127.0.0.1, and the file to trust it by.
func certificate(t *testing.T) (tls.Certificate, string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// serve runs the server; mode is as in MailConfig.TLS.
func (p *post) serve(t *testing.T, mode string) (c announce.MailConfig) {
	t.Helper()
	p.ended = make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(p)
	s.Domain = "mail.example.org"
	s.AllowInsecureAuth = mode == "none"
	s.ErrorLog = quiet{}
	c = announce.MailConfig{Server: l.Addr().String(), TLS: mode, From: "Releases <releases@example.org>", To: []string{"Lists <devel@example.org>", "users@example.org"}}
	if mode != "none" {
		cert, ca := certificate(t)
		c.CAFile = ca
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		if mode == "tls" {
			l = tls.NewListener(l, s.TLSConfig)
		}
	}
	over := make(chan error, 1)
	go func() { over <- s.Serve(l) }()
	t.Cleanup(func() { close(p.ended); _ = s.Close(); <-over })
	return c
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func mailer(t *testing.T, c announce.MailConfig, o announce.Options) *announce.Mailer {
	t.Helper()
	m, err := announce.NewMailer(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMailArrives(t *testing.T) {
	for _, mode := range []string{"starttls", "tls", "none"} {
		t.Run(mode, func(t *testing.T) {
			s, p := newStory(t), &post{password: "hunter2"}
			c := p.serve(t, mode)
			c.User, c.PasswordFile = "assay", filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(c.PasswordFile, []byte("hunter2\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			m := mailer(t, c, s.options)
			e := s.released()
			r, err := m.Do(ctx(t), e)
			if err != nil {
				t.Fatal(err)
			}
			e.Unsure, e.Attempt = true, 2
			again, err := m.Do(ctx(t), e)
			if err != nil {
				t.Fatal(err)
			}
			got := p.got()
			if len(got) != 2 || got[0].text != got[1].text || r.Ref != again.Ref {
				t.Fatalf("%d mails; the second of one effect has to be the first again: %+v, %+v", len(got), r, again)
			}
			if got[0].from != "releases@example.org" || strings.Join(got[0].to, " ") != "devel@example.org users@example.org" {
				t.Errorf("envelope %+v", got[0])
			}
			if mode == "starttls" {
				golden(t, "released.eml", []byte(strings.ReplaceAll(got[0].text, "\r\n", "\n")))
			}
			read, err := mail.ReadMessage(strings.NewReader(got[0].text))
			if err != nil {
				t.Fatal(err)
			}
			if read.Header.Get("Message-ID") != r.Ref {
				t.Errorf("Message-ID %s, receipt %s", read.Header.Get("Message-ID"), r.Ref)
			}
			if _, err := read.Header.Date(); err != nil {
				t.Error(err)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"docker 28.0.1-1.fc43 -> 28.0.4-1.fc43", "toolbox", "https://download.example.org/releases/fedora-43/20261117_01/", "https://docs.example.org/start"} {
				if !strings.Contains(string(body), want) {
					t.Errorf("the mail lacks %q:\n%s", want, body)
				}
			}
		})
	}
}

func TestMailOfARevocation(t *testing.T) {
	s, p := newStory(t), &post{}
	m := mailer(t, p.serve(t, "none"), s.options)
	first, err := m.Do(ctx(t), s.released())
	if err != nil {
		t.Fatal(err)
	}
	s2 := newStory(t)
	r, err := m.Do(ctx(t), s2.revoked())
	if err != nil {
		t.Fatal(err)
	}
	if r.Ref == first.Ref {
		t.Error("the revocation has the Message-ID of the release")
	}
	golden(t, "revoked.eml", []byte(strings.ReplaceAll(p.got()[1].text, "\r\n", "\n")))
}

// TestMailOfAnOlderRevocation: what is out stays, and is what to use.
func TestMailOfAnOlderRevocation(t *testing.T) {
	p := &post{}
	s := newStory(t)
	m := mailer(t, p.serve(t, "none"), s.options)
	e := s.olderRevoked()
	if _, err := m.Do(ctx(t), e); err != nil {
		t.Fatal(err)
	}
	golden(t, "revoked-older.eml", []byte(strings.ReplaceAll(p.got()[0].text, "\r\n", "\n")))
}

func TestMailServersThatFail(t *testing.T) {
	s := newStory(t)
	e := s.released()
	check := func(t *testing.T, c announce.MailConfig, permanent bool, want string) {
		t.Helper()
		_, err := mailer(t, c, s.options).Do(ctx(t), e)
		if err == nil || errors.Is(err, release.ErrPermanent) != permanent || !strings.Contains(err.Error(), want) {
			t.Errorf("permanent %t with %q, got %v", permanent, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter") {
			t.Errorf("the password is in %v", err)
		}
	}
	t.Run("down", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := announce.MailConfig{Server: l.Addr().String(), TLS: "none", From: "a@example.org", To: []string{"b@example.org"}}
		l.Close()
		check(t, c, false, "refused")
	})
	t.Run("recipient", func(t *testing.T) {
		p := &post{refuse: map[string]*smtp.SMTPError{"users@example.org": {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}}}
		check(t, p.serve(t, "none"), true, "users@example.org")
		if len(p.got()) != 0 {
			t.Error("the others got the mail; they would get it again with each attempt")
		}
	})
	t.Run("busy", func(t *testing.T) {
		p := &post{refuse: map[string]*smtp.SMTPError{"users@example.org": {Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted"}}}
		check(t, p.serve(t, "none"), false, "greylisted")
	})
	t.Run("password", func(t *testing.T) {
		p := &post{password: "other"}
		c := p.serve(t, "tls")
		t.Setenv("ASSAY_TEST_PASSWORD", "hunter2")
		c.User, c.PasswordEnv = "assay", "ASSAY_TEST_PASSWORD"
		check(t, c, true, "cannot log in as assay")
	})
	t.Run("no password", func(t *testing.T) {
		p := &post{password: "other"}
		c := p.serve(t, "tls")
		c.User, c.PasswordEnv = "assay", "ASSAY_TEST_NO_SUCH"
		check(t, c, true, "there is no password")
	})
	t.Run("certificate", func(t *testing.T) {
		p := &post{}
		c := p.serve(t, "starttls")
		_, c.CAFile = certificate(t)
		check(t, c, false, "certificate")
	})
	t.Run("without TLS", func(t *testing.T) {
		p := &post{}
		c := p.serve(t, "none")
		c.TLS = "starttls"
		check(t, c, false, "TLS")
		if len(p.got()) != 0 {
			t.Error("the mail went out in the clear")
		}
	})
	t.Run("silent", func(t *testing.T) {
		p := &post{silent: make(chan struct{})}
		m := mailer(t, p.serve(t, "none"), s.options)
		c, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { _, err := m.Do(c, e); done <- err }()
		<-p.silent
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, release.ErrPermanent) {
			t.Errorf("%v", err)
		}
	})
}

func TestHostileTextsStayText(t *testing.T) {
	s, p := newStory(t), &post{}
	s.Policy.Title = "Evil\r\nBcc: victim@example.org\r\n\r\nbody \x1b[31mé" + strings.Repeat("x", 4000)
	s.Policy.Docs = []release.Link{{Title: "click", URL: "javascript:alert(1)"}}
	e := s.released()
	e.Announce.Known = append(e.Announce.Known, release.Failure{Artifact: "qcow2/x86_64", Case: release.Case{Check: "a/b", Message: "\r\n.\r\nQUIT\r\n\u202egnp.exe"}})
	if _, err := mailer(t, p.serve(t, "none"), s.options).Do(ctx(t), e); err != nil {
		t.Fatal(err)
	}
	if len(p.got()) != 1 {
		t.Fatalf("%d mails", len(p.got()))
	}
	raw := p.got()[0].text
	read, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if read.Header.Get("Bcc") != "" || strings.Contains(raw, "javascript:") || strings.ContainsAny(raw, "\x1b\u202e") {
		t.Errorf("it got through:\n%s", raw)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "Evil Bcc: victim@example.org") || len(subject) > 300 {
		t.Errorf("subject %q, %v", subject, err)
	}
	for l := range strings.Lines(raw) {
		if len(l) > 998 {
			t.Errorf("a line has %d bytes", len(l))
		}
	}
}
