package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release/tracker"
)

const whole = `rehearsal: true
history: {dir: history}
policies: [fedora-43.yaml]
groups: {qa: [bob, carol], admins: [bob]}
spool: spool
serve:
  listen: "127.0.0.1:0"
  tokens: tokens
  tick: 30s
  effect_timeout: {publish: 4h}
keys:
  fedora-43: {file: key.sec, public: key.pub}
targets:
  site:
    directory: {path: /srv/site}
    url: https://example.org/
    trust: {openpgp: [key.pub], require: [checksums]}
trackers:
  forge: {type: gitea, url: "https://forge.example", project: os/bugs, token_file: /etc/token}
  local: {folder: bugs}
announce:
  mail: {folder: mails}
  list: {mail: {server: "mail.example:587", user: assay, password_file: mail.pw, from: a@example.org, to: [b@example.org]}}
  bus: {bus: {url: "amqps://bus.example", cert_file: bus.crt, key_file: bus.key}}
rebuild:
  cbs: {folder: rebuilds}
intake:
  pungi: {url: "amqps://bus.example", cert_file: bus.crt, key_file: bus.key, topic_prefix: org.example.prod, queue: assay,
    locations: {"https://kojipkgs.example/compose/": ""}, streams: [{stream: fedora-43, compose: "Fedora-43-*", types: [nightly], images: [{kind: qcow2, subvariant: Cloud}]}]}
`

func TestWhole(t *testing.T) {
	c, err := Parse("a.yaml", []byte(whole), "/etc/assay")
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		c.History.Dir: "/etc/assay/history", c.Policies[0]: "/etc/assay/fedora-43.yaml", c.Keys["fedora-43"].File: "/etc/assay/key.sec",
		c.Targets["site"].Directory.Path: "/srv/site", c.Targets["site"].Trust.OpenPGP[0]: "/etc/assay/key.pub",
		c.Trackers["local"].Folder: "/etc/assay/bugs", c.Announce["mail"].Folder: "/etc/assay/mails", c.Serve.Tokens: "/etc/assay/tokens",
		c.Trackers["forge"].TokenFile: "/etc/token", c.Announce["list"].Mail.PasswordFile: "/etc/assay/mail.pw", c.Announce["bus"].Bus.CertFile: "/etc/assay/bus.crt",
		c.Rebuild["cbs"].Folder: "/etc/assay/rebuilds", c.Intake["pungi"].CertFile: "/etc/assay/bus.crt", c.Intake["pungi"].Streams[0].Images[0].Kind: "qcow2", c.ReadersURL(): "https://example.org",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if c.Serve.Tick != 30*time.Second || c.Serve.EffectTimeout["publish"] != 4*time.Hour || !c.Rehearsal || c.Trackers["forge"].Type != tracker.Gitea {
		t.Errorf("got %+v", c)
	}
	if got := c.GroupsOf("bob"); !slices.Equal(got, []string{"admins", "qa"}) {
		t.Errorf("groups %q", got)
	}
}

// schedule is one that puts builds into the folder f, before rebuild.
func schedule(keys string) string {
	return "folders: {f: {path: incoming, stream: fedora-43}}\nschedules:\n  s: {stream: fedora-43, " + keys + "}\nrebuild:"
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ old, now, says string }{
		{"policies:", "policys:", `a.yaml:3:1: unknown field "policys"`},
		{"file: key.sec", "flie: key.sec", `a.yaml:12:15: unknown field "flie"`},
		{"project: os/bugs", "project: bugs", `a.yaml:19:10: trackers.forge: project: "bugs" is not OWNER/NAME`},
		{"project: os/bugs", "projekt: os/bugs", `a.yaml:19:`},
		{"cbs: {folder: rebuilds}", "'a[0': {folder: ''}", `rebuild.a[0: want folder`},
		{"127.0.0.1:0", "0.0.0.0:80", `a.yaml:7:11: serve.listen: it is no loopback address`},
		{"127.0.0.1:0", "nowhere", `want HOST:PORT`},
		{"tick: 30s", "tick: 30 days", `a.yaml:9:9: serve.tick: want a duration with its unit, as 90s, 5m or 6h, not "30 days"`},
		{"tick: 30s", "tick: 5", `a.yaml:9:9: serve.tick: want a duration with its unit`},
		{"tick: 30s", "tick: -3s", `a.yaml:9:9: serve.tick: want a duration`},
		{"publish: 4h", "publsh: 4h", `effect_timeout: "publsh"`},
		{"spool: spool\n", "", `a.yaml:1:10: spool: keys and targets need spool`},
		{"{dir: history}", "{url: 'nats://u:secret@h'}", `history: want dir`},
		{"{folder: mails}", "{}", `announce.mail: want exactly one of mail, bus and folder, not 0`},
		{"url: https://example.org/", "url: downloads.example", `a.yaml:16:10: targets.site.url: "downloads.example": want https://HOST/PATH`},
		{"url: https://example.org/", "url: https://u:secret@example.org/", `a.yaml:16:10: targets.site.url: want https://HOST/PATH`},
		{"spool: spool", "spool: spool\nsite: {url: /pages}", `a.yaml:6:13: site.url: "/pages": want https`},
		{"spool: spool", "spool: spool\nsite: {streams: [{stream: fedora-43, files: www.example.org}]}", `site.streams[0].files: "www.example.org": want https`},
		{"bus: {url: \"amqps://bus", "bus: {url: \"bus", `announce.bus.bus: url: want amqps://`},
		{"bus: {url: \"amqps://bus", "bus: {contact: {url: docs.example}, url: \"amqps://bus", `announce.bus.bus.contact.url: "docs.example": want https`},
		{"pungi: {url: \"amqps://", "pungi: {url: \"amqp://", `a.yaml:28:10: intake.pungi: url: amqp is for a server on this host alone`},
		{"rebuild:", schedule("into: incoming, at: \"25:00\""), `a.yaml:27:46: schedules.s.at: want a time of day, as "01:30", not "25:00"`},
		{"rebuild:", schedule("into: incoming, at: \"01:30\", zone: Mars"), `schedules.s.zone: there is no time zone "Mars"`},
		{"rebuild:", schedule("into: f, at: \"01:30\""), `schedules.s.into: want the path of one of folders, of the same stream, and not its name`},
		{"[fedora-43.yaml]", "[]", `policies: want at least one`},
		{"spool: spool", "spool: spool\nsite: {directory: pages}", `a.yaml:6:7: site: directory needs url`},
		{"spool: spool", "spool: spool\nfolders: {m: {path: in, stream: s}, n: {path: on, stream: s}}\nschedules: {a: {stream: s, at: \"01:30\", into: in, work: w}, b: {stream: s, into: on, work: ./w}}", `schedules.b: work: it is that of a`},
		{"spool: spool", "spool: spool\nfolders: {m: {path: in, stream: s}}\nschedules: {a: {stream: s, at: \"01:30\", into: in, work: w}, b: {stream: s, into: in/, work: x}}", `schedules.b: into: composes of a go there`},
		{whole, "", `it is empty`},
		{whole, "a: b\n---\nc: d\n", "want one YAML document"},
	} {
		text := strings.Replace(whole, c.old, c.now, 1)
		if text == whole {
			t.Fatalf("%q is not there", c.old)
		}
		_, err := Parse("a.yaml", []byte(text), "/")
		if err == nil || !strings.Contains(err.Error(), c.says) && !(c.says == "it is empty" && strings.Contains(err.Error(), "want one")) {
			t.Errorf("%s: %v, want %s", c.now, err, c.says)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %q", c.now, err)
		}
	}
}

func TestPolicies(t *testing.T) {
	dir := t.TempDir()
	policy := func(name string) string {
		raw, err := os.ReadFile(filepath.Join("..", "policy", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	read := func(policies ...string) (*Config, error) {
		path := filepath.Join(dir, "assay.yaml")
		text := "history: {dir: h}\npolicies: [" + strings.Join(policies, ", ") + "]\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Read(path)
	}
	up, down := policy("fedora-43.yaml"), policy("centos-atomic.yaml")
	if _, err := read(down); err == nil || !strings.Contains(err.Error(), "which has no policy here") {
		t.Errorf("a stream without its upstream: %v", err)
	}
	if _, err := read(up, up); err == nil || !strings.Contains(err.Error(), "two policies of stream fedora-43") {
		t.Errorf("a policy twice: %v", err)
	}
	if _, err := read(up, "none.yaml"); err == nil || !strings.Contains(err.Error(), "assay.yaml:2:28: policies[1]: cannot read policy: stat ") {
		t.Errorf("a policy that is not there: %v", err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a folder was read")
	}
	c, err := read(up)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Streams()) != 1 || c.Stream("fedora-43") == nil || c.Stream("x") != nil {
		t.Errorf("streams %v", c.Streams())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = Parse("a.yaml", []byte(text), "/")
	})
}
