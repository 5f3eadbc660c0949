package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
	"assay/release/servertest"
)

// runner is a program in place of assay: it judges an image by what stands in
// it, and waits while there is a file "wait" beside it.
const runner = `#!/bin/sh
set -e
here=$(dirname "$0")
echo "$@" >>"$here/ran"
[ -z "$ASSAY_TOKEN" ] || { echo "it has the token" >&2; exit 1; }
trap 'echo ended >>"$here/ran"; exit 130' INT TERM
while [ -e "$here/wait" ]; do sleep 0.05; done
case $(cat "$2") in *broken*) echo "no disk image at all" >&2; exit 2;; *bad*) v=rejected o=failed f='"fault": "image", "message": "late",';; *) v=accepted o=passed f=;; esac
mkdir -p "$4"
cat >"$4/results.json" <<END
{"version": 1, "id": "run-$$", "tool": {"name": "assay", "version": "1"},
 "host": {"arch": "x86_64", "cpus": 2, "memory_mib": 4096, "accelerator": "kvm", "scale": 1},
 "image": {"name": "os.qcow2", "path": "os.qcow2", "digest": "sha256:$(sha256sum "$2" | cut -d' ' -f1)", "format": "qcow2", "arch": "x86_64", "size": 20, "virtual_size": 1024},
 "started": "2026-11-21T03:00:00Z", "finished": "$(date -u -d '+1 minute' +%Y-%m-%dT%H:%M:%SZ)", "verdict": "$v", "reason": "so it is", "counts": {"total": 2},
 "suites": [{"name": "base", "criterion": "S0", "title": "base", "started": "2026-11-21T03:00:00Z", "duration_ns": 1, "cases": [
  {"id": "base/units", "title": "units", "outcome": "passed", "blocking": true, "started": "2026-11-21T03:00:00Z", "duration_ns": 1},
  {"id": "base/clock", "title": "clock", "outcome": "$o", $f "blocking": true, "started": "2026-11-21T03:00:00Z", "duration_ns": 1}]}]}
END
[ $v = accepted ] || exit 3
`

// announce adds a build of one image.
func (h *host) announce(id, content string) {
	h.t.Helper()
	h.write(id+".qcow2", content)
	h.assay("build", "add", "--build", id, "--artifact", "qcow2/x86_64="+id+".qcow2", "--as", "alice", "--yes")
}

func (h *host) worker(s *serving, args ...string) *exec.Cmd {
	h.t.Helper()
	program := filepath.Join(h.dir, "runner")
	if _, err := os.Stat(program); err != nil {
		h.write("runner", runner)
		if err := os.Chmod(program, 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	cmd := h.command(append([]string{"worker", "--service", s.url, "--name", "rig", "--arch", "x86_64", "--command", program, "--alive", "100ms"}, args...)...)
	cmd.Env = append(cmd.Env, "ASSAY_TOKEN="+rigToken)
	return cmd
}

func output(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return out.String(), cmd.ProcessState.ExitCode()
}

// answers are the events of answers, a line each.
func (h *host) answers() string {
	h.t.Helper()
	return h.assay("history", "show", "--type", "test.answered")
}

func TestWorkerAnswers(t *testing.T) {
	h := newHost(t)
	s := h.serve()
	asked := func(text string) func() bool {
		return func() bool { return strings.Contains(h.assay("history", "show", "--type", "test.requested"), text) }
	}
	if out, code := output(t, h.worker(s, "--once")); code != 0 || !strings.Contains(out, "there is no test for this worker") {
		t.Errorf("there is no work: status %d\n%s", code, out)
	}
	h.announce("20261121_01", "a good image")
	s.until("a test is asked for", asked("20261121_01 qcow2 x86_64: attempt 1"))
	if out, code := output(t, h.worker(s, "--once", "--kind", "iso")); code != 0 || h.page("ran") != "" {
		t.Errorf("of another kind: status %d\n%s", code, out)
	}
	if out, code := output(t, h.worker(s, "--once", "--kind", "qcow*", "--results-url", "https://results.example/", "--", "--label", "!slow")); code != 0 {
		t.Errorf("status %d\n%s", code, out)
	}
	if got := h.page("ran"); !strings.Contains(got, "20261121_01.qcow2 --results ") || !strings.HasSuffix(got, " --label !slow\n") {
		t.Errorf("it ran %q", got)
	}
	if out := h.answers(); !strings.Contains(out, "20261121_01 qcow2 x86_64: attempt 1 accepted") {
		t.Error(out)
	}
	if out := h.assay("history", "show", "--type", "test.answered", "--json"); !strings.Contains(out, `"name":"rig"`) && !strings.Contains(out, `"name": "rig"`) || !strings.Contains(out, "https://results.example/demo-1/20261121_01/qcow2-x86_64/1-") {
		t.Error(out)
	}
	h.announce("20261122_01", "a bad image")
	s.until("a test is asked for", asked("20261122_01 qcow2 x86_64: attempt 1"))
	if out, code := output(t, h.worker(s, "--once")); code != 0 || !strings.Contains(h.answers(), "20261122_01 qcow2 x86_64: attempt 1 rejected") {
		t.Errorf("status %d\n%s", code, out)
	}

	// Other bytes than announced are not tested; the answer says why, and the test
	// is repeated while the policy lets it.
	h.announce("20261123_01", "announced")
	s.until("a test is asked for", asked("20261123_01 qcow2 x86_64: attempt 1"))
	h.write("20261123_01.qcow2", "something else")
	ran := h.page("ran")
	if out, code := output(t, h.worker(s, "--once")); code != 0 || h.page("ran") != ran {
		t.Errorf("status %d\n%s", code, out)
	}
	if out := h.answers(); !strings.Contains(out, "20261123_01 qcow2 x86_64: attempt 1 undecided: the worker rig has no result: cannot test 20261123_01.qcow2") {
		t.Error(out)
	}
	s.until("it is asked for again", asked("20261123_01 qcow2 x86_64: attempt 2"))
	h.write("20261123_01.qcow2", "announced")
	if out, code := output(t, h.worker(s, "--once")); code != 0 || !strings.Contains(h.answers(), "20261123_01 qcow2 x86_64: attempt 2 accepted") {
		t.Errorf("status %d\n%s\n%s", code, out, h.answers())
	}

	// What cannot be run at all.
	h.announce("20261124_01", "a broken image")
	s.until("a test is asked for", asked("20261124_01 qcow2 x86_64: attempt 1"))
	if out, code := output(t, h.worker(s, "--once")); code != 0 || !strings.Contains(h.answers(), "no disk image at all") {
		t.Errorf("status %d\n%s\n%s", code, out, h.answers())
	}
	for _, c := range []struct {
		token string
		args  []string
		code  int
		want  string
	}{
		{kojiToken, nil, 2, "the token of koji is not one"},
		{"nobodys-0123456789abcdef0123456789abcdef", nil, 2, "the token is none"},
		{"", nil, 2, "set ASSAY_TOKEN"},
		{rigToken, []string{"--service", "http://stage.example"}, 2, "http is for a service on this host"},
		{rigToken, []string{"--name", "assay"}, 2, "want a name"},
		{rigToken, []string{"--command", "./nofile"}, 2, "--command ./nofile: want a program that can be run: "},
	} {
		cmd := h.worker(s, append([]string{"--once"}, c.args...)...)
		cmd.Env = append(cmd.Env, "ASSAY_TOKEN="+c.token)
		if out, code := output(t, cmd); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%.6s %q: status %d\n%s", c.token, c.args, code, out)
		}
	}
	if left, err := filepath.Glob(filepath.Join(h.dir, "assay-worker", "fetched", "moment-*")); err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	s.stop()
}

// TestWorkerAtWork: one test is one worker's; it ends when nobody wants it, and
// outlives a service that was away.
func TestWorkerAtWork(t *testing.T) {
	h := newHost(t)
	port := servertest.FreePort(t)
	h.write("stage.yaml", strings.Replace(h.page("stage.yaml"), "127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", port), 1))
	s := h.serve()
	asked := func(text string) func() bool {
		return func() bool { return strings.Contains(h.assay("history", "show", "--type", "test.requested"), text) }
	}
	start := func() (*exec.Cmd, *lockedBuffer) {
		t.Helper()
		cmd, log := h.worker(s), &lockedBuffer{}
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd, log
	}
	lines := func() int { return strings.Count(h.page("ran"), "run ") }
	h.write("wait", "")
	h.announce("20261121_01", "good")
	s.until("a test is asked for", asked("20261121_01"))
	first, log := start()
	s.until("it runs", func() bool { return lines() == 1 })
	if out, code := output(t, h.worker(s, "--once")); code != 0 || lines() != 1 {
		t.Errorf("two have one test: status %d\n%s", code, out)
	}
	// The service is away when the answer is there.
	s.stop()
	if err := os.Remove(filepath.Join(h.dir, "wait")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "cannot answer"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the worker does not say that it cannot answer:\n%s", log)
		}
	}
	s = h.serve()
	s.until("the answer is there", func() bool { return strings.Contains(h.answers(), "20261121_01 qcow2 x86_64: attempt 1 accepted") })

	// Nobody wants it any more.
	h.write("wait", "")
	h.announce("20261122_01", "good too")
	s.until("it runs", func() bool { return lines() == 2 })
	h.assay("build", "mark", "20261122_01", "bad", "--reason", "x", "--as", "alice", "--yes")
	s.until("the run is ended", func() bool { return strings.Contains(h.page("ran"), "ended") })
	s.until("the worker says so", func() bool { return strings.Contains(log.String(), "is not wanted from here any more") })

	// Told to end, it ends what it runs, and answers nothing.
	h.announce("20261123_01", "good as well")
	s.until("it runs", func() bool { return lines() == 3 })
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, log)
	}
	if got := h.page("ran"); strings.Count(got, "ended") != 2 {
		t.Errorf("it ran on: %q", got)
	}
	if strings.Contains(h.answers(), "20261123_01") {
		t.Error("an answer to a test that did not end")
	}
	// Killed outright, it takes what it runs along.
	second, _ := start()
	h.announce("20261124_01", "good at last")
	s.until("it runs", func() bool { return lines() == 4 })
	if err := second.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = second.Wait()
	s.until("the run is ended", func() bool { return strings.Count(h.page("ran"), "ended") == 3 })
	s.stop()
}

// TestWorkDesk gives a test to one worker until it is silent.
func TestWorkDesk(t *testing.T) {
	h := releasetest.NewHistory(t, "demo-1")
	h.Build("20261102_01").Next()
	tasks := release.Tasks(h.Policy, h.State, h.Now)
	now := h.Now
	d := &workDesk{}
	one, ok := d.take("a", tasks, now)
	again, ok2 := d.take("a", tasks, now.Add(time.Second))
	if !ok || !ok2 || idOf(one) != idOf(again) {
		t.Errorf("%v, %v", idOf(one), idOf(again))
	}
	two, ok := d.take("b", tasks, now)
	if !ok || idOf(two) == idOf(one) {
		t.Errorf("b has %v, as a", idOf(two))
	}
	if _, ok := d.take("c", tasks, now.Add(time.Minute)); ok {
		t.Error("c has a test of another")
	}
	if err := d.hold("b", idOf(two), now.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if err := d.hold("b", idOf(one), now.Add(time.Minute)); err == nil {
		t.Error("b holds a's")
	}
	// a is silent, b is not.
	three, ok := d.take("c", tasks, now.Add(leaseTime+5*time.Second))
	if !ok || idOf(three) != idOf(one) {
		t.Errorf("c has %v", idOf(three))
	}
	if err := d.hold("a", idOf(one), now.Add(leaseTime+6*time.Second)); err == nil {
		t.Error("a comes back to what c has")
	}
	// After a restart of the service the first to speak has it.
	d = &workDesk{}
	if err := d.hold("c", idOf(one), now); err != nil {
		t.Error(err)
	}
	if err := d.hold("a", idOf(one), now); err == nil {
		t.Error("a has it, too")
	}
	d.done(idOf(one))
	if _, ok := d.take("a", tasks, now); !ok {
		t.Error("nobody has it")
	}
}

// TestWorkerWhoseAnswersAreRefused runs a test once, and is given none of streams
// whose policy does not let it answer.
func TestWorkerWhoseAnswersAreRefused(t *testing.T) {
	h := newHost(t)
	s := h.serve()
	h.announce("20261121_01", "good")
	s.until("a test is asked for", func() bool {
		return strings.Contains(h.assay("history", "show", "--type", "test.requested"), "20261121_01")
	})
	// A proxy in between refuses what is too long for it.
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	var claims atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/answer"):
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		case strings.HasSuffix(r.URL.Path, "/claim"):
			claims.Add(1)
		}
		through.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	cmd, log := h.worker(s, "--service", proxy.URL), &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s.until("the worker says so", func() bool { return strings.Contains(log.String(), "leaves the test alone from now on") })
	s.until("it asks for another", func() bool { return claims.Load() >= 2 })
	h.announce("20261122_01", "good, too")
	s.until("it does others", func() bool { return strings.Count(log.String(), "leaves the test alone from now on") == 2 })
	if n := strings.Count(h.page("ran"), "20261121_01.qcow2"); n != 1 {
		t.Errorf("it ran %d times:\n%s", n, log)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s.stop()

	h.write("demo-1.yaml", strings.Replace(h.page("demo-1.yaml"), "overrides: [", "overrides: [{machines: [other], may: [answer]}, ", 1))
	s = h.serve()
	if out, code := output(t, h.worker(s, "--once")); code != 0 || strings.Contains(out, "testing") {
		t.Errorf("it is given what it may not answer: status %d\n%s", code, out)
	}
	s.stop()
}

// TestWorkerAheadOfTime has a clock by which a test's time is up: it rests before
// it asks again.
func TestWorkerAheadOfTime(t *testing.T) {
	b := releasetest.NewHistory(t, "demo-1")
	b.Build("20261102_01").Next()
	task := release.Tasks(b.Policy, b.State, b.Now)[0]
	task.Request.Deadline = time.Now().Add(-time.Hour).UTC()
	var claims atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		claims.Add(1)
		reply(w, http.StatusOK, task)
	}))
	defer service.Close()
	h := newHost(t)
	cmd, log := h.worker(&serving{url: service.URL}), &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); claims.Load() < 3 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	// After one second, and then two.
	if n := claims.Load(); n != 3 || !strings.Contains(log.String(), "its time is up") || !strings.Contains(log.String(), "next=2s") {
		t.Errorf("%d claims\n%s", n, log)
	}
}
