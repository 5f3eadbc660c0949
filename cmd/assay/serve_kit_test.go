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
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/release"
	"assay/release/sign/signtest"
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
