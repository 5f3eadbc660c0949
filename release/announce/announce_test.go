package announce_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/announce"
	"assay/release/bus"
	"assay/release/credentials"
	"assay/release/releasetest"
	"assay/reports"
)

var update = flag.Bool("update", false, "write golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}

// story is a history up to an announcement.
type story struct {
	*releasetest.History
	options announce.Options
}

func newStory(t testing.TB) *story {
	h := releasetest.NewHistory(t, "fedora-43")
	h.Policy.Title = "Atomic Host, based on Fedora 43"
	h.Policy.About = "Tested by machines alone: you can help us fix it."
	h.Policy.Docs = []release.Link{{Title: "Getting started", URL: "https://docs.example.org/start"}}
	s := &story{h, announce.Options{Policy: h.Policy, Log: h.Log, Page: "https://download.example.org/streams/fedora-43", Files: "https://download.example.org"}}
	s.At("2026-11-03T12:00:00Z").Tested("20261103_01")
	s.packages("20261103_01", "docker-28.0.1-1.fc43.x86_64", "kernel-6.17.1-300.fc43.x86_64")
	s.settle("")
	return s
}

func (s *story) packages(b release.BuildID, list ...string) {
	s.Record(release.Self, &release.PackagesListed{Build: b, Arch: artifact.X8664, Packages: list})
}

// settle has all effects done but the announcement with that prefix, which it
// returns.
func (s *story) settle(until string) release.Effect {
	for range 50 {
		owed := release.Effects(s.Policy, s.State, s.Now)
		for _, e := range owed {
			if until != "" && e.Kind == release.EffectAnnounce {
				return e
			}
			r := release.Receipt{}
			if e.Bug != nil {
				r.Ref, r.URL = "812", "https://tracker.example/812"
			}
			s.Record(release.Self, e.Done(r))
		}
		if len(owed) == 0 {
			break
		}
	}
	if until != "" {
		s.TB.Fatalf("nothing is to be announced")
	}
	return release.Effect{}
}

// released is the announcement of a second release.
func (s *story) released() release.Effect {
	s.At("2026-11-17T12:00:00Z").Build("20261117_01").Next()
	known := release.Case{Check: "upgrade/plain", Outcome: reports.Failed, Fault: reports.FaultImage, Blocking: true, Message: "the old kernel stays",
		Known: &reports.Known{Tracker: "https://tracker.example/799", Expires: "2027-01-01"}}
	s.Answer("20261117_01", releasetest.QCOW2, known)
	s.Answer("20261117_01", releasetest.Vagrant, releasetest.Failed("base/running"))
	s.packages("20261117_01", "docker-28.0.4-1.fc43.x86_64", "kernel-6.17.1-300.fc43.x86_64", "toolbox-0.1-1.fc43.x86_64")
	s.MustSay(&release.CheckWaived{Waiver: "w", Build: "20261117_01", Check: "base/running", Word: releasetest.Word("the test was wrong"), Expires: s.Now.AddDate(0, 1, 0)}).Next()
	return s.settle("announce")
}

func (s *story) revoked() release.Effect {
	s.released()
	s.settle("")
	s.At("2026-11-18T09:00:00Z").MustSay(&release.ReleaseRevoked{Build: "20261117_01", Word: releasetest.Word("docker loses its storage")})
	return s.settle("announce")
}

// olderRevoked is the revocation of a release that is no longer out.
func (s *story) olderRevoked() release.Effect {
	s.released()
	s.settle("")
	s.At("2026-11-18T09:00:00Z").MustSay(&release.ReleaseRevoked{Build: "20261103_01", Word: releasetest.Word("docker loses its storage")})
	return s.settle("announce")
}

func ctx(t *testing.T) context.Context {
	c, stop := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(stop)
	return c
}

// keys are the names of a JSON object.
func keys(t *testing.T, v any) []string {
	t.Helper()
	m, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%v is no object", v)
	}
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestTwoWeekMessageHasTheFieldsOfFedoras(t *testing.T) {
	dir := os.Getenv("ASSAY_SAMPLES")
	if dir == "" {
		dir = "../../../shared/samples"
	}
	raw, err := os.ReadFile(filepath.Join(dir, "bus/fedmsg/releng.atomic.twoweek.complete__TestTwoWeekAtomicComplete.json"))
	if err != nil {
		t.Skipf("1 sample is not there: %v", err)
	}
	var sample struct {
		Topic string
		Msg   map[string]map[string]any
	}
	if err := json.Unmarshal(raw, &sample); err != nil {
		t.Fatal(err)
	}
	s := newStory(t)
	var got map[string]map[string]any
	for topic, body := range announce.Messages(t, s.options, s.released(), announce.TwoWeek) {
		if "org.fedoraproject.prod."+topic != sample.Topic {
			t.Errorf("topic %s, want the end of %s", topic, sample.Topic)
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
	}
	want := keys(t, sample.Msg["x86_64"]["atomic_qcow2"])
	if mine := keys(t, got["x86_64"]["atomic_qcow2"]); !reflect.DeepEqual(mine, want) {
		t.Errorf("fields %v, want %v", mine, want)
	}
}

func TestMessagesOfARevocation(t *testing.T) {
	s := newStory(t)
	got := announce.Messages(t, s.options, s.revoked(), announce.Forms...)
	if len(got) != 2 || got["assay.release.revoked"] == nil || got["coreos.stream.metadata.update"] == nil {
		t.Fatalf("topics: %v", got)
	}
	golden(t, "revoked.json", got["assay.release.revoked"])
	s = newStory(t)
	got = announce.Messages(t, s.options, s.olderRevoked(), announce.Forms...)
	golden(t, "revoked-older.json", got["assay.release.revoked"])
}

func TestMessageOfARelease(t *testing.T) {
	s := newStory(t)
	got := announce.Messages(t, s.options, s.released(), announce.Forms...)
	golden(t, "released.json", got["assay.release.complete"])
	if string(got["coreos.stream.release"]) != `{"build_id":"20261117_01","basearches":["x86_64"],"stream":"fedora-43"}` {
		t.Errorf("%s", got["coreos.stream.release"])
	}
}

func TestUnreadablePackageListWaits(t *testing.T) {
	s := newStory(t)
	e := s.released()
	e.Announce.PackagesBefore = 1 // an event that is no list
	m, err := announce.NewMailer(announce.MailConfig{Server: "localhost:1", TLS: "none", From: "a@example.org", To: []string{"b@example.org"}}, s.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Do(ctx(t), e); err == nil || !strings.Contains(err.Error(), "event 1: it is a history.opened") {
		t.Fatalf("%v", err)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	s := newStory(t)
	good := announce.MailConfig{Server: "mail.example.org:587", From: "Releases <a@example.org>", To: []string{"b@example.org"}}
	for want, change := range map[string]func(*announce.MailConfig){
		"HOST:PORT":           func(c *announce.MailConfig) { c.Server = "mail" },
		"server on this host": func(c *announce.MailConfig) { c.TLS = "none" },
		"want starttls":       func(c *announce.MailConfig) { c.TLS = "maybe" },
		"user goes with":      func(c *announce.MailConfig) { c.User = "u" },
		"not both":            func(c *announce.MailConfig) { c.User, c.PasswordEnv, c.PasswordFile = "u", "A", "/b" },
		"not the password":    func(c *announce.MailConfig) { c.User, c.PasswordEnv = "u", "hunter 2" },
		"from: ":              func(c *announce.MailConfig) { c.From = "a@b\r\nBcc: c@d" },
		"to: ":                func(c *announce.MailConfig) { c.To = nil },
		"certificates":        func(c *announce.MailConfig) { c.CAFile = "/dev/null" },
	} {
		c := good
		change(&c)
		if _, err := announce.NewMailer(c, s.options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := announce.NewMailer(good, s.options); err != nil {
		t.Error(err)
	}
	bus := announce.BusConfig{Server: bus.Server{URL: "amqps://user@bus.example.org/%2Fpubsub", Secret: credentials.Secret{PasswordEnv: "P"}}, TopicPrefix: "org.example.prod"}
	for want, change := range map[string]func(*announce.BusConfig){
		"want amqps://":      func(c *announce.BusConfig) { c.URL = "bus" },
		"not here":           func(c *announce.BusConfig) { c.URL = "amqps://user:hunter2@bus.example.org" },
		"on this host":       func(c *announce.BusConfig) { c.URL = "amqp://user@bus.example.org" },
		"goes with":          func(c *announce.BusConfig) { c.PasswordEnv = "" },
		"want a user":        func(c *announce.BusConfig) { c.URL, c.PasswordEnv = "amqps://bus.example.org", "" },
		"topic_prefix":       func(c *announce.BusConfig) { c.TopicPrefix = "a.#" },
		"is none of":         func(c *announce.BusConfig) { c.Messages = []announce.Form{"fax"} },
		"version is missing": func(c *announce.BusConfig) { c.Messages = []announce.Form{announce.TwoWeek} },
	} {
		c := bus
		change(&c)
		_, err := announce.NewBus(c, s.options)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %v", err)
		}
	}
	if _, err := announce.NewBus(bus, s.options); err != nil {
		t.Error(err)
	}
}
