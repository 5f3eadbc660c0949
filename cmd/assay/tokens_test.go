package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/release"
)

func TestTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	read := func(text string, mode os.FileMode) error {
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		_, err := readTokens(path)
		return err
	}
	if err := read("alice "+aliceToken+"\n", 0o600); err != nil {
		t.Error(err)
	}
	for text, says := range map[string]string{"alice short\n": ":1: the token has fewer", "alice\n": ":1: want NAME TOKEN", "# c\n\na b " + aliceToken + "\n": ":3: want NAME TOKEN",
		"a " + aliceToken + " bulider\n":        ":1: want NAME TOKEN, and after it nothing but roles: [person builder worker]",
		"assay " + aliceToken + " worker\n":     ":1: no machine is called assay",
		"a " + aliceToken + " worker bee\n":     "nothing but roles",
		"worker " + aliceToken[:20] + " worker": "has fewer"} {
		if err := read(text, 0o600); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), aliceToken) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := read("alice "+aliceToken+"\n", 0o644); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("everybody can read it: %v", err)
	}
}

// TestRoles: what a token can say, before any policy is asked.
func TestRoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	text := func(name string) string { return strings.Repeat(name+"-", 10) + strings.Repeat("0", minToken) }
	var file strings.Builder
	for _, l := range []string{"* any", "bob bob", "carol carol person builder", "koji koji builder", "rig rig worker", "farm farm worker builder"} {
		f := strings.Fields(l)
		file.WriteString(strings.Join(append([]string{f[0], text(f[1])}, f[2:]...), " ") + "\n")
	}
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := readTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	a := func(kind release.ActorKind, name string) release.Actor { return release.Actor{Kind: kind, Name: name} }
	for _, c := range []struct {
		token string
		by    release.Actor
		says  release.Type
		ok    bool
	}{
		{"bob", a(release.Person, "bob"), "check.waived", true},
		{"bob", a(release.Person, "bob"), "build.seen", false},
		{"bob", a(release.Person, "bob"), "test.answered", false},
		{"bob", a(release.Person, "alice"), "check.waived", false},
		{"bob", a(release.Service, "bob"), "check.waived", false},
		{"carol", a(release.Person, "carol"), "build.seen", true},
		{"carol", a(release.Person, "carol"), "check.waived", true},
		{"carol", a(release.Person, "carol"), "test.answered", false},
		{"koji", a(release.Service, "koji"), "build.seen", true},
		{"koji", a(release.Service, "koji"), "rebuild.failed", true},
		{"koji", a(release.Service, "koji"), "test.answered", false},
		{"koji", a(release.Service, "koji"), "build.marked", false},
		{"koji", a(release.Person, "koji"), "build.seen", false},
		{"koji", a(release.Service, "cbs"), "build.seen", false},
		{"rig", a(release.Service, "rig"), "test.answered", true},
		{"rig", a(release.Service, "rig"), "build.seen", false},
		{"rig", a(release.Service, "rig"), "promotion.requested", false},
		{"farm", a(release.Service, "farm"), "build.seen", true},
		{"farm", a(release.Service, "farm"), "test.answered", true},
		{"farm", a(release.Service, "farm"), "stream.blocked", false},
		{"any", a(release.Person, "alice"), "test.answered", true},
		{"any", a(release.Service, "koji"), "build.seen", true},
		{"any", release.Self, "build.seen", false},
		{"any", a(release.Person, "alice"), "policy.set", false},
		{"any", a(release.Person, "alice"), "release.decided", false},
	} {
		h, err := list.holder(&http.Request{Header: http.Header{"Authorization": {"Bearer " + text(c.token)}}})
		if err == nil {
			err = h.mayRecord(release.Event{ID: string(c.says) + ":s:1", Stream: "s", Type: c.says, Actor: c.by})
		}
		if (err == nil) != c.ok {
			t.Errorf("the token of %s, %s by the %s %s: %v", c.token, c.says, c.by.Kind, c.by, err)
		}
	}
	for _, id := range []string{"", "policy.set:s:1", "build.seen:other:1", "build.seen"} {
		h, err := list.holder(&http.Request{Header: http.Header{"Authorization": {"Bearer " + text("koji")}}})
		if err != nil {
			t.Fatal(err)
		}
		if h.mayRecord(release.Event{ID: id, Stream: "s", Type: "build.seen", Actor: a(release.Service, "koji")}) == nil {
			t.Errorf("an event takes the id %q", id)
		}
	}
	for _, c := range []struct {
		who  release.Actor
		in   role
		want string
	}{
		{a(release.Person, "bob"), person, "bob"}, {a(release.Person, "bob"), builder, "any"}, {a(release.Person, "carol"), builder, "carol"},
		{a(release.Service, "koji"), builder, "koji"}, {a(release.Service, "koji"), worker, "any"}, {a(release.Person, "koji"), builder, "any"},
	} {
		if got, err := tokenFor(path, c.who, c.in); err != nil || got != text(c.want) {
			t.Errorf("the %s %s as a %s: %.5s, %v", c.who.Kind, c.who, c.in, got, err)
		}
	}
}
