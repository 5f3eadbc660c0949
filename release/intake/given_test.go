package intake

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// fate is what a broker hears of messages.
type fate struct{ heard []string }

func (f *fate) say(what string, tag uint64) error {
	f.heard = append(f.heard, fmt.Sprintf("%s %d", what, tag))
	return nil
}
func (f *fate) Ack(tag uint64, _ bool) error { return f.say("ack", tag) }
func (f *fate) Nack(tag uint64, _, requeue bool) error {
	return f.say(map[bool]string{true: "again", false: "reject"}[requeue], tag)
}
func (f *fate) Reject(tag uint64, _ bool) error { return errors.New("nobody says this") }

// TestGivenQueueHasPatience: a message that cannot be taken is held, goes back,
// and is rejected when it has failed for long enough, whatever its id.
func TestGivenQueueHasPatience(t *testing.T) {
	b := newBench(t)
	b.in.config.Given, b.in.later, b.in.patience = true, time.Minute, 60
	f := &fate{}
	m := status(compose, "FINISHED")
	deliver := func(tag uint64, body []byte) {
		t.Helper()
		d := amqp.Delivery{Acknowledger: f, DeliveryTag: tag, Exchange: "amq.topic", RoutingKey: b.in.config.TopicPrefix + "." + m.topic, MessageId: "x", Timestamp: m.sent, Body: body}
		if err := b.in.handle(t.Context(), nil, d); err != nil {
			t.Fatal(err)
		}
	}
	deliver(1, m.body)
	if len(f.heard) != 0 || len(b.in.held) != 1 || len(b.in.failing) != 1 {
		t.Errorf("%v, %d held", f.heard, len(b.in.held))
	}
	for id := range b.in.failing {
		b.in.failing[id] = time.Now().Add(-61 * time.Minute)
	}
	deliver(2, status("Fedora-Cloud-43-20261122.n.0", "FINISHED").body) // of the same id
	deliver(3, m.body)
	deliver(4, []byte("{"))
	b.usual("Fedora-Cloud-43-20261122.n.0")
	deliver(5, status("Fedora-Cloud-43-20261122.n.0", "FINISHED").body)
	if want := []string{"reject 3", "reject 4", "ack 5"}; !slices.Equal(f.heard, want) || len(b.in.failing) != 0 {
		t.Errorf("%v, want %v; %d remembered", f.heard, want, len(b.in.failing))
	}
	now := time.Now()
	for i := range 2 * maxFailing {
		b.in.remember(fingerprint{byte(i), byte(i >> 8)}, now)
	}
	if n := len(b.in.failing); n != maxFailing {
		t.Errorf("%d remembered", n)
	}
	b.in.remember(fingerprint{1}, now.Add(3*time.Hour))
	if n := len(b.in.failing); n != 1 {
		t.Errorf("%d remembered of what was never heard of again", n)
	}
}

// TestHeadersOfOthers choose neither topic nor patience: only what our own queue
// brings back may.
func TestHeadersOfOthers(t *testing.T) {
	b := newBench(t)
	b.usual(compose)
	f := &fate{}
	m := status(compose, "FINISHED")
	d := amqp.Delivery{Acknowledger: f, Exchange: "amq.topic", RoutingKey: b.in.config.TopicPrefix + ".buildsys.tag", Timestamp: m.sent, Body: m.body,
		Headers: amqp.Table{headerTopic: b.in.config.TopicPrefix + "." + m.topic, headerTries: int32(1 << 20)}}
	if err := b.in.handle(t.Context(), nil, d); err != nil {
		t.Fatal(err)
	}
	if n := b.State.Head().Seq; n != 1 || triesOf(d) != 0 {
		t.Errorf("a header chose the topic: %d events, %d tries", n, triesOf(d))
	}
	d.Exchange = ""
	if err := b.in.handle(t.Context(), nil, d); err != nil {
		t.Fatal(err)
	}
	if n := b.State.Head().Seq; n != 2 || triesOf(d) != 1<<20 {
		t.Errorf("what was put off has lost its topic: %d events, %d tries", n, triesOf(d))
	}
}
