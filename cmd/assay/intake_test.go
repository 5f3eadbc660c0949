package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"assay/release/servertest"
)

// TestIntakeIsChecked before a service starts.
func TestIntakeIsChecked(t *testing.T) {
	h := newHost(t)
	h.write("stage.yaml", h.page("stage.yaml")+`intake:
  pungi: {url: "amqps://bus.example", topic_prefix: org.example.test, queue: assay, locations: {"https://k.example/": ""}, streams: [{stream: another, compose: "*"}]}
`)
	for _, args := range [][]string{{"policy", "check"}, {"serve", "--once"}} {
		if out, err := h.try(args...); err == nil || !strings.Contains(out, "intake.pungi") {
			t.Errorf("%q: %v, %s", args, err, out)
		}
	}
}

// TestServeLearnsOfBuilds from a real bus: a compose is a build, and its test is
// asked for.
func TestServeLearnsOfBuilds(t *testing.T) {
	address := servertest.RabbitMQ(t)
	composes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"header": {"type": "productmd.images", "version": "1.2"}, "payload": {"compose": {"id": "Demo-1-20261121.n.0"}, "images": {"Cloud": {"x86_64": [
			{"path": "Cloud/os.qcow2", "size": 7, "type": "qcow2", "format": "qcow2", "arch": "x86_64", "subvariant": "Cloud", "checksums": {"sha256": "` + strings.Repeat("a", 64) + `"}}]}}}}`))
	}))
	defer composes.Close()
	h := newHost(t)
	h.write("bus.pw", "guest\n")
	h.write("stage.yaml", h.page("stage.yaml")+`intake:
  pungi:
    url: "amqp://guest@`+address+`/%2F"
    password_file: bus.pw
    topic_prefix: org.example.test
    queue: assay-serve
    locations: {"/mnt/koji/compose/": "`+composes.URL+`/"}
    streams: [{stream: demo-1, compose: "Demo-1-*", images: [{kind: qcow2, format: qcow2}]}]
`)
	h.assay("policy", "check")
	s := h.serve()
	conn, err := amqp.Dial("amqp://guest:guest@" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.until("it listens", func() bool {
		ch, err := conn.Channel()
		if err != nil {
			return false
		}
		defer ch.Close()
		q, err := ch.QueueDeclarePassive("assay-serve", true, false, false, false, nil)
		return err == nil && q.Consumers == 1
	})
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ch.PublishWithContext(t.Context(), "amq.topic", "org.example.test.pungi.compose.status.change", false, false, amqp.Publishing{
			Body:    []byte(`{"compose_id": "Demo-1-20261121.n.0", "status": "FINISHED", "location": "/mnt/koji/compose/Demo-1-20261121.n.0/compose"}`),
			Headers: amqp.Table{"sent-at": "2026-11-21T04:30:00+00:00"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.until("its test is asked for", func() bool {
		return strings.Contains(h.assay("history", "show", "--type", "test.requested"), "20261121_01 qcow2 x86_64: attempt 1")
	})
	if out := h.assay("history", "show", "--type", "build.seen"); strings.Count(out, "build.seen") != 1 || !strings.Contains(out, "Demo-1-20261121.n.0") {
		t.Error(out)
	}
	s.stop()
}
