package announce_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"assay/release"
	"assay/release/announce"
	"assay/release/bus"
	"assay/release/credentials"
	"assay/release/engine"
	"assay/release/intake"
	"assay/release/releasetest"
	"assay/release/servertest"
)

// TestRabbitIsToldOfTests by the engine through a real broker: queued, then
// complete, each once, also when the stage is started again; and our own intake,
// whose queue is bound to everything, makes no build of them.
func TestRabbitIsToldOfTests(t *testing.T) {
	address := servertest.RabbitMQ(t)
	t.Setenv("ASSAY_TEST_BUS", "guest")
	server := bus.Server{URL: "amqp://guest@" + address + "/%2F", Secret: credentials.Secret{PasswordEnv: "ASSAY_TEST_BUS"}}
	s := newStory(t)
	s.told()
	w, err := announce.NewTeller(announce.BusConfig{Server: server, TopicPrefix: "org.example.test", Contact: announce.Contact{Email: "qa@example.org"}}, s.options)
	if err != nil {
		t.Fatal(err)
	}
	_, ch := servertest.RabbitClient(t, address)
	for _, name := range []string{"listener", "given"} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind(name, "org.example.test.#", "amq.topic", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	deliveries, err := ch.Consume("listener", "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ids := map[string]bool{}
	step := func(topics ...string) {
		t.Helper()
		others := &releasetest.Adapter{}
		for range 2 { // a start again changes nothing
			e, err := engine.New(limited, engine.Config{Log: s.Log, Policies: []*release.Policy{s.Policy}, Now: func() time.Time { return s.Now }, Alone: true, Tell: t.Logf,
				Adapters: map[engine.Target]release.Performer{{Kind: release.EffectResult, Name: "bus"}: w, {Kind: release.EffectBug, Name: "tracker"}: others}})
			if err == nil {
				_, err = e.Step(limited)
			}
			if err == nil {
				err = s.State.CatchUp(limited, s.Log)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range topics {
			select {
			case d := <-deliveries:
				if d.RoutingKey != "org.example.test.ci.productmd-compose.test."+want || d.DeliveryMode != amqp.Persistent || d.ContentEncoding != "utf-8" || d.Headers["fedora_messaging_schema"] != "base.message" {
					t.Errorf("want %s, got %+v", want, d)
				}
				if err := valid(t, ciSchema(t), d.Body); err != nil {
					t.Errorf("%s: %v", want, err)
				}
				var body announce.TestResult
				if err := json.Unmarshal(d.Body, &body); err != nil || body.Assay.Build != "20261117_01" || want == "complete" && body.Test.Result == "" {
					t.Errorf("%s: %v, %s", want, err, d.Body)
				}
				if ids[d.MessageId] || d.MessageId == "" {
					t.Errorf("id %q again", d.MessageId)
				}
				ids[d.MessageId] = true
			case <-limited.Done():
				t.Fatalf("%s did not come", want)
			}
		}
		select {
		case d := <-deliveries:
			t.Errorf("and this came: %s %s", d.RoutingKey, d.Body)
		default:
		}
	}
	s.At("2026-11-17T12:00:00Z").Build("20261117_01")
	step("queued", "queued")
	s.Answer("20261117_01", releasetest.QCOW2)
	s.Answer("20261117_01", releasetest.Vagrant, releasetest.Failed("base/running"))
	step("complete", "complete")

	// Asked for again, as after a confirmation that was lost, a message is the same.
	l := s.State.Line("fedora-43").Build("20261117_01")
	again := release.Effect{Key: "result/bus/1", Stream: "fedora-43", Unsure: true, Result: &release.ResultWork{Of: l,
		TestNews: release.TestNews{Seq: 1, At: s.Now, Build: l.ID, Artifact: releasetest.QCOW2, Attempt: 1, Deadline: s.Now.Add(time.Hour)}}}
	one, err := w.Do(limited, again)
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.Do(limited, again)
	if err != nil || one.Ref != two.Ref || one.Ref == "" {
		t.Errorf("%v and %v, %v", one, two, err)
	}

	// Six messages wait for our own intake. It takes none for a build.
	in, err := intake.New("koji", intake.Config{Server: server, TopicPrefix: "org.example.test", Queue: "given", Given: true,
		Locations: map[string]string{"https://kojipkgs.example.org/": ""}, Streams: []intake.StreamConfig{{Stream: "fedora-43", Compose: "*"}}},
		intake.Options{Policies: []*release.Policy{s.Policy}, Record: nobody{t}, Tell: func(format string, args ...any) { t.Errorf(format, args...) }})
	if err != nil {
		t.Fatal(err)
	}
	listen, stop := context.WithCancel(limited)
	over := make(chan struct{})
	go func() { in.Run(listen); close(over) }()
	for {
		q, err := ch.QueueDeclarePassive("given", true, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		if q.Messages == 0 && q.Consumers == 1 {
			break
		}
		select {
		case <-limited.Done():
			t.Fatalf("%d messages are still there", q.Messages)
		case <-time.After(20 * time.Millisecond): // between two looks at it
		}
	}
	stop()
	<-over
	if len(ids) != 4 {
		t.Errorf("ids %v", ids)
	}
}

// nobody has nothing recorded.
type nobody struct{ t *testing.T }

func (n nobody) Bring(_ context.Context, _ *release.Policy, by release.Actor, _ func(*release.State) ([]release.Fact, error)) error {
	n.t.Errorf("%s brings a build", by)
	return nil
}
