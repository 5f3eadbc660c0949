package announce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"assay/release"
	"assay/release/bus"
)

// BusConfig is one channel on a message bus (AMQP 0-9-1, as RabbitMQ speaks it),
// in the form of Fedora Messaging.
type BusConfig struct {
	bus.Server `yaml:",inline"`
	// TopicPrefix is put before topics: "org.fedoraproject.prod".
	TopicPrefix string `yaml:"topic_prefix"`
	// Messages are the forms to send; Assay alone when empty.
	Messages []Form `yaml:"messages"`
	// Version is what the TwoWeek form calls the release: "43".
	Version string `yaml:"version"`
	// Contact is who answers for test results; see Teller.
	Contact Contact `yaml:"contact"`
}

// Bus announces on a message bus. It is a release.Announcer, safe for
// concurrent use.
type Bus struct {
	config  BusConfig
	options Options
}

var _ release.Announcer = (*Bus)(nil)

// NewBus checks a configuration. It opens no connection.
func NewBus(c BusConfig, o Options) (*Bus, error) {
	b := &Bus{config: c, options: o}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("cannot announce on the bus: %w", err)
	}
	return b, nil
}

var topicPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,10}$`)

func (b *Bus) check() error {
	c := &b.config
	if err := b.options.check(); err != nil {
		return err
	}
	if err := c.Server.Check(); err != nil {
		return err
	}
	if !topicPrefix.MatchString(c.TopicPrefix) || len(c.TopicPrefix) > 150 {
		return fmt.Errorf("topic_prefix %.100q: want words and dots, as org.fedoraproject.prod", c.TopicPrefix)
	}
	if len(c.Messages) == 0 {
		c.Messages = []Form{Assay}
	}
	for _, f := range c.Messages {
		if !slices.Contains(Forms, f) {
			return fmt.Errorf("messages: %.40q is none of %v", f, Forms)
		}
	}
	if slices.Contains(c.Messages, TwoWeek) && c.Version == "" {
		return errors.New("version is missing: the twoweek message names the release, as \"43\"")
	}
	return nil
}

// Do publishes the messages, and returns when the broker has confirmed each. One
// that nobody listens for is done, too: that is what a bus is.
func (b *Bus) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	a, err := newAnnouncement(ctx, b.options, e)
	var ref string
	if err == nil {
		ref, err = b.config.publish(ctx, letter{a.identity, a.at, a.messages(b.config.Messages, b.config.Version)})
	}
	if err != nil {
		return release.Receipt{}, fmt.Errorf("cannot announce %s on the bus at %s: %w", e.Key, b.config.Host(), err)
	}
	return release.Receipt{Ref: ref}, nil
}

// letter is what one effect sends: messages with the identity that is the same
// whenever it is asked for, and the moment that they are about.
type letter struct {
	identity [32]byte
	at       time.Time
	messages []outgoing
}

// publish returns when the broker has confirmed each message, with the id of the
// first.
func (c *BusConfig) publish(ctx context.Context, l letter) (string, error) {
	conn, err := c.Dial(ctx)
	if err != nil {
		return "", bus.Classified(ctx, err)
	}
	// The client knows no context for most calls: its connection ends with it.
	stop := context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) })
	defer stop()
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return "", bus.Classified(ctx, err)
	}
	if err := ch.ExchangeDeclarePassive(c.Exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return "", bus.Classified(ctx, fmt.Errorf("exchange %s: %w", c.Exchange, err))
	}
	if err := ch.Confirm(false); err != nil {
		return "", bus.Classified(ctx, err)
	}
	ref := ""
	for _, m := range l.messages {
		id, err := c.send(ctx, ch, l, m)
		if err != nil {
			return "", bus.Classified(ctx, fmt.Errorf("%s: %w", m.topic, err))
		}
		if ref == "" {
			ref = id
		}
	}
	return ref, nil
}

// send publishes one message in the form of Fedora Messaging (its wire format
// page: headers, content encoding, persistent delivery).
func (c *BusConfig) send(ctx context.Context, ch *amqp.Channel, l letter, m outgoing) (string, error) {
	body, err := json.Marshal(m.body)
	if err != nil {
		return "", err
	}
	id := uuid.NewSHA1(uuid.NameSpaceURL, append([]byte(m.topic+" "), l.identity[:]...)).String()
	done, err := ch.PublishWithDeferredConfirmWithContext(ctx, c.Exchange, c.TopicPrefix+"."+m.topic, false, false, amqp.Publishing{
		ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp.Persistent, MessageId: id,
		Headers: amqp.Table{"fedora_messaging_schema": "base.message", "fedora_messaging_severity": int32(20), "sent-at": l.at.UTC().Format("2006-01-02T15:04:05+00:00")},
		Body:    body,
	})
	if err != nil {
		return "", err
	}
	ok, err := done.WaitContext(ctx)
	if err == nil && !ok {
		err = errors.New("the broker did not take the message")
	}
	return id, err
}
