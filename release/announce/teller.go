package announce

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/mail"
	"time"

	"assay/release"
)

// Contact is who answers for the results of tests.
type Contact struct {
	// Name is what the tests are called, "Assay" when empty; Team who runs them, the
	// title of the stream when empty.
	Name string `yaml:"name" json:"name"`
	Team string `yaml:"team" json:"team"`
	// URL is where they are; the stream's page when empty. Docs says how to read
	// them; the URL when empty.
	URL  string `yaml:"url" json:"url"`
	Docs string `yaml:"docs" json:"docs"`
	IRC  string `yaml:"irc" json:"irc,omitempty"`
	// Email is required: the messages of others have it.
	Email string `yaml:"email" json:"email"`
}

// Teller tells a message bus of tests: that one was asked for, and what it found.
// It is a release.Teller, safe for concurrent use.
type Teller struct {
	config  BusConfig
	options Options
}

var _ release.Teller = (*Teller)(nil)

// NewTeller checks a configuration. It opens no connection.
func NewTeller(c BusConfig, o Options) (*Teller, error) {
	b := &Bus{config: c, options: o}
	err := b.check()
	if err == nil {
		err = b.config.Contact.complete(o)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot tell the bus of test results: %w", err)
	}
	return &Teller{b.config, o}, nil
}

// complete fills in what is left out.
func (c *Contact) complete(o Options) error {
	if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email {
		return fmt.Errorf("contact.email %.100q: want an address, as qa@example.org: messages of test results have one", c.Email)
	}
	c.Name = text(cmp.Or(c.Name, "Assay"))
	c.Team = text(cmp.Or(c.Team, o.Policy.Title, string(o.Policy.Stream)))
	c.URL = cmp.Or(c.URL, o.Page+"/index.html")
	c.Docs = cmp.Or(c.Docs, c.URL)
	for what, s := range map[string]string{"url": c.URL, "docs": c.Docs} {
		if link(s) == "" {
			return fmt.Errorf("contact.%s %.100q: want https://HOST/PATH", what, s)
		}
	}
	return nil
}

// Do publishes the message and returns when the broker has confirmed it. Published
// again it has the same id, so that a repeat is known for one.
func (t *Teller) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	l, err := t.letter(e)
	var ref string
	if err == nil {
		ref, err = t.config.publish(ctx, l)
	}
	if err != nil {
		return release.Receipt{}, fmt.Errorf("cannot tell the bus at %s of %s: %w", t.config.Host(), e.Key, err)
	}
	return release.Receipt{Ref: ref}, nil
}

func (t *Teller) letter(e release.Effect) (letter, error) {
	w := e.Result
	var err error
	switch {
	case w == nil || w.Of == nil:
		err = errors.New("the effect is of no test")
	case e.Stream != t.options.Policy.Stream:
		err = fmt.Errorf("the effect is of stream %s, this teller of %s", e.Stream, t.options.Policy.Stream)
	}
	if err != nil {
		return letter{}, fmt.Errorf("%w: %w", err, release.ErrPermanent)
	}
	return letter{
		identity: sha256.Sum256(fmt.Appendf(nil, "%q %q %q", e.Stream, e.Key, w.At.UTC().Format(time.RFC3339Nano))),
		at:       w.At, messages: []outgoing{t.message(w)},
	}, nil
}
