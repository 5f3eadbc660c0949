package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestServeTakesPostedBuilds from builders alone, once, and tells what is wrong
// with others.
func TestServeTakesPostedBuilds(t *testing.T) {
	h := newHost(t)
	const carol = "carol-0123456789abcdef0123456789abcdef"
	h.write("tokens", h.page("tokens")+"carol "+carol+" person builder\n")
	s := h.serve()
	build := func(stream, more string) string {
		return fmt.Sprintf(`{"stream": %q, "compose": "Demo-1-20261121.n.0", "created": "2026-11-21T03:00:00Z", %s
 "artifacts": [{"id": "qcow2/x86_64", "name": "os.qcow2", "location": "https://k.example/os.qcow2", "digest": "sha256:%s", "size": 7}]}`, stream, more, strings.Repeat("a", 64))
	}
	for _, c := range []struct {
		what, path, token, body string
		status                  int
		says                    string
	}{
		{"nobody", "/v1/builds/demo-1", "", build("demo-1", ""), 401, "needs a token"},
		{"a worker", "/v1/builds/demo-1", rigToken, build("demo-1", ""), 403, "announced by a builder"},
		{"a person", "/v1/builds/demo-1", aliceToken, build("demo-1", ""), 403, "announced by a builder"},
		{"a person who is a builder, too", "/v1/builds/demo-1", carol, build("demo-1", ""), 403, "is no person's"},
		{"anybody", "/v1/builds/demo-1", anyToken, build("demo-1", ""), 403, "announced by a builder"},
		{"no such stream", "/v1/builds/none", kojiToken, build("none", ""), 404, "none"},
		{"another stream", "/v1/builds/demo-1", kojiToken, build("demo-2", ""), 422, "not of stream demo-1"},
		{"no JSON", "/v1/builds/demo-1", kojiToken, "{", 422, "cannot be read"},
		{"a number", "/v1/builds/demo-1", kojiToken, build("demo-1", `"build": "20261121_09",`), 422, "numbers are given here"},
		{"much", "/v1/builds/demo-1", kojiToken, strings.Repeat(" ", 2<<20), 413, "too large"},
		{"good", "/v1/builds/demo-1", kojiToken, build("demo-1", ""), 200, `"build":"20261121_01"`},
		{"again", "/v1/builds/demo-1", kojiToken, build("demo-1", ""), 200, `"build":"20261121_01"`},
		{"a failure", "/v1/builds/demo-1/failed", kojiToken, `{"stream": "demo-1", "compose": "Demo-1-20261122.n.0", "status": "DOOMED", "ended": "2026-11-21T04:00:00Z"}`, 200, `"build":""`},
	} {
		status, answer := s.call("POST", c.path, c.token, c.body)
		if status != c.status || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %s, want %d with %s", c.what, status, answer, c.status, c.says)
		}
	}
	s.until("its test is asked for", func() bool {
		return strings.Contains(h.assay("history", "show", "--type", "test.requested"), "20261121_01 qcow2 x86_64: attempt 1")
	})
	s.stop()
	if out := h.assay("history", "show", "--type", "build.seen", "--json"); strings.Count(out, `"build.seen"`) != 1 || !strings.Contains(out, `"actor":{"kind":"service","name":"koji"}`) {
		t.Error(out)
	}
	if out := h.assay("history", "show", "--type", "build.failed"); strings.Count(out, "build.failed") != 1 {
		t.Error(out)
	}
}
