package announce_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"assay/release"
	"assay/release/announce"
	"assay/release/bus"
	"assay/release/credentials"
	"assay/release/releasetest"
	"assay/reports"
)

func ciSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("testdata/ci-test.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("ci.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("ci.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, raw []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// TestSchemaTakesTheMessagesOfOthers: what it wants of ours, those on the bus have.
// In testdata are two in that form; where samples of real ones are kept, those are
// taken, too.
func TestSchemaTakesTheMessagesOfOthers(t *testing.T) {
	list, err := filepath.Glob("testdata/other-*.json")
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if dir := os.Getenv("ASSAY_SAMPLES"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "bus/fedora-messaging/openqa-plugin__ci.productmd-compose.test.*"))
		if err != nil || len(more) == 0 {
			t.Fatalf("no samples in %s: %v", dir, err)
		}
		list = append(list, more...)
	}
	s := ciSchema(t)
	for _, path := range list {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(raw, []byte(`"generated_at"`)) {
			// The sample is a test's expectation, which leaves the moment out.
			raw = bytes.Replace(raw, []byte("{"), []byte(`{"generated_at": "2026-11-03T12:00:00Z",`), 1)
		}
		if err := valid(t, s, raw); err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		wrong := 0
		for _, word := range []string{`"error"`, `"result"`, `"architecture"`} {
			if bytes.Contains(raw, []byte(word)) {
				if wrong++; valid(t, s, bytes.Replace(raw, []byte(word), []byte(`"x"`), 1)) == nil {
					t.Errorf("%s: without its %s it is taken, too", filepath.Base(path), word)
				}
			}
		}
		if wrong < 2 {
			t.Errorf("%s is no message about a test", filepath.Base(path))
		}
	}
}

func busConfig() announce.BusConfig {
	return announce.BusConfig{Server: bus.Server{URL: "amqps://user@bus.example.org", Secret: credentials.Secret{PasswordEnv: "P"}}, TopicPrefix: "org.example.prod",
		Contact: announce.Contact{Email: "qa@example.org"}}
}

func newTeller(t *testing.T, s *story) *announce.Teller {
	t.Helper()
	w, err := announce.NewTeller(busConfig(), s.options)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// told has everything told that is owed, and returns it.
func (s *story) told() (out []release.Effect) {
	s.Policy.Results = []release.Channel{{Name: "bus"}}
	for range 100 {
		n := len(out)
		for _, e := range release.Effects(s.Policy, s.State, s.Now) {
			if e.Kind == release.EffectResult {
				out = append(out, e)
				s.Record(release.Self, e.Done(release.Receipt{}))
			}
		}
		if len(out) == n {
			return out
		}
	}
	s.TB.Fatalf("there is no end of results")
	return nil
}

func TestMessagesOfTests(t *testing.T) {
	s := newStory(t)
	s.told() // those of the first build
	known := release.Case{Check: "upgrade/plain", Outcome: reports.Failed, Fault: reports.FaultImage, Blocking: true, Message: "the old kernel stays",
		Known: &reports.Known{Tracker: "https://tracker.example/799", Expires: "2027-01-01"}}
	s.At("2026-11-17T12:00:00Z").Build("20261117_01").Next().Add(time.Hour)
	s.Answer("20261117_01", releasetest.QCOW2, releasetest.Errored("base/running")).Next().Add(time.Hour)
	s.Answer("20261117_01", releasetest.QCOW2, known)
	ans := releasetest.Answer("20261117_01", releasetest.Vagrant, 1, s.Now, releasetest.Failed("base/running"))
	ans.Results = "https://results.example.org/run-7/"
	s.Record(release.Self, ans)
	w, schema := newTeller(t, s), ciSchema(t)
	var all bytes.Buffer
	var topics []string
	for _, e := range s.told() {
		topic, body := announce.Told(t, w, e)
		if err := valid(t, schema, body); err != nil {
			t.Errorf("%s: %v\n%s", topic, err, body)
		}
		again, same := announce.Told(t, newTeller(t, s), e)
		if again != topic || !bytes.Equal(same, body) {
			t.Errorf("made again it is another: %s\n%s", again, same)
		}
		topics = append(topics, strings.TrimPrefix(topic, "ci.productmd-compose.test."))
		all.WriteString(topic + "\n")
		all.Write(body)
	}
	if got := strings.Join(topics, " "); got != "queued queued error queued complete complete" {
		t.Errorf("topics: %s", got)
	}
	golden(t, "test-results.txt", all.Bytes())
}

// TestMessageOfATestThatLapsed: it is an error, of nobody's image.
func TestMessageOfATestThatLapsed(t *testing.T) {
	s := newStory(t)
	s.At("2026-11-17T12:00:00Z").Build("20261117_01").Next().Add(7 * time.Hour).Next().Add(7 * time.Hour).Next()
	var topics []string
	for _, e := range s.told() {
		topic, body := announce.Told(t, newTeller(t, s), e)
		if err := valid(t, ciSchema(t), body); err != nil {
			t.Errorf("%s: %v\n%s", topic, err, body)
		}
		if strings.HasSuffix(topic, ".error") {
			topics = append(topics, topic)
			if !e.Result.Lapsed || !bytes.Contains(body, []byte(`nobody answered by 2026-11-18T01:00:00Z`)) || !bytes.Contains(body, []byte(`"fault": "infra"`)) {
				t.Errorf("%s", body)
			}
		}
	}
	if len(topics) != 2 {
		t.Errorf("%q", topics)
	}
}

// TestHostileTextInTestMessages stays text, and the message stays small.
func TestHostileTextInTestMessages(t *testing.T) {
	s := newStory(t)
	s.told()
	hostile := "\x1b[2J\r\nX: y <script>" + strings.Repeat("\u202e\U0001F480é", 20000) + "\xff"
	seen := releasetest.BuildSeen(s.Policy, "20261117_01", s.Now)
	seen.Compose = "Test-20261117.n.0"
	s.At("2026-11-17T12:00:00Z").Record(release.Self, seen).Next()
	ans := releasetest.Answer("20261117_01", releasetest.QCOW2, 1, s.Now)
	// What an event may have, and no validation cuts: the state is asked directly.
	s.Record(release.Self, ans)
	schema := ciSchema(t)
	for _, e := range s.told() {
		if a := e.Result.Answer; a != nil {
			a.Reason, a.Run, a.Results, a.Verdict = hostile, hostile, "javascript:alert(1)", reports.Undecided
		}
		e.Result.Of.Compose = hostile
		e.Result.Of.Artifacts[0].Name = hostile
		topic, body := announce.Told(t, newTeller(t, s), e)
		if err := valid(t, schema, body); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
		if len(body) > 8<<10 || bytes.Contains(body, []byte("javascript")) || bytes.ContainsAny(body, "\x1b\r") {
			t.Errorf("%d bytes: %.2000s", len(body), body)
		}
	}
}

func TestTellerRefuses(t *testing.T) {
	s := newStory(t)
	for want, change := range map[string]func(*announce.BusConfig){
		"contact.email": func(c *announce.BusConfig) { c.Contact.Email = "QA <qa@example.org>" },
		"contact.docs":  func(c *announce.BusConfig) { c.Contact.Docs = "javascript:x" },
		"topic_prefix":  func(c *announce.BusConfig) { c.TopicPrefix = "" },
	} {
		c := busConfig()
		change(&c)
		if _, err := announce.NewTeller(c, s.options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	w := newTeller(t, s)
	for _, e := range []release.Effect{{Stream: "fedora-43"}, {Stream: "other", Result: &release.ResultWork{Of: &release.Build{}}}} {
		if _, err := w.Do(ctx(t), e); !errors.Is(err, release.ErrPermanent) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	// What announces needs no contact.
	c := busConfig()
	c.Contact = announce.Contact{}
	if _, err := announce.NewBus(c, s.options); err != nil {
		t.Error(err)
	}
	if raw, err := json.Marshal(announce.TestResult{}); err != nil || !json.Valid(raw) {
		t.Error(err)
	}
}
