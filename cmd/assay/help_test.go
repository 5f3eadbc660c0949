package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"assay/release"

	"github.com/spf13/cobra"
)

// TestEveryCommandHasAnExample: and each example is a command line that this
// command would take, by its name.
func TestEveryCommandHasAnExample(t *testing.T) {
	seen := 0
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
				continue
			}
			walk(sub)
		}
		seen++
		if !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("the help of %q has no example with it", c.CommandPath())
		}
		if c.Short == "" {
			t.Errorf("%q does not say what it is for", c.CommandPath())
		}
	}
	walk(newRootCommand())
	if seen < 35 {
		t.Errorf("only %d commands", seen)
	}
}

// TestCompletion: a shell is offered suites, checks and labels, also for the
// second of a list.
func TestCompletion(t *testing.T) {
	for _, c := range []struct{ flag, typed, want, not string }{
		{"--suite", "clo", "cloud-init\n", "base"},
		{"--suite", "base,clo", "base,cloud-init\n", "storage"},
		{"--check", "base/boot-t", "base/boot-time\n", "base/failed"},
		{"--label", "", "slow\n", "base"},
	} {
		for _, command := range []string{"run", "suites"} {
			root := newRootCommand()
			var out strings.Builder
			root.SetOut(&out)
			root.SetArgs([]string{"__complete", command, c.flag, c.typed})
			if err := root.Execute(); err != nil || !strings.Contains(out.String(), c.want) || strings.Contains(strings.ReplaceAll(out.String(), "base,", ""), c.not) {
				t.Errorf("%s %s %q: %v\n%s", command, c.flag, c.typed, err, out.String())
			}
		}
	}
}

// TestImpostor: what listens at the address of a service that was killed gets no
// token.
func TestImpostor(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Authorization") != "" {
			t.Error("it was given the token")
		}
		_, _ = w.Write([]byte("whatever"))
	}))
	defer server.Close()
	a := address{URL: server.URL, PID: 1, Key: "secret"}
	if a.isThere(t.Context()) || asked == 0 {
		t.Error("an impostor was believed")
	}
	itself := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(a.proof(r.URL.Query().Get("nonce"))))
	}))
	defer itself.Close()
	a.URL = itself.URL
	if !a.isThere(t.Context()) {
		t.Error("the service itself was not believed")
	}
	a.Key = ""
	if a.isThere(t.Context()) {
		t.Error("an empty key proves something")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.Key = "secret"
	if a.isThere(ctx) {
		t.Error("nobody answered")
	}
	if raw, err := json.Marshal(a); err != nil || !strings.Contains(string(raw), `"pid":1`) {
		t.Errorf("%s %v", raw, err)
	}
}

// TestKnownType: a type that no event can have is refused, not answered with
// nothing.
func TestKnownType(t *testing.T) {
	for glob, want := range map[release.Glob]bool{"release.decided": true, "build.*": true, "*": true, "no.such": false, "release": false} {
		if knownType(glob) != want {
			t.Errorf("%s: want %v", glob, want)
		}
	}
}
