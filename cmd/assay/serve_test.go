package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/release"
	"assay/release/publish"
	"assay/release/sign/signtest"
	"assay/release/waiverdb"
)

const (
	aliceToken = "a11ce-0123456789abcdef0123456789abcdef"
	kojiToken  = "koji-0123456789abcdef0123456789abcdef0"
	rigToken   = "rig-0123456789abcdef0123456789abcdef00"
	anyToken   = "any-0123456789abcdef0123456789abcdef00"
)

// host is a folder with all that a service has, and the commands of its people.
type host struct {
	t         testing.TB
	dir, path string
}

func newHost(t testing.TB) *host {
	t.Helper()
	for _, program := range []string{"gpgv", "ostree"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("publishing needs %s: %v", program, err)
		}
	}
	h := &host{t: t, dir: t.TempDir(), path: assayInPath(t)}
	k := signtest.OpenPGP(t, 0)
	h.write("stage.yaml", fmt.Sprintf(`history: {dir: history}
policies: [demo-1.yaml]
spool: spool
serve: {listen: "127.0.0.1:0", tokens: tokens, tick: 1s}
keys: {demo: {file: %q, public: %q}}
targets:
  site: {directory: {path: public}, url: "https://downloads.example/", trust: {openpgp: [%q], require: [checksums, images]}}
trackers: {bugs: {folder: bugs}}
announce: {mail: {folder: mails}}
site: {title: Demo, directory: pages, url: "https://downloads.example/"}
`, k.Secret, k.Public, k.Public))
	h.write("demo-1.yaml", `stream: demo-1
artifacts: {required: [qcow2/x86_64]}
tests: {retries: 1, timeout: 6h}
calendar: {weeks: 2, first: "2999-11-26", at: "12:00", zone: UTC}
when_nothing_passed: retry
greenwave: [{file: gates.yaml, context: release, product_version: demo}]
overrides: [{users: [alice], may: [waive, mark, block, promote, revoke, repair]}]
trackers: [{name: bugs}]
keys: [demo]
targets: [{name: site}]
announce: [mail]
`)
	h.write("gates.yaml", `--- !Policy
id: demo
decision_contexts: [release]
subject_type: compose
product_versions: [demo]
rules:
  - !PassingTestCaseRule {test_case_name: assay.run, scenario: qcow2/x86_64}
`)
	h.write("tokens", "alice "+aliceToken+"\n# anybody\n* "+anyToken+"\nkoji "+kojiToken+" builder\nrig "+rigToken+" worker\n")
	if err := os.Mkdir(filepath.Join(h.dir, "public"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.assay("history", "init")
	return h
}

func (h *host) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(h.path, "assay"), args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "ASSAY_CONFIG=stage.yaml")
	return cmd
}

// assay runs a command that has to work and returns what it says.
func (h *host) assay(args ...string) string {
	h.t.Helper()
	out, err := h.try(args...)
	if err != nil {
		h.t.Fatalf("assay %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (h *host) try(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := h.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// build announces a build with an image of its own and brings a result in.
func (h *host) build(id, verdict string) {
	h.t.Helper()
	image := "image " + id
	h.write(id+".qcow2", image)
	outcome, fault := "passed", ""
	if verdict != "accepted" {
		outcome, fault = "failed", `"fault": "image", "message": "late",`
	}
	sum := sha256.Sum256([]byte(image))
	h.write("results-"+id+"/results.json", fmt.Sprintf(`{"version": 1, "id": "run-%[1]s", "tool": {"name": "assay", "version": "1"},
 "host": {"arch": "x86_64", "cpus": 2, "memory_mib": 4096, "accelerator": "kvm", "scale": 1},
 "image": {"name": "os.qcow2", "path": "os.qcow2", "digest": "sha256:%[2]s", "format": "qcow2", "arch": "x86_64", "size": 20, "virtual_size": 1024},
 "started": "2026-11-21T03:00:00Z", "finished": "2026-11-21T03:05:00Z", "verdict": %[3]q, "reason": "so it is", "counts": {"total": 2},
 "suites": [{"name": "base", "criterion": "S0", "title": "base", "started": "2026-11-21T03:00:00Z", "duration_ns": 1, "cases": [
  {"id": "base/units", "title": "units", "outcome": "passed", "blocking": true, "started": "2026-11-21T03:00:00Z", "duration_ns": 1},
  {"id": "base/clock", "title": "clock", "outcome": %[4]q, %[5]s "blocking": true, "started": "2026-11-21T03:00:00Z", "duration_ns": 1}]}]}`,
		id, hex.EncodeToString(sum[:]), verdict, outcome, fault))
	h.assay("build", "add", "--build", id, "--compose", "Demo-"+id, "--artifact", "qcow2/x86_64="+id+".qcow2", "--as", "alice", "--yes")
	h.assay("build", "result", id, "results-"+id, "--as", "alice", "--yes")
}

// serving is a service that runs.
type serving struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string
	log  *lockedBuffer
	done chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// launch starts a service and does not wait for it.
func (h *host) launch() *serving {
	h.t.Helper()
	s := &serving{t: h.t, cmd: h.command("serve"), log: &lockedBuffer{}, done: make(chan struct{})}
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	h.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
	})
	return s
}

// serve starts a service and waits until it answers.
func (h *host) serve() *serving {
	h.t.Helper()
	s := h.launch()
	s.until("it answers", func() bool {
		raw, err := os.ReadFile(filepath.Join(h.dir, "history", addressFile))
		var a address
		if err != nil || json.Unmarshal(raw, &a) != nil || a.PID != s.cmd.Process.Pid {
			return false
		}
		s.url = a.URL
		return true
	})
	return s
}

func (s *serving) until(what string, is func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for !is() {
		select {
		case <-s.done:
			s.t.Fatalf("the service has ended while waiting until %s:\n%s", what, s.log)
		default:
		}
		if !pause(ctx, 10*time.Millisecond) {
			s.t.Fatalf("it never came that %s:\n%s", what, s.log)
		}
	}
}

// stop ends it in order.
func (s *serving) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	if s.cmd.ProcessState.ExitCode() != 0 || !strings.Contains(s.log.String(), "ended in order") {
		s.t.Fatalf("the service ended with %s:\n%s", s.cmd.ProcessState, s.log)
	}
}

func (s *serving) call(method, path, token, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// published reports whether a build is out everywhere, and nothing waits.
func (s *serving) published(build string) bool {
	s.t.Helper()
	_, body := s.call("GET", "/v1/status/demo-1", "", "")
	var st struct {
		Out       *struct{ Build string }
		Published bool
		Waiting   []any
	}
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	return st.Out != nil && st.Out.Build == build && st.Published && len(st.Waiting) == 0
}

// TestServe has a service do what people ask of it by the command line and over
// HTTP.
func TestServe(t *testing.T) {
	h := newHost(t)
	s := h.serve()
	if out, err := h.try("serve"); err == nil || !strings.Contains(out, "a service has it open already (process "+strconv.Itoa(s.cmd.Process.Pid)) {
		t.Errorf("a second service: %v, %s", err, out)
	}

	// By the command line, through the service.
	h.build("20261121_01", "accepted")
	h.assay("release", "promote", "20261121_01", "--out-of-band", "--reason", "first", "--as", "alice", "--yes")
	s.until("the first is published", func() bool { return s.published("20261121_01") })
	h.build("20261122_01", "rejected")
	if out, err := h.try("release", "promote", "20261121_01", "--out-of-band", "--reason", "x", "--as", "mallory", "--yes"); err == nil || !strings.Contains(out, "not newer") {
		t.Errorf("mallory promotes: %v, %s", err, out)
	}
	if out, err := h.try("build", "mark", "20261122_01", "bad", "--reason", "x", "--as", "mallory", "--yes"); err == nil || !strings.Contains(out, "does not let mallory mark") {
		t.Errorf("mallory marks: %v, %s", err, out)
	}
	if out := h.assay("history", "verify"); !strings.Contains(out, "the chain is whole") {
		t.Error(out)
	}

	// Only with a token, only as oneself, only what is for people to say.
	for _, c := range []struct {
		name, token, event, actor string
		status                    int
	}{
		{"no token", "", "stream.blocked", "alice", 401},
		{"a wrong token", "wrong-0123456789abcdef0123456789abcd", "stream.blocked", "alice", 401},
		{"another's name", aliceToken, "stream.blocked", "bob", 403},
		{"nobody's permission", anyToken, "stream.blocked", "bob", 422},
		{"the stage's own word", anyToken, "effect.failed", "alice", 403},
		{"a date that is not open", anyToken, "slot.skipped", "alice", 422},
		{"after another head", aliceToken, "stream.blocked", "alice", 409},
	} {
		var f release.Fact = &release.StreamBlocked{Word: release.Word{Reason: "x"}}
		switch c.event {
		case "slot.skipped":
			f = &release.SlotSkipped{Slot: "2026-11-24", At: time.Now().UTC()}
		case "effect.failed":
			f = &release.EffectFailed{Key: "publish/site/1/stage", Attempt: 1, Error: "x", Retry: time.Now().UTC()}
		}
		e, err := release.NewEvent("demo-1", time.Now(), release.Actor{Kind: release.Person, Name: c.actor}, f)
		if err != nil {
			t.Fatal(err)
		}
		head := s.head(h)
		if c.status == 409 {
			head.Seq--
		}
		raw, err := release.Encode(head, e)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(wireAppend{head, raw})
		if status, answer := s.call("POST", "/v1/log/events", c.token, string(body)); status != c.status {
			t.Errorf("%s: status %d: %s", c.name, status, answer)
		}
	}
	// Machines do their own work and nothing else.
	machine := func(token string, args ...string) (string, error) {
		cmd := h.command(args...)
		cmd.Env = append(cmd.Env, "ASSAY_TOKEN="+token)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct {
		name, says string
		token      string
		args       []string
	}{
		{"a person announces", "build.seen is said by a builder, and the token of alice is not one", aliceToken, []string{"build", "add", "--build", "20261123_01", "--artifact", "qcow2/x86_64=20261121_01.qcow2", "--as", "alice", "--yes"}},
		{"a worker announces", "the token of rig is not one", rigToken, []string{"build", "add", "--build", "20261123_01", "--artifact", "qcow2/x86_64=20261121_01.qcow2", "--machine", "rig", "--yes"}},
		{"a builder announces", "recorded: demo-1 build.seen", kojiToken, []string{"build", "add", "--build", "20261123_01", "--artifact", "qcow2/x86_64=20261121_01.qcow2", "--machine", "koji", "--yes"}},
		{"a builder answers", "test.answered is said by a worker, and the token of koji is not one", kojiToken, []string{"build", "result", "20261123_01", "results-20261121_01", "--machine", "koji", "--yes"}},
		{"another worker answers", "the token is of the service rig, and the event of the service rig2", rigToken, []string{"build", "result", "20261123_01", "results-20261121_01", "--machine", "rig2", "--yes"}},
		{"a worker answers", "recorded: demo-1 test.answered", rigToken, []string{"build", "result", "20261123_01", "results-20261121_01", "--machine", "rig", "--yes"}},
		{"a builder marks", "is said by a person", kojiToken, []string{"build", "mark", "20261123_01", "bad", "--reason", "x", "--as", "alice", "--yes"}},
	} {
		if out, err := machine(c.token, c.args...); !strings.Contains(out, c.says) || (err == nil) != strings.HasPrefix(c.says, "recorded") {
			t.Errorf("%s: %v, %s", c.name, err, out)
		}
	}
	if status, answer := s.call("POST", "/waiverdb/api/v1.0/waivers/", rigToken, "{}"); status != 403 {
		t.Errorf("a machine waives: %d %s", status, answer)
	}
	if out := h.assay("history", "show", "--type", "build.seen", "--json", "--last", "1"); !strings.Contains(out, `"actor":{"kind":"service","name":"koji"}`) {
		t.Errorf("who announced it: %s", out)
	}
	for _, body := range []string{"", "{}", `{"event": 7}`, strings.Repeat("x", 2<<20)} {
		if status, answer := s.call("POST", "/v1/log/events", aliceToken, body); status != 400 {
			t.Errorf("body %.20q: status %d: %s", body, status, answer)
		}
	}
	if status, _ := s.call("GET", "/v1/log/events?after=0", "", ""); status != 401 {
		t.Errorf("the history without a token: %d", status)
	}

	// In the words of Greenwave and WaiverDB.
	question := `{"decision_context": "release", "product_version": "demo", "subject_type": "compose", "subject_identifier": "Demo-20261122_01"}`
	if status, answer := s.call("POST", "/greenwave/api/v1.0/decision", "", question); status != 200 || !strings.Contains(answer, `"policies_satisfied":false`) {
		t.Errorf("decision: %d %s", status, answer)
	}
	if status, answer := s.call("POST", "/greenwave/api/v1.0/decision", "", strings.ReplaceAll(question, "1122", "1121")); status != 200 || !strings.Contains(answer, `"policies_satisfied":true`) {
		t.Errorf("decision: %d %s", status, answer)
	}
	if status, answer := s.call("POST", "/greenwave/api/v1.0/decision", "", strings.ReplaceAll(question, "1122", "1129")); status != 200 || !strings.Contains(answer, `"policies_satisfied":false`) {
		t.Errorf("a build that is not there: %d %s", status, answer)
	}
	// What the stage would not release does not pass its gate, whatever its tests
	// say; as of before it was said, it does.
	then := time.Now().UTC().Format(time.RFC3339Nano)
	h.assay("build", "mark", "20261121_01", "bad", "--reason", "eats disks", "--as", "alice", "--yes")
	first := strings.ReplaceAll(question, "1122", "1121")
	if status, answer := s.call("POST", "/greenwave/api/v1.0/decision", "", first); status != 200 || !strings.Contains(answer, `"policies_satisfied":false`) || !strings.Contains(answer, "eats disks") {
		t.Errorf("a build that is bad: %d %s", status, answer)
	}
	if status, answer := s.call("POST", "/greenwave/api/v1.0/decision", "", strings.Replace(first, "{", `{"when": "`+then+`", `, 1)); status != 200 || !strings.Contains(answer, `"policies_satisfied":true`) {
		t.Errorf("before that: %d %s", status, answer)
	}
	h.assay("build", "mark", "20261121_01", "good", "--reason", "it was the disk", "--as", "alice", "--yes")
	db := &waiverdb.Client{URL: s.url + "/waiverdb/api/v1.0", Authorize: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+aliceToken) }}
	scenario := "qcow2/x86_64"
	waiver := waiverdb.New{SubjectType: "compose", Identifier: "Demo-20261122_01", TestCase: "base/clock", Scenario: &scenario, ProductVersion: "demo", Waived: true, Comment: "not the image's"}
	filed, err := db.File(t.Context(), waiver)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := db.Waiver(t.Context(), filed.ID); err != nil || again.Username != "alice" || again.Comment != waiver.Comment {
		t.Errorf("waiver %+v, %v", again, err)
	}
	if all, err := db.Waivers(t.Context(), waiverdb.Filter{Identifier: "Demo-20261122_01"}); err != nil || len(all) != 1 {
		t.Errorf("waivers %+v, %v", all, err)
	}
	if all, err := db.Waivers(t.Context(), waiverdb.Filter{Identifier: "Demo-20261121_01"}); err != nil || len(all) != 0 {
		t.Errorf("waivers of another: %+v, %v", all, err)
	}
	for what, change := range map[string]func(*waiverdb.New){
		"another build": func(w *waiverdb.New) { w.Identifier = "Demo-1" }, "in another's name": func(w *waiverdb.New) { w.Username = "bob" },
		"without a comment": func(w *waiverdb.New) { w.Comment = "" }, "taken back": func(w *waiverdb.New) { w.Waived = false },
	} {
		bad := waiver
		change(&bad)
		if _, err := db.File(t.Context(), bad); err == nil {
			t.Errorf("a waiver %s was filed", what)
		}
	}

	// To look at.
	for path, says := range map[string]string{
		"/healthz": `"findings":0`, "/v1/status": `"stream":"demo-1"`, "/v1/decision/demo-1": `"action":"wait"`, "/v1/builds/demo-1": `"release":"out"`,
		"/v1/builds/demo-1/20261122_01": `"in_force":true`, "/v1/builds/demo-1/Demo-20261122_01": `"build":"20261122_01"`,
		"/v1/status/demo-1?at=2026-01-01T00:00:00Z": `"published":`, "/greenwave/api/v1.0/policies": `"id":"demo"`, "/waiverdb/api/v1.0/about": `"auth_method"`,
		"/metrics": `assay_release_published{stream="demo-1"} 1`,
	} {
		if status, answer := s.call("GET", path, "", ""); status != 200 || !strings.Contains(answer, says) {
			t.Errorf("%s: %d, without %s: %s", path, status, says, answer)
		}
	}
	if status, answer := s.call("GET", "/v1/status?at=soon", "", ""); status != 400 {
		t.Errorf("no time: %d %s", status, answer)
	}
	for _, path := range []string{"/v1/status/none", "/v1/builds/demo-1/none", "/waiverdb/api/v1.0/waivers/7", "/none"} {
		if status, answer := s.call("GET", path, "", ""); status != 404 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	s.until("the page shows the waiver", func() bool {
		page, err := os.ReadFile(filepath.Join(h.dir, "pages", "streams", "demo-1", "builds", "20261122_01.html"))
		return err == nil && bytes.Contains(page, []byte("not the image&#39;s"))
	})

	s.stop()
	if _, err := os.Stat(filepath.Join(h.dir, "history", addressFile)); err == nil {
		t.Error("the address is still there")
	}
	if out := h.assay("history", "verify"); !strings.Contains(out, "the chain is whole") {
		t.Error(out)
	}
}

func (s *serving) head(h *host) release.Head {
	h.t.Helper()
	var r struct {
		Head release.Head `json:"head"`
	}
	if err := json.Unmarshal([]byte(h.assay("history", "verify", "--json")), &r); err != nil {
		h.t.Fatal(err)
	}
	return r.Head
}

// reader looks at what is published: whatever it is, it is whole.
func (h *host) reader() (publish.Pointer, error) {
	var p publish.Pointer
	raw, err := os.ReadFile(filepath.Join(h.dir, "public", "streams", "demo-1", "release.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, err
	}
	for _, f := range p.Files {
		raw, err := os.ReadFile(filepath.Join(h.dir, "public", p.Folder, f.Name))
		if err != nil {
			return p, err
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != f.SHA256 {
			return p, fmt.Errorf("%s of %s has other bytes", f.Name, p.Build)
		}
	}
	return p, nil
}

// status is the build that was out before the last, and the last.
func (h *host) status() (previous, out string) {
	h.t.Helper()
	var all []struct {
		Out struct{ Previous, Build string }
	}
	if err := json.Unmarshal([]byte(h.assay("release", "status", "--json")), &all); err != nil {
		h.t.Fatal(err)
	}
	return all[0].Out.Previous, all[0].Out.Build
}

// killWithin kills a service at a moment within d.
func (s *serving) killWithin(d time.Duration) {
	s.t.Helper()
	select {
	case <-time.After(rand.N(d)):
	case <-s.done:
		s.t.Fatalf("it ended by itself:\n%s", s.log)
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

// kills is how often TestKilledService kills at least; ASSAY_KILLS is another number.
const kills = 4

// TestKilledService kills a service at random moments while it releases build
// after build. Whoever reads all the while sees whole releases, one after the
// other, and in the end every effect has happened once.
func TestKilledService(t *testing.T) {
	h := newHost(t)
	n := kills
	if s := os.Getenv("ASSAY_KILLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	// How long an undisturbed release takes.
	h.build("20261101_01", "accepted")
	h.assay("release", "promote", "20261101_01", "--out-of-band", "--reason", "first", "--as", "alice", "--yes")
	began := time.Now()
	s := h.serve()
	s.until("the first is published", func() bool { return s.published("20261101_01") })
	whole := time.Since(began)
	s.stop()

	stop, looked := make(chan struct{}), make(chan error, 1)
	go func() {
		var last release.BuildID
		for {
			p, err := h.reader()
			if err == nil && last != "" && p.Build.Compare(last) < 0 {
				err = fmt.Errorf("after %s readers see %q", last, p.Build)
			}
			last = p.Build
			select {
			case <-stop:
				looked <- err
				return
			default:
			}
			if err != nil {
				looked <- err
				return
			}
		}
	}()
	releases, killed := 1, 0
	for killed < n {
		id := string(release.NewBuildID(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), releases))
		h.build(id, "accepted")
		h.assay("release", "promote", id, "--out-of-band", "--reason", "next", "--as", "alice", "--yes")
		for range 4 {
			h.launch().killWithin(whole * 5 / 4)
			killed++
		}
		s := h.serve()
		s.until(id+" is published", func() bool { return s.published(id) })
		s.stop()
		releases++
	}
	close(stop)
	if err := <-looked; err != nil {
		t.Errorf("a reader: %v", err)
	}
	seen := map[string]int{}
	for l := range strings.Lines(h.assay("history", "show", "--type", "effect.done", "--json")) {
		var e struct{ Data struct{ Key string } }
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatal(err)
		}
		seen[e.Data.Key]++
	}
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s has happened %d times", key, times)
		}
	}
	// Signed, five steps, announced. How often pages are made anew beside that
	// depends on when it was killed.
	maps.DeleteFunc(seen, func(key string, _ int) bool { return strings.HasPrefix(key, "publish/site/pages/") })
	if len(seen) != 7*releases {
		t.Errorf("%d effects of %d releases", len(seen), releases)
	}
	mails, err := os.ReadDir(filepath.Join(h.dir, "mails"))
	if err != nil || len(slices.DeleteFunc(mails, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })) != releases {
		t.Errorf("%d mails of %d releases, %v", len(mails), releases, err)
	}

	// The last is revoked: readers get the one before, and one bug is filed.
	bad := string(release.NewBuildID(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), releases-1))
	before, _ := h.status()
	h.assay("release", "revoke", bad, "--reason", "does not boot", "--link", "https://bugs.example/9", "--as", "alice", "--yes")
	for range 2 {
		h.launch().killWithin(whole * 5 / 4)
		killed++
	}
	s = h.serve()
	s.until("the one before is out again", func() bool { return s.published(before) })
	s.stop()
	if p, err := h.reader(); err != nil || string(p.Build) != before || p.Revoked == nil || string(p.Revoked.Build) != bad {
		t.Errorf("after the revocation readers see %+v, %v", p, err)
	}
	if bugs, err := os.ReadDir(filepath.Join(h.dir, "bugs")); err != nil || len(bugs) != 1 {
		t.Errorf("bugs: %v, %v", bugs, err)
	}
	if out := h.assay("history", "verify"); !strings.Contains(out, "the chain is whole") {
		t.Error(out)
	}
	t.Logf("killed %d times in %d releases", killed, releases)
}
