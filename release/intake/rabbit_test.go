package intake

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"assay/release"
	"assay/release/credentials"
	"assay/release/servertest"
)

// counted is a recorder that can be watched while others use it.
type counted struct {
	mu sync.Mutex
	*bench
}

func (c *counted) Bring(ctx context.Context, p *release.Policy, by release.Actor, decide func(*release.State) ([]release.Fact, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bench.Bring(ctx, p, by, decide)
}

func (c *counted) events() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.State.Head().Seq
}

// TestRabbitBringsBuilds through a real broker: nothing is missed, nothing
// counts twice, and what cannot be taken is kept with the reason.
func TestRabbitBringsBuilds(t *testing.T) {
	address := servertest.RabbitMQ(t)
	t.Setenv("ASSAY_TEST_BUS", "guest")
	b := newBench(t)
	b.usual(compose)
	c := &counted{bench: b}
	var mu sync.Mutex
	var told []string
	cfg := b.in.config
	cfg.URL, cfg.Secret = "amqp://guest@"+address+"/%2F", credentials.Secret{PasswordEnv: "ASSAY_TEST_BUS"}
	made := func() *Intake {
		t.Helper()
		in, err := New("pungi", cfg, Options{Policies: []*release.Policy{b.Policy}, Record: c, Tell: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf(format, args...))
			t.Logf(format, args...)
		}})
		if err != nil {
			t.Fatal(err)
		}
		in.later, in.patience = 300*time.Millisecond, 3
		return in
	}
	run := func(in *Intake) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { in.Run(ctx); close(over) }()
		return func() { cancel(); <-over }
	}
	conn, ch := servertest.RabbitClient(t, address)
	n := 0
	publish := func(m message) {
		t.Helper()
		n++
		err := ch.PublishWithContext(t.Context(), "amq.topic", cfg.TopicPrefix+"."+m.topic, false, false, amqp.Publishing{ContentType: "application/json", ContentEncoding: "utf-8",
			DeliveryMode: amqp.Persistent, MessageId: "0f9ee0b6-0000-4000-8000-00000000000" + string(rune('0'+n%10)), Body: m.body,
			Headers: amqp.Table{"fedora_messaging_schema": "base.message", "fedora_messaging_severity": int32(20), "sent-at": m.sent.Format("2006-01-02T15:04:05+00:00")}})
		if err != nil {
			t.Fatal(err)
		}
	}
	wait := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it never came that %s", what)
			}
		}
	}
	length := func(queue string) int {
		t.Helper()
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q.Messages
	}

	// The queue is there from the first run on, and keeps what comes meanwhile.
	in := made()
	stop := run(in)
	wait("the queue is there", func() bool {
		probe, err := conn.Channel()
		if err != nil {
			return false
		}
		defer probe.Close()
		q, err := probe.QueueDeclarePassive(cfg.Queue, true, false, false, false, nil)
		return err == nil && q.Consumers == 1
	})
	stop()
	publish(commitOf(compose, `"`+strings.Repeat("d", 64)+`"`))
	if c.events() != 1 {
		t.Fatal("nobody listens, and it was taken")
	}

	// A crash after it was recorded and before it was acknowledged.
	in = made()
	crashed := make(chan struct{})
	once := sync.Once{}
	in.before = func() { once.Do(func() { close(crashed); select {} }) }
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = in.listen(ctx) }()
	<-crashed
	cancel() // the connection ends without an acknowledgement
	if c.events() != 2 {
		t.Fatalf("%d events", c.events())
	}
	wait("the broker has it back", func() bool { return length(cfg.Queue) == 1 })
	in = made()
	stop = run(in)
	wait("it is acknowledged", func() bool { return length(cfg.Queue) == 0 })

	// Twice, then what makes no sense, then a compose whose metadata comes late.
	const late = "Fedora-Cloud-43-20261122.n.0"
	publish(status(compose, "FINISHED"))
	publish(status(compose, "FINISHED"))
	publish(message{topicStatus, sent, []byte(`{"compose_id": "x`)})
	publish(status(late, "FINISHED"))
	publish(message{"buildsys.tag", sent, []byte(`{}`)}) // which is not ours
	wait("the malformed one is kept", func() bool { return length(in.rejected()) == 1 })
	wait("the late one is put off", func() bool { return length(in.putOff()) == 1 })
	if got := c.events(); got != 3 {
		t.Errorf("%d events, want 3", got)
	}
	b.usual(late)
	wait("the late one is taken", func() bool { return c.events() == 4 })
	kept, ok, err := ch.Get(in.rejected(), false)
	if err != nil || !ok {
		t.Fatalf("%v", err)
	}
	if reason, _ := kept.Headers[headerReason].(string); !strings.Contains(reason, "cannot be read") || kept.Headers[headerTopic] != cfg.TopicPrefix+"."+topicStatus || kept.MessageId == "" || string(kept.Body) != `{"compose_id": "x` {
		t.Errorf("kept %v, %s, %s", kept.Headers, kept.MessageId, kept.Body)
	}
	_ = kept.Ack(false)

	// A queue that somebody removed is made anew, and no message is lost.
	if _, err := ch.QueueDelete(in.rejected(), false, false, false); err != nil {
		t.Fatal(err)
	}
	publish(message{topicStatus, sent, []byte(`{"compose_id": "y`)})
	wait("the malformed one is kept all the same", func() bool {
		probe, err := conn.Channel()
		if err != nil {
			return false
		}
		defer probe.Close()
		q, err := probe.QueueDeclarePassive(in.rejected(), true, false, false, false, nil)
		return err == nil && q.Messages == 1
	})
	if _, err := ch.QueuePurge(in.rejected(), false); err != nil {
		t.Fatal(err)
	}

	// What never mends is rejected in the end.
	publish(status("Fedora-Cloud-43-20261123.n.0", "FINISHED"))
	wait("it is given up", func() bool { return length(in.rejected()) == 1 })
	stop()
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"rejected a message", "put off a message", "tries", "assay-test.rejected is gone (NO_ROUTE)"} {
		if !strings.Contains(strings.Join(told, "\n"), want) {
			t.Errorf("nobody was told: %q in %q", want, told)
		}
	}
	if b1 := b.State.Line(stream).ByCompose(compose); b1.Contradiction != "" || len(b1.Artifacts) != 2 || len(b1.Commits) != 1 {
		t.Errorf("%+v", b1)
	}
}

// TestRabbitGivenQueue is a broker whose owner made the queue: what cannot be
// taken yet stands in nobody's way, and is rejected in the end.
func TestRabbitGivenQueue(t *testing.T) {
	address := servertest.RabbitMQ(t)
	t.Setenv("ASSAY_TEST_BUS", "guest")
	b := newBench(t)
	b.usual(compose)
	c := &counted{bench: b}
	cfg := b.in.config
	cfg.URL, cfg.Secret, cfg.Given = "amqp://guest@"+address+"/%2F", credentials.Secret{PasswordEnv: "ASSAY_TEST_BUS"}, true
	_, ch := servertest.RabbitClient(t, address)
	for name, args := range map[string]amqp.Table{cfg.Queue: {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}, "dead": nil} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
			t.Fatal(err)
		}
	}
	if err := ch.QueueBind(cfg.Queue, cfg.TopicPrefix+".#", "amq.topic", false, nil); err != nil {
		t.Fatal(err)
	}
	broken := make(chan string, 100)
	in, err := New("pungi", cfg, Options{Policies: []*release.Policy{b.Policy}, Record: c, Tell: func(format string, args ...any) {
		t.Logf(format, args...)
		if line := fmt.Sprintf(format, args...); strings.Contains(line, "cannot learn of builds") {
			broken <- line
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	in.later, in.patience = 300*time.Millisecond, 10
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { in.Run(ctx); close(over) }()
	defer func() { cancel(); <-over }()
	for _, m := range []message{status("Fedora-Cloud-43-20261123.n.0", "FINISHED"), status(compose, "FINISHED")} {
		if err := ch.PublishWithContext(t.Context(), "amq.topic", cfg.TopicPrefix+"."+m.topic, false, false, amqp.Publishing{Body: m.body, Timestamp: m.sent}); err != nil {
			t.Fatal(err)
		}
	}
	dead := func() int {
		t.Helper()
		q, err := ch.QueueDeclarePassive("dead", true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q.Messages
	}
	for end := time.Now().Add(time.Minute); dead() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what never mends is never given up")
		}
	}
	if got := c.events(); got != 2 {
		t.Errorf("%d events, want 2: a build waits behind what cannot be taken", got)
	}
	select {
	case line := <-broken:
		t.Error(line)
	default:
	}
}
