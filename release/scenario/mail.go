package scenario

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// Mail is one mail as its reader gets it.
type Mail struct{ ID, Subject, Text string }

// post is a mail server on the loopback that keeps what it gets.
type post struct {
	address string
	// before is called when a mail is there, before the server says so.
	before func()

	mu    sync.Mutex
	mails []Mail
	raw   map[string][]byte
	// again counts mails that came more than once, which their readers' servers
	// know by the Message-ID.
	again  int
	errors []string
}

func newPost(t testing.TB) *post {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &post{address: l.Addr().String(), raw: map[string][]byte{}, before: func() {}}
	s := smtp.NewServer(p)
	s.Domain = "mail.example"
	s.ErrorLog = silent{}
	over := make(chan error, 1)
	go func() { over <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-over })
	return p
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// NewSession implements smtp.Backend.
func (p *post) NewSession(*smtp.Conn) (smtp.Session, error) { return letters{p}, nil }

type letters struct{ *post }

func (letters) Mail(string, *smtp.MailOptions) error { return nil }
func (letters) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (letters) Reset()                               {}
func (letters) Logout() error                        { return nil }

func (l letters) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err // the sender was killed while it sent
	}
	err = l.keep(raw)
	l.before()
	return err
}

func (p *post) keep(raw []byte) error {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := m.Header.Get("Message-ID")
	if was, ok := p.raw[id]; ok {
		p.again++
		if !bytes.Equal(was, raw) {
			p.errors = append(p.errors, fmt.Sprintf("mail %s came twice, with other words", id))
		}
		return nil
	}
	p.raw[id] = raw
	p.mails = append(p.mails, Mail{id, subject, strings.ReplaceAll(string(text), "\r\n", "\n")})
	return nil
}

// got are the mails from the nth on, and what was wrong with any.
func (p *post) got(n int) ([]Mail, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Mail(nil), p.mails[n:]...), p.errors
}
