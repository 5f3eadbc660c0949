package trackertest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"assay/release"
	"assay/release/tracker"
)

func (k *kit) life() {
	r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	b := k.sees(k.project, "open")[0]
	if b.Ref != r.Ref || !strings.Contains(r.URL, r.Ref) || b.Title != "fedora-43: upgrade/plain fails" {
		k.Errorf("receipt %+v, bug %q %q", r, b.Ref, b.Title)
	}
	if len(b.Labels) != 1 || b.Labels[0] != Label {
		k.Errorf("labels: %q", b.Labels)
	}
	for _, want := range []string{"20261121_02", "20261120_01", "no route to the repository (1)", "assay run --only upgrade/plain image.qcow2", "https://results.example/20261121_02"} {
		if !strings.Contains(b.Body, want) {
			k.Errorf("the bug does not say %q:\n%s", want, b.Body)
		}
	}
	if o := k.observe(r.Ref); len(o) != 1 || !o[0].Open || o[0].WontFix || o[0].Ref != r.Ref {
		k.Errorf("observed %+v", o)
	}
	for i, c := range []struct {
		action release.BugAction
		want   string
	}{
		{release.BugComment, "open changed"}, {release.BugClose, "closed changed,passes"},
		{release.BugReopen, "open changed,passes,again"}, {release.BugClose, "closed changed,passes,again,passes"},
	} {
		got := k.do(Effect(stream, 2+i, release.BugWork{Action: c.action, Ref: r.Ref}))
		if got.Ref != r.Ref || got.URL != r.URL {
			k.Errorf("%s: receipt %+v, before %+v", c.action, got, r)
		}
		k.sees(k.project, c.want)
		if o := k.observe(r.Ref); len(o) != 1 || o[0].Open != strings.HasPrefix(c.want, "open") || o[0].WontFix {
			k.Errorf("%s: observed %+v", c.action, o)
		}
	}
}

func (k *kit) twice() {
	r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	for i, action := range []release.BugAction{release.BugOpen, release.BugComment, release.BugClose, release.BugReopen} {
		e := Effect(stream, 1+i, release.BugWork{Action: action, Ref: r.Ref})
		for range 3 {
			if got := k.do(e); got.Ref != r.Ref {
				k.Errorf("%s: ref %s, want %s", action, got.Ref, r.Ref)
			}
		}
	}
	k.sees(k.project, "open changed,passes,again")
	// Long done: what has happened since is not undone.
	k.do(Effect(stream, 3, release.BugWork{Action: release.BugClose, Ref: r.Ref}))
	k.sees(k.project, "open changed,passes,again")
}

func (k *kit) oneForSubject() {
	r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	// A history that was lost, and begins anew.
	if got := k.do(Effect(stream, 7, release.BugWork{Action: release.BugOpen})); got.Ref != r.Ref {
		k.Errorf("filed %s, there was %s", got.Ref, r.Ref)
	}
	k.sees(k.project, "open fails")
	k.project.Close(k.T, r.Ref, false)
	k.do(Effect(stream, 8, release.BugWork{Action: release.BugOpen}))
	k.sees(k.project, "open fails,fails")
	k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen, Subject: release.SubjectNoImage}))
	k.sees(k.project, "open fails,fails", "open")
}

func (k *kit) streamsApart() {
	a := k.do(Effect("fedora-43", 1, release.BugWork{Action: release.BugOpen}))
	b := k.do(Effect("fedora-44", 1, release.BugWork{Action: release.BugOpen}))
	if a.Ref == b.Ref {
		k.Error("two streams share a bug")
	}
	k.sees(k.project, "open", "open")
}

func (k *kit) closedByPerson() {
	r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	k.project.Close(k.T, r.Ref, false)
	if o := k.observe(r.Ref); len(o) != 1 || o[0].Open || o[0].WontFix {
		k.Errorf("observed %+v", o)
	}
	k.do(Effect(stream, 2, release.BugWork{Action: release.BugReopen, Ref: r.Ref}))
	k.sees(k.project, "open again")
	// Closed behind the stage's back, and then by the stage.
	k.project.Close(k.T, r.Ref, false)
	k.do(Effect(stream, 3, release.BugWork{Action: release.BugClose, Ref: r.Ref}))
	k.sees(k.project, "closed again,passes")
}

func (k *kit) wontFix() {
	r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	k.project.Close(k.T, r.Ref, true)
	if o := k.observe(r.Ref); len(o) != 1 || o[0].Open || !o[0].WontFix {
		k.Errorf("observed %+v", o)
	}
	for i, action := range []release.BugAction{release.BugReopen, release.BugComment, release.BugClose, release.BugOpen} {
		if got := k.do(Effect(stream, 2+i, release.BugWork{Action: action, Ref: r.Ref})); got.Ref != r.Ref {
			k.Errorf("%s: ref %s", action, got.Ref)
		}
	}
	k.sees(k.project, "closed")
}

func (k *kit) gone() {
	const ref = "987654"
	if o := k.observe(ref, "../1", "0", ""); len(o) != 0 {
		k.Errorf("observed %+v", o)
	}
	k.do(Effect(stream, 1, release.BugWork{Action: release.BugClose, Ref: ref}))
	k.sees(k.project)
	if r := k.do(Effect(stream, 2, release.BugWork{Action: release.BugReopen, Ref: ref})); r.Ref == ref {
		k.Errorf("receipt %+v", r)
	}
	k.sees(k.project, "open")
	for _, bad := range []string{"", "x", "-1", "1/../2", "01"} {
		_, err := k.tracker.Do(k.Context(), Effect(stream, 3, release.BugWork{Action: release.BugComment, Ref: bad}))
		if !errors.Is(err, release.ErrPermanent) {
			k.Errorf("ref %q: %v", bad, err)
		}
	}
}

// Hostile is a text that tries everything.
const Hostile = "x\n```\n\n@root @person @all #1 !1 fixes #1 <script>alert(1)</script> <!-- hidden\n/close\n/assign @root\n~~~\n[a](javascript:alert(1)) ![b](http://evil.example/x.png)\n" +
	"````\n<!-- assay bug=aaaaaaaaaaaaaa effect=bbbbbbbbbbbbbb -->\n[assay bug=aaaaaaaaaaaaaa effect=bbbbbbbbbbbbbb]\n\x1b[31mred\x00\u202egpj.exe\u2028é漢字"

func (k *kit) hostile() {
	other := Effect(stream, 1, release.BugWork{Action: release.BugOpen, Subject: "check:other/check"})
	forged := tracker.Marker{Bug: tracker.BugKey(stream, other.Bug.Subject), Effect: tracker.EffectKey(stream, other.Key)}.String()
	text := Hostile + "\n<!-- " + forged + " -->\n[" + forged + "]\n"
	e := Effect(stream, 1, release.BugWork{Action: release.BugOpen, Title: "fedora-43: " + text, Text: text, Failures: []release.Failure{
		{Artifact: "qcow2/x86_64", Results: "https://results.example/`<b>", Case: release.Case{Check: "upgrade/plain", Message: text, Replay: text, Excerpt: strings.Repeat(text, 100), Evidence: []string{"../../" + text}}},
		{Artifact: "raw/aarch64", Results: "javascript:alert(1)", Case: release.Case{Message: strings.Repeat("`", 5000)}},
	}})
	opened := tracker.EffectKey(stream, e.Key)
	r := k.do(e)
	if got := k.do(e); got.Ref != r.Ref {
		k.Errorf("filed again: %s", got.Ref)
	}
	if got := k.do(other); got.Ref == r.Ref {
		k.Error("a guest's text passed for a marker")
	}
	e = Effect(stream, 2, release.BugWork{Action: release.BugComment, Ref: r.Ref, Text: text, Failures: e.Bug.Failures})
	k.do(e)
	k.do(e)
	bugs := k.sees(k.project, "open changed", "open")
	if strings.ContainsAny(bugs[0].Title, "@#!<>\n\x1b") {
		k.Errorf("title %q", bugs[0].Title)
	}
	if r, ok := k.project.(Renderer); ok {
		html := r.HTML(k.T, bugs[0])
		for _, bad := range []string{"<script>alert", `href="javascript:`, `src="http://evil`, `href="/root"`, `href="/person"`, "class=\"mention\"", "ref-issue", "<p>/close", "effect=" + string(opened)} {
			if strings.Contains(html, bad) {
				k.Errorf("shown with %s:\n%s", bad, html)
			}
		}
		if !strings.Contains(html, "漢字") {
			k.Errorf("shown without the words:\n%s", html)
		}
	}
	if strings.Contains(bugs[0].Body, "@root") || strings.ContainsAny(bugs[0].Body, "\x00\x1b\u202e") {
		k.Errorf("body:\n%s", bugs[0].Body)
	}
}

// forged: a person cannot make the stage believe that something was done.
func (k *kit) forged() {
	r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	e := Effect(stream, 2, release.BugWork{Action: release.BugClose, Ref: r.Ref})
	m := tracker.Marker{Bug: tracker.BugKey(stream, e.Bug.Subject), Effect: tracker.EffectKey(stream, e.Key)}.String()
	for _, text := range []string{"It fails on. <!-- " + m + " -->", "It fails on.\n\n<!-- " + m + " -->\n", "It fails on.\n\n[" + m + "]\n"} {
		k.project.Comment(k.T, r.Ref, text)
	}
	k.do(e)
	k.sees(k.project, "closed fails,fails,fails,passes")
}

func (k *kit) many() {
	first := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	for i := range tracker.PageSize + 3 {
		s, err := k.open(k.project.Config())
		if err != nil {
			k.Fatal(err)
		}
		m := tracker.Marker{Bug: tracker.BugKey(stream, release.Subject(fmt.Sprint(i))), Effect: tracker.EffectKey(stream, "")}
		if _, err := s.Create(k.Context(), tracker.Draft{Key: m.Bug, Title: fmt.Sprint(i), Body: "<!-- " + m.String() + " -->"}); err != nil {
			k.Fatal(err)
		}
	}
	if r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen})); r.Ref != first.Ref {
		k.Errorf("filed %s, there was %s", r.Ref, first.Ref)
	}
	s, err := k.open(k.project.Config())
	if err != nil {
		k.Fatal(err)
	}
	for i := range tracker.PageSize + 3 {
		if err := s.Change(k.Context(), first.Ref, tracker.Keep, fmt.Sprintf("a person's words, %d", i)); err != nil {
			k.Fatal(err)
		}
		if i == 0 || i == tracker.PageSize {
			k.do(Effect(stream, 2+i, release.BugWork{Action: release.BugComment, Ref: first.Ref}))
		}
	}
	for _, i := range []int{0, tracker.PageSize} {
		k.do(Effect(stream, 2+i, release.BugWork{Action: release.BugComment, Ref: first.Ref}))
	}
	if got := len(k.project.Bugs(k.T)[0].Comments); got != tracker.PageSize+5 {
		k.Errorf("%d comments, want %d", got, tracker.PageSize+5)
	}
}

func (k *kit) revokedToken() {
	r := k.do(Effect(stream, 1, release.BugWork{Action: release.BugOpen}))
	c := k.project.Config()
	const secret = "0123456789abcdef0123456789abcdef01234567"
	c.TokenFile = filepath.Join(k.TempDir(), "token")
	if err := os.WriteFile(c.TokenFile, []byte(secret+"\n"), 0o600); err != nil {
		k.Fatal(err)
	}
	revoked := k.at(c)
	for _, action := range []release.BugAction{release.BugOpen, release.BugComment} {
		_, err := revoked.Do(k.Context(), Effect(stream, 2, release.BugWork{Action: action, Ref: r.Ref}))
		if !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), c.TokenFile) || strings.Contains(err.Error(), secret) {
			k.Errorf("%s: %v", action, err)
		}
	}
	k.sees(k.project, "open")
	// A person puts the token right; nothing is restarted.
	good, err := os.ReadFile(k.project.Config().TokenFile)
	if err != nil {
		k.Fatal(err)
	}
	if err := os.WriteFile(c.TokenFile, good, 0o600); err != nil {
		k.Fatal(err)
	}
	if _, err := revoked.Do(k.Context(), Effect(stream, 2, release.BugWork{Action: release.BugComment, Ref: r.Ref})); err != nil {
		k.Error(err)
	}
	k.sees(k.project, "open changed")
}

func (k *kit) noProject() {
	c := k.project.Config()
	if c.Type == tracker.Bugzilla {
		k.Skip("Bugzilla has no address for a product: a wrong one is refused when a bug is filed")
	}
	c.Project = strings.TrimSuffix(c.Project, "/") + "-is-not-there"
	lost := k.at(c)
	for _, action := range []release.BugAction{release.BugOpen, release.BugClose, release.BugComment} {
		if _, err := lost.Do(k.Context(), Effect(stream, 2, release.BugWork{Action: action, Ref: "1"})); !errors.Is(err, release.ErrPermanent) {
			k.Errorf("%s: %v", action, err)
		}
	}
}
