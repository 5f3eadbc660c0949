package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"assay/reports"
)

// How long Run waits after a connection that ended.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Run listens until ctx ends. A bus that is away is told of, and comes back.
func (in *Intake) Run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := in.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		in.o.Tell("cannot learn of builds from %s at %s, next try in %s: %v", in.name, in.config.Host(), pause, err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
		pause = min(2*pause, lastPause)
	}
}

// listen takes messages, one at a time, until the connection ends.
func (in *Intake) listen(ctx context.Context) error {
	conn, err := in.config.Dial(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.CloseDeadline(time.Now()) })
	defer stop()
	defer conn.Close()
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err == nil {
		err = ch.Qos(in.atOnce(), 0, false)
	}
	if err == nil && !in.config.Given {
		err = in.declare(ch)
	}
	if err != nil {
		return err
	}
	deliveries, err := ch.ConsumeWithContext(ctx, in.config.Queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	p := &passer{ch: ch, returned: ch.NotifyReturn(make(chan amqp.Return, 1))}
	in.held = nil // the broker has them back
	if err := in.consume(ctx, p, deliveries); err != nil {
		return err
	}
	select {
	case e := <-closed:
		if e != nil {
			return e
		}
	default:
	}
	return errors.New("the connection has ended")
}

// consume handles messages until there are no more, and gives those back that
// have waited long enough.
func (in *Intake) consume(ctx context.Context, p *passer, deliveries <-chan amqp.Delivery) error {
	for {
		var due <-chan time.Time
		if len(in.held) > 0 {
			due = time.After(time.Until(in.held[0].until))
		}
		select {
		case d, ok := <-deliveries:
			if !ok {
				return nil
			}
			if err := in.handle(ctx, p, d); err != nil {
				return err // and the message comes again
			}
		case <-due:
			if err := in.held[0].d.Nack(false, true); err != nil {
				return err
			}
			in.held = in.held[1:]
		}
	}
}

func (in *Intake) rejected() string { return in.config.Queue + ".rejected" }
func (in *Intake) putOff() string   { return in.config.Queue + ".later" }

// declare makes the queues, unless they are there.
func (in *Intake) declare(ch *amqp.Channel) error {
	if err := ch.ExchangeDeclarePassive(in.config.Exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return fmt.Errorf("exchange %s: %w", in.config.Exchange, err)
	}
	for name, args := range map[string]amqp.Table{
		// What is rejected by others than us goes the same way.
		in.config.Queue: {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": in.rejected()},
		in.rejected():   nil,
		in.putOff():     {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": in.config.Queue, "x-message-ttl": in.later.Milliseconds()},
	} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
			return fmt.Errorf("queue %s: %w", name, err)
		}
	}
	for _, t := range topics {
		if err := ch.QueueBind(in.config.Queue, in.config.TopicPrefix+"."+t, in.config.Exchange, false, nil); err != nil {
			return fmt.Errorf("queue %s: %w", in.config.Queue, err)
		}
	}
	return nil
}

// The headers that messages get which are not taken.
const (
	headerTopic  = "assay-topic"
	headerReason = "assay-reason"
	headerTries  = "assay-tries"
)

// ours reports whether a message comes back from a queue of ours, by the
// exchange that has no name: what others publish comes through theirs, and its
// headers choose neither topic nor patience.
func ours(d amqp.Delivery) bool { return d.Exchange == "" }

func topicOf(d amqp.Delivery) string {
	if t, ok := d.Headers[headerTopic].(string); ok && ours(d) {
		return t
	}
	return d.RoutingKey
}

// triesOf is how often a message was put off before.
func triesOf(d amqp.Delivery) int32 {
	if n, ok := d.Headers[headerTries].(int32); ok && ours(d) && n > 0 {
		return n
	}
	return 0
}

// handle takes one message and acknowledges it; an error leaves it to come
// again.
func (in *Intake) handle(ctx context.Context, p *passer, d amqp.Delivery) error {
	topic := topicOf(d)
	below, _ := strings.CutPrefix(topic, in.config.TopicPrefix+".")
	err := in.take(ctx, message{topic: below, sent: sentAt(d), body: d.Body})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	tell := func(what, when string) {
		in.o.Tell("%s a message from %s (%s, id %s)%s: %v", what, in.name, reports.Line(topic, 200), reports.Line(d.MessageId, 100), when, err)
	}
	if in.config.Given {
		return in.settleGiven(d, err, tell)
	}
	tries := triesOf(d) + 1
	switch {
	case err == nil:
		in.before()
		return d.Ack(false)
	case errors.Is(err, errRefused):
		tell("rejected", "")
		err = p.pass(ctx, d, in.rejected(), topic, err, 0)
	case int(tries) > in.patience:
		tell("rejected", fmt.Sprintf(" after %d tries", tries-1))
		err = p.pass(ctx, d, in.rejected(), topic, err, 0)
	default:
		tell("put off", fmt.Sprintf(", try %d", tries))
		err = p.pass(ctx, d, in.putOff(), topic, err, tries)
	}
	if err != nil {
		return err
	}
	in.before()
	return d.Ack(false)
}

// passer puts messages into our other queues.
type passer struct {
	ch       *amqp.Channel
	returned <-chan amqp.Return
}

// pass puts a copy of a message into a queue; without an error it is there.
func (p *passer) pass(ctx context.Context, d amqp.Delivery, queue, topic string, why error, tries int32) error {
	headers := amqp.Table{}
	for k, v := range d.Headers {
		if k != "x-death" {
			headers[k] = v
		}
	}
	headers[headerTopic], headers[headerReason] = topic, reports.Line(why.Error(), 1000)
	delete(headers, headerTries)
	if tries > 0 {
		headers[headerTries] = tries
	}
	done, err := p.ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{Headers: headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		DeliveryMode: amqp.Persistent, MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, AppId: d.AppId, Body: d.Body})
	if err != nil {
		return err
	}
	if ok, err := done.WaitContext(ctx); err != nil || !ok {
		return fmt.Errorf("queue %s did not take a message: %w", queue, errors.Join(err))
	}
	// A broker returns what has no queue, and confirms it then.
	select {
	case r, ok := <-p.returned:
		if ok {
			return fmt.Errorf("queue %s is gone (%s): it is made anew with the next connection", queue, reports.Line(r.ReplyText, 100))
		}
	default:
	}
	return nil
}

// sentAt is Fedora Messaging's header, or the property that AMQP has for it.
func sentAt(d amqp.Delivery) time.Time {
	if s, ok := d.Headers["sent-at"].(string); ok {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t.UTC()
		}
	}
	return d.Timestamp.UTC()
}
