package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/waiverdb"
)

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
