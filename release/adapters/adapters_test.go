package adapters

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/release"
	"assay/release/announce"
	"assay/release/config"
	"assay/release/engine"
	"assay/release/releasetest"
	"assay/release/sign/signtest"
	"assay/release/tracker"
)

const adapterPolicy = `stream: demo-1
artifacts: {required: [qcow2/x86_64]}
tests: {retries: 1, timeout: 6h}
follow: {stream: up-1, every: 2, rebuild: cbs}
when_nothing_passed: retry
trackers: [{name: forge}, {name: bugs}]
keys: [demo]
targets: [{name: site}]
announce: [mail, bus, files]
results: [bus, files]
`

const upstreamPolicy = `stream: up-1
artifacts: {required: [qcow2/x86_64]}
tests: {retries: 1, timeout: 6h}
calendar: {weeks: 2, first: "2026-11-24", at: "12:00", zone: UTC}
when_nothing_passed: retry
`

// adapterConfig is a configuration with an adapter of every kind, after change.
func adapterConfig(t *testing.T, old, now string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	k := signtest.OpenPGP(t, 0)
	text := `history: {dir: history}
policies: [demo-1.yaml, up-1.yaml]
spool: spool
keys: {demo: {file: ` + k.Secret + `, public: ` + k.Public + `}}
targets: {site: {directory: {path: public}, url: "https://example.org/", trust: {openpgp: [` + k.Public + `]}}}
trackers:
  forge: {type: gitea, url: "https://forge.example", project: os/bugs, token_env: FORGE_TOKEN}
  bugs: {folder: bugs}
announce:
  mail: {mail: {server: "mail.example:587", from: a@example.org, to: [b@example.org]}}
  bus: {bus: {url: "amqps://assay@bus.example", password_env: BUS_PASSWORD, topic_prefix: org.example.test, contact: {email: qa@example.org}}}
  files: {folder: files}
rebuild: {cbs: {folder: rebuilds}}
`
	if changed := strings.Replace(text, old, now, 1); old != "" && changed == text {
		t.Fatalf("%q is not there", old)
	} else if old != "" {
		text = changed
	}
	for name, content := range map[string]string{"stage.yaml": text, "demo-1.yaml": adapterPolicy, "up-1.yaml": upstreamPolicy} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Read(filepath.Join(dir, "stage.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestEveryAdapterIsPluggedIn(t *testing.T) {
	cfg := adapterConfig(t, "", "")
	if missing := Missing(cfg); len(missing) > 0 {
		t.Errorf("missing: %q", missing)
	}
	have, err := Open(cfg, Options{Log: &releasetest.Log{}, Pages: &Pages{Config: cfg}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range Wanted(cfg.Stream("demo-1")) {
		if have[want] == nil {
			t.Errorf("no adapter %v", want)
		}
	}
	if _, ok := have[engine.Target{Kind: release.EffectBug, Name: "forge"}].(*tracker.Tracker); !ok {
		t.Error("the tracker is none")
	}
	mail := have[engine.Target{Kind: release.EffectAnnounce, Name: "mail"}].(byStream)
	if _, ok := mail["demo-1"].(*announce.Mailer); !ok || len(mail) != 2 {
		t.Errorf("mail: %v", mail)
	}
	if _, err := mail.Do(t.Context(), release.Effect{Stream: "none"}); !errors.Is(err, release.ErrPermanent) {
		t.Errorf("mail for a stream that nobody has: %v", err)
	}
}

func TestMissingAndWrongAdapters(t *testing.T) {
	cfg := adapterConfig(t, "rebuild: {cbs: {folder: rebuilds}}\n", "")
	if missing := Missing(cfg); len(missing) != 1 || !strings.Contains(missing[0], `the policy of demo-1 names "cbs", and no such adapter is configured: add rebuild.cbs to `) {
		t.Errorf("missing: %q", missing)
	}
	cfg = adapterConfig(t, "", "")
	cfg.Stream("demo-1").Results = append(cfg.Stream("demo-1").Results, release.Channel{Name: "mail"}, release.Channel{Name: "none"})
	if missing := Missing(cfg); len(missing) != 2 || !strings.Contains(missing[0], `has results told to "mail", which sends mail`) || !strings.Contains(missing[1], "add announce.none") {
		t.Errorf("missing: %q", missing)
	}
	for _, c := range []struct{ old, now, says string }{
		{"email: qa@example.org", "team: QA", "announce.bus: cannot tell the bus of test results: contact.email"},
		{"file: ", "file: /none", "keys.demo: cannot use key demo"},
		{"mail.example:587", "mail.example", "announce.mail: "},
		{"trust: {openpgp: [", "trust: {openpgp: [/none", "targets.site: cannot use target site"},
	} {
		cfg := adapterConfig(t, c.old, c.now)
		_, err := Open(cfg, Options{Log: &releasetest.Log{}, Pages: &Pages{Config: cfg}})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.now, err)
		}
	}
}

func TestFolderWritesOnce(t *testing.T) {
	f := Folder{t.TempDir()}
	e := release.Effect{Key: "bug/bugs/check:base/clock/1/open", Kind: release.EffectBug, Stream: "demo-1", Target: "bugs", Bug: &release.BugWork{Action: release.BugOpen, Subject: "check:base/clock", Title: "first"}}
	first, err := f.Do(t.Context(), e)
	if err != nil || first.Ref == "" {
		t.Fatal(first, err)
	}
	e.Bug.Title = "second"
	if again, err := f.Do(t.Context(), e); err != nil || again.Ref != first.Ref || again.URL != first.URL {
		t.Errorf("again: %v, %v", again, err)
	}
	files, _ := os.ReadDir(f.Dir)
	if len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	if raw, _ := os.ReadFile(filepath.Join(f.Dir, files[0].Name())); !strings.Contains(string(raw), `"Title": "first"`) {
		t.Errorf("it was written again: %s", raw)
	}
	// The same bug has one handle; keys that look alike have files of their own.
	e.Key, e.Bug.Action = "bug/bugs/check:base/clock/2/comment", release.BugComment
	if r, err := f.Do(t.Context(), e); err != nil || r.Ref != first.Ref {
		t.Errorf("a comment: %v, %v", r, err)
	}
	if deedName("a/b") == deedName("a_b") || strings.ContainsAny(deedName("../../x"), "/") || len(deedName(release.EffectKey(strings.Repeat("x", 5000)))) > 200 {
		t.Error("names")
	}
	e.Kind = release.EffectPublish
	if _, err := f.Do(t.Context(), e); !errors.Is(err, release.ErrPermanent) {
		t.Errorf("a folder published: %v", err)
	}
	e.Kind, f.Dir = release.EffectBug, "/proc/none"
	if _, err := f.Do(t.Context(), e); err == nil {
		t.Error("it was written nowhere")
	}
}

// TestFolderTakesOverWhatAKilledProcessBegan leaves nothing but the deed.
func TestFolderTakesOverWhatAKilledProcessBegan(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deed.json")
	if err := os.WriteFile(filepath.Join(dir, ".new-deed.json"), []byte("half of something longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := writeOnce(path, []byte("whole\n")); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if entries, _ := os.ReadDir(dir); err != nil || string(got) != "whole\n" || len(entries) != 1 {
		t.Errorf("%q, %v, %v", got, entries, err)
	}
}
