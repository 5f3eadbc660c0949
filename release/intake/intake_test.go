package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/release"
	"assay/release/bus"
	"assay/release/credentials"
	"assay/release/releasetest"
)

const stream = release.Stream("fedora-43")

// bench is an intake with a history and a server that has composes.
type bench struct {
	*releasetest.History
	in    *Intake
	files map[string]string // by path
	mu    sync.Mutex        // guards files while a server runs
	told  []string
	// fails, when set, keeps the history from being written.
	fails error
}

func (b *bench) Bring(ctx context.Context, p *release.Policy, by release.Actor, decide func(*release.State) ([]release.Fact, error)) error {
	if b.fails != nil {
		return b.fails
	}
	return b.State.Update(ctx, b.Log, func(s *release.State) ([]release.Event, error) {
		facts, err := decide(s)
		if err != nil {
			return nil, err
		}
		var out []release.Event
		for _, f := range facts {
			e, err := release.NewEvent(p.Stream, b.Now, by, f)
			if err == nil {
				err = release.Allow(p, s, e, b.Now)
			}
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	})
}

func config(server string) Config {
	return Config{Server: bus.Server{URL: "amqp://guest@127.0.0.1:1", Secret: credentials.Secret{PasswordEnv: "P"}}, TopicPrefix: "org.example.test", Queue: "assay-test",
		Locations: map[string]string{"https://kojipkgs.example.org/compose/": server + "/compose/"},
		Streams: []StreamConfig{{Stream: stream, Compose: "Fedora-Cloud-43-*", Types: []string{"nightly"}, Images: []ImageConfig{
			{Kind: "qcow2", Subvariant: "Cloud_Base", Type: "qcow2", Format: "qcow2"}, {Kind: "vagrant-libvirt", Type: "vagrant-libvirt"}}}}}
}

func newBench(t testing.TB) *bench {
	b := &bench{History: releasetest.NewHistory(t, stream), files: map[string]string{}}
	b.Now = sent.Add(36 * time.Hour)
	b.Policy.Refs = []release.Glob{"fedora/43/*"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		text, ok := b.files[r.URL.Path]
		b.mu.Unlock()
		switch {
		case !ok:
			http.NotFound(w, r)
		case text == "down":
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = w.Write([]byte(text))
		}
	}))
	t.Cleanup(server.Close)
	var err error
	b.in, err = New("pungi", config(server.URL), Options{Policies: []*release.Policy{b.Policy}, Record: b,
		Tell: func(format string, args ...any) { b.told = append(b.told, fmt.Sprintf(format, args...)) }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const compose = "Fedora-Cloud-43-20261121.n.0"

func image1(path, sub, kind, format, arch, digest string) map[string]any {
	return map[string]any{"path": path, "size": 1 << 20, "type": kind, "format": format, "arch": arch, "subvariant": sub, "checksums": map[string]string{"sha256": digest}}
}

// made puts a compose onto the server.
func (b *bench) made(id string, images ...map[string]any) {
	byArch := map[string][]any{}
	for _, i := range images {
		byArch[i["arch"].(string)] = append(byArch[i["arch"].(string)], i)
	}
	raw, _ := json.Marshal(map[string]any{"header": map[string]string{"type": "productmd.images", "version": "1.2"},
		"payload": map[string]any{"compose": map[string]any{"id": id}, "images": map[string]any{"Cloud": byArch}}})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files["/compose/"+id+"/compose/metadata/images.json"] = string(raw)
}

func (b *bench) usual(id string) {
	b.made(id,
		image1("Cloud/x86_64/images/Cloud-1.x86_64.qcow2", "Cloud_Base", "qcow2", "qcow2", "x86_64", strings.Repeat("a", 64)),
		image1("Cloud/x86_64/images/Vagrant-1.x86_64.box", "Cloud_Vagrant", "vagrant-libvirt", "vagrant-libvirt.box", "x86_64", strings.Repeat("b", 64)),
		image1("Cloud/x86_64/images/Azure-1.x86_64.vhd.xz", "Cloud_Azure", "vhd-compressed", "vhd.xz", "x86_64", strings.Repeat("c", 64)))
}

var sent = time.Date(2026, 11, 21, 4, 30, 0, 0, time.UTC)

func status(id, word string) message {
	return message{topicStatus, sent, []byte(fmt.Sprintf(`{"compose_id": %q, "compose_type": "nightly", "status": %q, "location": "https://kojipkgs.example.org/compose/%s/compose"}`, id, word, id))}
}

func commitOf(id, sum string) message {
	return message{topicOSTree, sent.Add(-time.Hour), []byte(fmt.Sprintf(`{"arch": "x86_64", "variant": "Cloud", "ref": "fedora/43/x86_64/cloud", "commitid": %s, "compose_id": %q,
		"compose_type": "nightly", "repo_path": "https://kojipkgs.example.org/compose/repo/", "local_repo_path": "/mnt/koji/repo"}`, sum, id))}
}

func (b *bench) take(t testing.TB, ms ...message) {
	t.Helper()
	for _, m := range ms {
		if err := b.in.take(t.Context(), m); err != nil {
			t.Fatalf("%s: %v", m.body, err)
		}
	}
}

// TestComposeBecomesABuild, whatever order its messages come in and how often.
func TestComposeBecomesABuild(t *testing.T) {
	sum := strings.Repeat("d", 64)
	messages := []message{status(compose, "STARTED"), commitOf(compose, `"`+sum+`"`), commitOf(compose, `null`), status(compose, "FINISHED")}
	for name, order := range map[string][]int{"as sent": {0, 1, 2, 3}, "backwards": {3, 2, 1, 0}, "twice": {0, 1, 1, 2, 3, 3, 1, 0, 3}} {
		b := newBench(t)
		b.usual(compose)
		for _, i := range order {
			b.take(t, messages[i])
		}
		got := b.State.Line(stream).ByCompose(compose)
		if got == nil || got.ID != "20261121_01" || got.Contradiction != "" || len(got.Artifacts) != 2 || len(got.Commits) != 1 {
			t.Fatalf("%s: %+v", name, got)
		}
		a := got.Artifact("qcow2/x86_64")
		if a == nil || !a.Known || a.Name != "Cloud-1.x86_64.qcow2" || a.Digest.Hex() != strings.Repeat("a", 64) || a.Size != 1<<20 ||
			!strings.HasSuffix(a.Location, "/compose/"+compose+"/compose/Cloud/x86_64/images/Cloud-1.x86_64.qcow2") || strings.Contains(a.Location, "kojipkgs") {
			t.Errorf("%s: %+v", name, a)
		}
		if c := got.Commits[0]; c.Checksum != sum || c.Ref != "fedora/43/x86_64/cloud" || !strings.HasSuffix(c.Repo, "/compose/repo") {
			t.Errorf("%s: %+v", name, c)
		}
		n := 0
		for r := range b.Log.Read(t.Context(), 0) {
			if e, err := release.Decode(r.Raw); err == nil && e.Type == "build.seen" {
				if e.Actor.Name != "pungi" || e.Actor.Kind != release.Service {
					t.Errorf("said by %v", e.Actor)
				}
				n++
			}
		}
		if n != 2 {
			t.Errorf("%s: %d events", name, n)
		}
		// Sent anew, at another time, as people do after an outage.
		again := status(compose, "FINISHED")
		again.sent = sent.Add(48 * time.Hour)
		before := b.State.Head()
		b.take(t, again)
		if b.State.Head() != before {
			t.Errorf("%s: sent anew, it is news", name)
		}
	}
}

func TestComposesThatMadeNothing(t *testing.T) {
	b := newBench(t)
	b.take(t, status("Fedora-Cloud-43-20261120.n.0", "DOOMED"), status("Fedora-Cloud-43-20261120.n.0", "DOOMED"))
	b.made(compose, image1("x/y.iso", "KDE", "live", "iso", "x86_64", strings.Repeat("a", 64)))
	b.take(t, status(compose, "FINISHED_INCOMPLETE"))
	fails := b.State.Line(stream).Failures
	if len(fails) != 2 || fails[0].Status != "DOOMED" || !strings.Contains(fails[0].Log, "20261120") || fails[1].Compose != compose || fails[1].Reason == "" || !fails[1].Ended.Equal(sent) {
		t.Errorf("%+v", fails)
	}
	if n := b.State.Head().Seq; n != 3 {
		t.Errorf("%d events", n)
	}
}

// TestOthersAreLeftAlone: composes of other streams and types, other refs, other
// topics.
func TestOthersAreLeftAlone(t *testing.T) {
	b := newBench(t)
	other := commitOf(compose, `"`+strings.Repeat("d", 64)+`"`)
	other.body = []byte(strings.Replace(string(other.body), "fedora/43/x86_64/cloud", "fedora/43/x86_64/silverblue", 1))
	other.body = []byte(strings.Replace(string(other.body), "fedora/43/", "fedora/rawhide/", 1))
	production := status("Fedora-Cloud-43-20261121.0", "FINISHED")
	production.body = []byte(strings.Replace(string(production.body), `"compose_type": "nightly", `, "", 1))
	b.take(t, status("Fedora-Rawhide-20261121.n.0", "FINISHED"), production, other, message{"buildsys.build.state.change", sent, []byte(`{}`)},
		message{topicBuild, sent, []byte(`{"stream": "another", "compose": "x"}`)})
	if n := b.State.Head().Seq; n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestOurOwnForm(t *testing.T) {
	b := newBench(t)
	body := `{"stream": "fedora-43", "compose": "local-7", "created": "2026-11-21T03:00:00Z", "unknown": 1,
		"artifacts": [{"id": "qcow2/x86_64", "name": "os.qcow2", "location": "https://kojipkgs.example.org/compose/7/os.qcow2", "digest": "sha256:` + strings.Repeat("a", 64) + `", "size": 7}],
		"commits": [{"arch": "x86_64", "ref": "fedora/43/x86_64/cloud", "checksum": "` + strings.Repeat("d", 64) + `", "repo": "https://kojipkgs.example.org/compose/repo"}]}`
	m := message{topicBuild, sent, []byte(body)}
	b.take(t, m, m)
	got := b.State.Line(stream).ByCompose("local-7")
	if got == nil || got.ID != "20261121_01" || len(got.Artifacts) != 1 || len(got.Commits) != 1 || !got.Created.Equal(time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v", got)
	}
	b.take(t, message{topicFailed, sent, []byte(`{"stream": "fedora-43", "compose": "local-8", "status": "FAILED", "ended": "2026-11-22T03:00:00Z", "reason": "no space"}`)})
	if f := b.State.Line(stream).Failures; len(f) != 1 || f[0].Reason != "no space" || b.State.Head().Seq != 3 {
		t.Errorf("%+v, %d events", f, b.State.Head().Seq)
	}
}

// TestMessagesThatAreRefused say why, and leave nothing behind.
func TestMessagesThatAreRefused(t *testing.T) {
	x86 := func(change func(map[string]any)) map[string]any {
		i := image1("Cloud/x86_64/images/Cloud-1.x86_64.qcow2", "Cloud_Base", "qcow2", "qcow2", "x86_64", strings.Repeat("a", 64))
		change(i)
		return i
	}
	edit := func(m message, old, new string) message {
		m.body = []byte(strings.Replace(string(m.body), old, new, 1))
		return m
	}
	for name, c := range map[string]struct {
		prepare func(*bench)
		m       message
		want    string
	}{
		"no JSON":              {nil, message{topicStatus, sent, []byte("{")}, "cannot be read"},
		"another type":         {nil, message{topicStatus, sent, []byte(`{"compose_id": 7}`)}, "cannot be read"},
		"too large":            {nil, message{topicStatus, sent, []byte(`"` + strings.Repeat("x", maxBody) + `"`)}, "more than"},
		"no compose":           {nil, message{topicStatus, sent, []byte(`{"status": "FINISHED"}`)}, "compose_id"},
		"a compose of no date": {nil, status("Fedora-Cloud-43-20261341.n.0", "FINISHED"), "is no date"},
		"hostile compose":      {nil, status("Fedora-Cloud-43-<script>-20261121.n.0", "FINISHED"), "compose_id"},
		"elsewhere":            {nil, edit(status(compose, "FINISHED"), "https://kojipkgs.example.org/", "https://evil.example.org/"), "none of the places"},
		"out of the place":     {nil, edit(status(compose, "FINISHED"), "/compose/Fedora", "/compose/../etc/Fedora"), "none of the places"},
		"a like place":         {nil, edit(status(compose, "FINISHED"), "kojipkgs.example.org/compose/", "kojipkgs.example.org.evil/compose/"), "none of the places"},
		"a file of this host":  {nil, edit(status(compose, "FINISHED"), "https://kojipkgs.example.org/compose/", "/etc/"), "none of the places"},
		"of another compose": {func(b *bench) {
			b.usual("Fedora-Cloud-43-20261122.n.0")
			b.files["/compose/"+compose+"/compose/metadata/images.json"] = b.files["/compose/Fedora-Cloud-43-20261122.n.0/compose/metadata/images.json"]
		}, status(compose, "FINISHED"), "are those of compose"},
		"metadata of no sort": {func(b *bench) {
			b.files["/compose/"+compose+"/compose/metadata/images.json"] = `{"header": {"version": "2.0"}}`
		}, status(compose, "FINISHED"), "not productmd.images version 1"},
		"metadata that is none": {func(b *bench) { b.files["/compose/"+compose+"/compose/metadata/images.json"] = `<html>` }, status(compose, "FINISHED"), "cannot be read"},
		"no digest": {func(b *bench) {
			b.made(compose, x86(func(i map[string]any) { i["checksums"] = map[string]string{"md5": "x"} }))
		}, status(compose, "FINISHED"), "digest"},
		"a path that leaves": {func(b *bench) { b.made(compose, x86(func(i map[string]any) { i["path"] = "../../os.qcow2" })) }, status(compose, "FINISHED"), "is no path"},
		"no size":            {func(b *bench) { b.made(compose, x86(func(i map[string]any) { i["size"] = -1 })) }, status(compose, "FINISHED"), "-1 bytes"},
		"two of a kind": {func(b *bench) {
			b.made(compose, x86(func(map[string]any) {}), x86(func(i map[string]any) { i["path"] = "Cloud/b.qcow2" }))
		}, status(compose, "FINISHED"), "both are qcow2 x86_64"},
		"a commit that is none":  {nil, commitOf(compose, `"deadbeef"`), "want 64 hexadecimal digits"},
		"a repo elsewhere":       {nil, edit(commitOf(compose, `"`+strings.Repeat("d", 64)+`"`), "kojipkgs", "evil"), "none of the places"},
		"our form, no compose":   {nil, message{topicBuild, sent, []byte(`{"stream": "fedora-43"}`)}, "compose is missing"},
		"our form, a number":     {nil, message{topicBuild, sent, []byte(`{"stream": "fedora-43", "compose": "x", "build": "20261121_07"}`)}, "numbers are given here"},
		"our form, no time":      {nil, message{topicBuild, sent, []byte(`{"stream": "fedora-43", "compose": "x"}`)}, "created"},
		"our form, a file here":  {nil, message{topicBuild, sent, []byte(`{"stream": "fedora-43", "compose": "x", "created": "2026-11-21T03:00:00Z", "artifacts": [{"location": "/etc/shadow"}]}`)}, "none of the places"},
		"a failure without ends": {nil, message{topicFailed, sent, []byte(`{"stream": "fedora-43", "compose": "x", "status": "y"}`)}, "ended"},
		"nobody may": {func(b *bench) {
			b.usual(compose)
			b.Policy.Overrides = append(b.Policy.Overrides, release.Permission{Machines: []release.Glob{"koji"}, May: []release.Override{release.MayAnnounce}})
		}, status(compose, "FINISHED"), "does not let"},
	} {
		b := newBench(t)
		if c.prepare != nil {
			c.prepare(b)
		}
		err := b.in.take(t.Context(), c.m)
		if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if n := b.State.Head().Seq; n != 1 {
			t.Errorf("%s: %d events", name, n)
		}
	}
}

// TestOneStreamRefusesAndOthersTakeIt, and what may yet be mended is not given up
// for what is refused.
func TestOneStreamRefusesAndOthersTakeIt(t *testing.T) {
	b := newBench(t)
	b.usual(compose)
	first := b.in.config.Streams[0]
	for _, name := range []release.Stream{"closed", "muddled", "open"} {
		s := first
		s.Stream = name
		p := releasetest.Policy(name)
		switch name {
		case "closed":
			p.Overrides = append(p.Overrides, release.Permission{Machines: []release.Glob{"koji"}, May: []release.Override{release.MayAnnounce}})
		case "muddled": // several images are one artifact
			s.Images = []ImageConfig{{Kind: "qcow2"}}
		}
		b.in.config.Streams = append(b.in.config.Streams, s)
		b.in.o.Policies = append(b.in.o.Policies, p)
	}
	b.in.config.Streams = b.in.config.Streams[1:]
	err := b.in.take(t.Context(), status(compose, "FINISHED"))
	if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "does not let") || !strings.Contains(err.Error(), "both are qcow2") {
		t.Errorf("%v", err)
	}
	for name, want := range map[release.Stream]bool{"closed": false, "muddled": false, "open": true} {
		if got := b.State.Line(name).ByCompose(compose) != nil; got != want {
			t.Errorf("%s has it: %v", name, got)
		}
	}
	b.fails = errors.New("disk full")
	if err := b.in.take(t.Context(), status(compose, "FINISHED")); err == nil || errors.Is(err, errRefused) {
		t.Errorf("what may be mended is given up: %v", err)
	}
}

// TestBuildsToCome are refused, whether the clock of a compose or of a message is
// wrong.
func TestBuildsToCome(t *testing.T) {
	b := newBench(t)
	const late = "Fedora-Cloud-43-21261121.n.0"
	b.usual(late)
	b.usual(compose)
	m := status(compose, "FINISHED")
	m.sent = b.Now.Add(49 * time.Hour)
	for want, m := range map[string]message{"number of a day to come": status(late, "FINISHED"), "says it was created at": m} {
		if err := b.in.take(t.Context(), m); !errors.Is(err, errRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestComposesThatWereOvertaken get no number that is higher than their
// successor's.
func TestComposesThatWereOvertaken(t *testing.T) {
	b := newBench(t)
	id := func(rest string) string { return "Fedora-Cloud-43-" + rest }
	for _, c := range []struct{ compose, number string }{
		{id("20261121.n.9"), "20261121_01"}, {id("20261121.n.10"), "20261121_02"}, {id("20261121.n.8"), ""}, {id("20261121.n.9"), "20261121_01"},
		{id("20261120.n.1"), "20261120_01"}, {id("20261120.n.0"), ""}, {id("20261121.n.11"), "20261121_03"},
	} {
		b.usual(c.compose)
		err := b.in.take(t.Context(), status(c.compose, "FINISHED"))
		got := b.State.Line(stream).ByCompose(c.compose)
		switch {
		case c.number == "" && (!errors.Is(err, errRefused) || !strings.Contains(err.Error(), "is older than") || got != nil):
			t.Errorf("%s: %v, %v", c.compose, got, err)
		case c.number != "" && (err != nil || got == nil || string(got.ID) != c.number):
			t.Errorf("%s: %v, %v", c.compose, got, err)
		}
	}
}

// TestWhatWaitingMends is no refusal: the message comes again.
func TestWhatWaitingMends(t *testing.T) {
	b := newBench(t)
	m := status(compose, "FINISHED")
	if err := b.in.take(t.Context(), m); err == nil || errors.Is(err, errRefused) {
		t.Errorf("metadata that is not there yet: %v", err)
	}
	b.files["/compose/"+compose+"/compose/metadata/images.json"] = "down"
	if err := b.in.take(t.Context(), m); err == nil || errors.Is(err, errRefused) {
		t.Errorf("a server that is down: %v", err)
	}
	b.usual(compose)
	b.fails = errors.New("disk full")
	if err := b.in.take(t.Context(), m); err == nil || errors.Is(err, errRefused) {
		t.Errorf("a history that cannot be written: %v", err)
	}
	b.fails = nil
	b.take(t, m)
}

func TestConfigurationsThatMakeNoSense(t *testing.T) {
	b := newBench(t)
	for want, change := range map[string]func(*Config){
		"want amqps":      func(c *Config) { c.URL = "http://x" },
		"topic_prefix":    func(c *Config) { c.TopicPrefix = "#" },
		"queue":           func(c *Config) { c.Queue = "amq.x" },
		"locations: want": func(c *Config) { c.Locations = nil },
		"with a slash":    func(c *Config) { c.Locations = map[string]string{"https://x.example/a": ""} },
		"want https://":   func(c *Config) { c.Locations = map[string]string{"ftp://x.example/": ""} },
		"at least one":    func(c *Config) { c.Streams = nil },
		"no policy":       func(c *Config) { c.Streams[0].Stream = "another" },
		"compose: want":   func(c *Config) { c.Streams[0].Compose = "" },
		"kind":            func(c *Config) { c.Streams[0].Images[0].Kind = "../x" },
		"stage itself":    nil,
	} {
		c, name := config("http://127.0.0.1"), "pungi"
		if change != nil {
			change(&c)
		} else {
			name = release.Self.Name
		}
		if _, err := New(name, c, Options{Policies: []*release.Policy{b.Policy}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// samples are messages of real buses.
func samples(t testing.TB) (out map[string]message) {
	t.Helper()
	root := os.Getenv("ASSAY_SAMPLES")
	named := root != ""
	if !named {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	files, err := filepath.Glob(filepath.Join(root, "bus", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(files) == 0 && named:
		t.Fatalf("0 messages in ASSAY_SAMPLES=%s", root)
	case len(files) == 0:
		t.Skip("0 messages of real buses here: ASSAY_SAMPLES names a folder with some")
	}
	out = map[string]message{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Topic     string          `json:"topic"`
			Body, Msg json.RawMessage // Fedora Messaging, and what was before it
		}
		if json.Unmarshal(raw, &e) != nil || e.Topic == "" {
			continue
		}
		topic := strings.TrimPrefix(e.Topic, "org.fedoraproject.prod.")
		topic = map[string]string{"/topic/VirtualTopic.eng.pungi.status-change": topicStatus, "/topic/VirtualTopic.eng.pungi.ostree": topicOSTree}[topic] + strings.TrimPrefix(topic, "/topic/VirtualTopic.eng.")
		for _, known := range topics {
			if strings.HasPrefix(topic, known) {
				topic = known
			}
		}
		body := e.Body
		if body == nil {
			body = e.Msg
		}
		out[filepath.Base(f)] = message{topic, sent, body}
	}
	return out
}

// TestRealMessages are read, or refused with a reason, by an intake that wants
// every compose.
func TestRealMessages(t *testing.T) {
	b := newBench(t)
	b.in.config.Streams[0].Compose, b.in.config.Streams[0].Types = "*", nil
	b.Policy.Refs = []release.Glob{"*"}
	b.in.config.Locations["http://kojipkgs.fedoraproject.org/compose/"] = "http://127.0.0.1:1/"
	b.in.config.Locations["/mnt/redhat/"] = "http://127.0.0.1:1/"
	n, ours := 0, 0
	for name, m := range samples(t) {
		n++
		_, err := b.in.read(t.Context(), m)
		for _, topic := range topics {
			if m.topic == topic {
				ours++
				t.Logf("%s: %v", name, err)
			}
		}
		if err != nil && !errors.Is(err, errRefused) && !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n < 50 || ours < 6 {
		t.Errorf("%d messages, %d of them about composes", n, ours)
	}
}

// TestRealImages are those of a compose of Fedora.
func TestRealImages(t *testing.T) {
	root := os.Getenv("ASSAY_SAMPLES")
	named := root != ""
	if !named {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	raw, err := os.ReadFile(filepath.Join(root, "productmd", "images", "fedora_openqa-images-2017.json"))
	if err != nil {
		t.Skipf("0 samples: %v", err)
	}
	b := newBench(t)
	const id = "Fedora-25-20161115.n.0"
	b.files["/compose/"+id+"/compose/metadata/images.json"] = string(raw)
	images, err := b.in.images(t.Context(), b.in.config.Locations["https://kojipkgs.example.org/compose/"]+id+"/compose/", id)
	if err != nil {
		t.Fatal(err)
	}
	s := StreamConfig{Images: []ImageConfig{{Kind: "qcow2", Type: "qcow2", Subvariant: "Cloud_Base"}, {Kind: "iso", Type: "boot", Variant: "Server"}}}
	got, err := s.artifacts(images, "https://x.example/")
	if err != nil || len(got) < 2 {
		t.Errorf("%d of %d images: %+v, %v", len(got), len(images), got, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range []message{status(compose, "FINISHED"), status(compose, "DOOMED"), commitOf(compose, `"`+strings.Repeat("d", 64)+`"`)} {
		f.Add(m.topic, m.body)
	}
	f.Add(topicBuild, []byte(`{"stream": "fedora-43", "compose": "x", "created": "2026-11-21T03:00:00Z"}`))
	f.Add(topicFailed, []byte(`{"stream": "fedora-43", "compose": "x", "ended": "2026-11-21T03:00:00Z"}`))
	b := newBench(f)
	b.usual(compose)
	f.Fuzz(func(t *testing.T, topic string, body []byte) {
		all, err := b.in.read(t.Context(), message{topic, sent, body})
		if err != nil {
			return
		}
		for _, n := range all {
			if n.stream != stream || (n.seen == nil) == (n.failed == nil) {
				t.Fatalf("%+v", n)
			}
		}
	})
}

// TestOurOwnMessagesAreNoBuilds: what this stage itself says on the bus that it
// listens to, also where its queue is bound to everything.
func TestOurOwnMessagesAreNoBuilds(t *testing.T) {
	b := newBench(t)
	for _, topic := range []string{"ci.productmd-compose.test.queued", "ci.productmd-compose.test.complete", "ci.productmd-compose.test.error"} {
		body := fmt.Sprintf(`{"artifact": {"type": "productmd-compose", "id": %q, "compose_type": "nightly"}, "compose_id": %[1]q, "status": "FINISHED", "stream": %q}`, compose, stream)
		if err := b.in.take(t.Context(), message{topic, sent, []byte(body)}); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
		for _, taken := range topics {
			if taken == topic {
				t.Errorf("%s is listened to", topic)
			}
		}
	}
	if n := b.State.Head().Seq; n != 1 {
		t.Errorf("%d events", n)
	}
}
