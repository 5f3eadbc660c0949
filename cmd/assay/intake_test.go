package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	conn, ch := servertest.RabbitClient(t, address)
	s.until("it listens", func() bool {
		ch, err := conn.Channel()
		if err != nil {
			return false
		}
		defer ch.Close()
		q, err := ch.QueueDeclarePassive("assay-serve", true, false, false, false, nil)
		return err == nil && q.Consumers == 1
	})
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

// TestServeTakesWhatAScheduleMakes: the command makes a build, the folder has it,
// its test is asked for, and a worker can fetch it.
func TestServeTakesWhatAScheduleMakes(t *testing.T) {
	h := newHost(t)
	h.write("compose.sh", `echo the image >os.qcow2
echo '{"compose": "'$ASSAY_COMPOSE'", "created": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'", "artifacts": [{"id": "qcow2/x86_64", "file": "os.qcow2"}]}' >build.json
`)
	stage := h.page("stage.yaml")
	schedule := `schedules: {nightly: {stream: demo-1, at: "00:00", packages: [date], command: [/bin/sh, "` + filepath.Join(h.dir, "compose.sh") + `"], into: drop, work: work}}` + "\n"
	h.write("stage.yaml", stage+schedule)
	if out, err := h.try("policy", "check"); err == nil || !strings.Contains(out, "want the path of one of folders") {
		t.Errorf("%v, %s", err, out)
	}
	h.write("stage.yaml", stage+"folders: {drop: {path: drop, stream: demo-1, poll: 1s}}\n"+schedule)
	h.assay("policy", "check") // wherever it is checked
	if out, err := h.try("serve", "--once"); err == nil || !strings.Contains(out, "folders.drop") {
		t.Errorf("its folders are not there: %v, %s", err, out)
	}
	for _, dir := range []string{"drop", "work"} {
		if err := os.Mkdir(filepath.Join(h.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.write("work/last.json", `{"day": "20261101"}`) // it slept since
	s := h.serve()
	s.until("its test is asked for", func() bool {
		return strings.Contains(h.assay("history", "show", "--type", "test.requested"), "qcow2 x86_64: attempt 1")
	})
	s.stop()
	if out := h.assay("history", "show", "--type", "build.seen", "--json"); strings.Count(out, `"build.seen"`) != 1 || !strings.Contains(out, `"name":"drop"`) || !strings.Contains(out, `"location":"`+h.dir+`/drop/demo-1-`) {
		t.Error(out)
	}
}
