package announce_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"assay/release"
	"assay/release/announce"
	"assay/release/bus"
	"assay/release/credentials"
	"assay/release/servertest"
)

func TestRabbitTakesAnnouncements(t *testing.T) {
	address := servertest.RabbitMQ(t)
	t.Setenv("ASSAY_TEST_BUS", "guest")
	c := announce.BusConfig{Server: bus.Server{URL: "amqp://guest@" + address + "/%2F", Secret: credentials.Secret{PasswordEnv: "ASSAY_TEST_BUS"}},
		TopicPrefix: "org.example.test", Messages: announce.Forms, Version: "43"}
	s := newStory(t)
	e := s.released()
	bus := func(c announce.BusConfig) *announce.Bus {
		t.Helper()
		b, err := announce.NewBus(c, s.options)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}

	_, ch := servertest.RabbitClient(t, address)
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err == nil {
		err = ch.QueueBind(q.Name, "org.example.test.#", "amq.topic", false, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume(q.Name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}

	r, err := bus(c).Do(ctx(t), e)
	if err != nil {
		t.Fatal(err)
	}
	e.Unsure = true
	again, err := bus(c).Do(ctx(t), e)
	if err != nil || again.Ref != r.Ref {
		t.Fatalf("the second time: %+v, %v; the first: %+v", again, err, r)
	}
	topics := []string{"assay.release.complete", "releng.atomic.twoweek.complete", "coreos.stream.release", "coreos.stream.metadata.update"}
	ids := map[string]string{}
	for i := range 2 * len(topics) {
		var d amqp.Delivery
		select {
		case d = <-deliveries:
		case <-ctx(t).Done():
			t.Fatalf("message %d did not come", i)
		}
		topic := topics[i%len(topics)]
		if d.RoutingKey != "org.example.test."+topic || d.DeliveryMode != amqp.Persistent || d.ContentEncoding != "utf-8" || !json.Valid(d.Body) {
			t.Errorf("message %d: %+v", i, d)
		}
		if d.Headers["fedora_messaging_schema"] != "base.message" || d.Headers["fedora_messaging_severity"] != int32(20) || d.Headers["sent-at"] != "2026-11-17T12:00:00+00:00" {
			t.Errorf("headers %v", d.Headers)
		}
		if old, ok := ids[topic]; ok && old != d.MessageId {
			t.Errorf("%s has message id %s and then %s", topic, old, d.MessageId)
		}
		ids[topic] = d.MessageId
	}
	if ids[topics[0]] != r.Ref || len(slices.Compact(slices.Sorted(mapValues(ids)))) != len(topics) {
		t.Errorf("receipt %s, message ids %v", r.Ref, ids)
	}

	for want, change := range map[string]func(*announce.BusConfig){
		"username or password": func(*announce.BusConfig) { t.Setenv("ASSAY_TEST_BUS", "hunter2") },
		"no exchange":          func(c *announce.BusConfig) { c.Exchange = "nowhere" },
		"vhost":                func(c *announce.BusConfig) { c.URL = "amqp://guest@" + address + "/elsewhere" },
	} {
		t.Setenv("ASSAY_TEST_BUS", "guest")
		c := c
		change(&c)
		_, err := bus(c).Do(ctx(t), e)
		if !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("want a permanent error with %q, got %v", want, err)
		}
	}
}

func mapValues(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestBusThatIsDownWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ASSAY_TEST_BUS", "hunter2")
	s := newStory(t)
	b, err := announce.NewBus(announce.BusConfig{Server: bus.Server{URL: "amqp://guest@" + l.Addr().String(), Secret: credentials.Secret{PasswordEnv: "ASSAY_TEST_BUS"}}, TopicPrefix: "org.example.test"}, s.options)
	if err != nil {
		t.Fatal(err)
	}
	e := s.released()
	// It takes the connection and says nothing.
	limited, stop := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer stop()
	_, err = b.Do(limited, e)
	if err == nil || errors.Is(err, release.ErrPermanent) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("silent: %v", err)
	}
	l.Close()
	_, err = b.Do(ctx(t), e)
	if err == nil || errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("down: %v", err)
	}
}
