package trackertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/tracker"
)

// Bug is a bug as a person sees it.
type Bug struct {
	Ref, Title, Body string
	Open             bool
	Labels           []string
	// Comments are those that people and programs wrote, oldest first.
	Comments []string
}

// Project is an empty project of a tracker, and a person at work in it.
type Project interface {
	// Config is how the stage's account gets there.
	Config() tracker.Config
	// Bugs lists all bugs, oldest first.
	Bugs(t testing.TB) []Bug
	// Close closes a bug by a person's word.
	Close(t testing.TB, ref string, wontFix bool)
	// Comment is a person's comment.
	Comment(t testing.TB, ref, text string)
}

// Renderer is a project that shows what people's browsers get for a bug.
type Renderer interface {
	HTML(t testing.TB, b Bug) string
}

// Slow projects take a quarter of a second for each request: they see fewer
// faults.
type Slow interface{ Slow() }

// Label is a label that every project has.
const Label = "assay"

// Open makes an adapter.
type Open func(tracker.Config) (tracker.Service, error)

// Run runs the kit. start makes a new project for each test.
func Run(t *testing.T, open Open, start func(t testing.TB) Project) {
	for _, c := range []struct {
		name string
		run  func(*kit)
	}{
		{"life", (*kit).life},
		{"twice", (*kit).twice},
		{"one bug for a subject", (*kit).oneForSubject},
		{"streams apart", (*kit).streamsApart},
		{"closed by a person", (*kit).closedByPerson},
		{"won't fix", (*kit).wontFix},
		{"gone", (*kit).gone},
		{"hostile text", (*kit).hostile},
		{"forged marker", (*kit).forged},
		{"many bugs", (*kit).many},
		{"revoked token", (*kit).revokedToken},
		{"no project", (*kit).noProject},
		{"one lost request", (*kit).oneFault},
		{"bad line", (*kit).manyFaults},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t)
			if _, ok := p.(*standIn); ok {
				t.Parallel()
			}
			k := &kit{T: t, open: open, project: p, start: start}
			k.tracker = k.at(p.Config())
			c.run(k)
		})
	}
}

type kit struct {
	*testing.T
	open    Open
	start   func(testing.TB) Project
	project Project
	tracker *tracker.Tracker
}

func (k *kit) at(c tracker.Config) *tracker.Tracker {
	k.Helper()
	if err := c.Validate(); err != nil {
		k.Fatal(err)
	}
	s, err := k.open(c)
	if err != nil {
		k.Fatal(err)
	}
	return tracker.New("the-tracker", s, tracker.Options{Grace: time.Millisecond})
}

// Effect is a bug effect with a content like that of real ones.
func Effect(stream release.Stream, n int, w release.BugWork) release.Effect {
	if w.Subject == "" {
		w.Subject = release.SubjectOfCheck("upgrade/plain")
	}
	if w.Title == "" {
		w.Title = string(stream) + ": upgrade/plain fails"
	}
	if w.Failures == nil && w.Action != release.BugClose {
		w.Failures = []release.Failure{{Artifact: "qcow2/x86_64", Results: "https://results.example/20261121_02",
			Case: release.Case{Check: "upgrade/plain", Message: fmt.Sprintf("no route to the repository (%d)", n), Replay: "assay run --only upgrade/plain image.qcow2"}}}
	}
	w.FirstBad, w.LastGood, w.Now = "20261121_02", "20261120_01", "20261122_01"
	return release.Effect{Key: release.EffectKey(fmt.Sprintf("bug/the-tracker/%s/%d/%s", w.Subject, n, w.Action)), Kind: release.EffectBug,
		Stream: stream, Target: "the-tracker", Attempt: 1, Bug: &w}
}

const stream release.Stream = "fedora-43"

func (k *kit) do(e release.Effect) release.Receipt {
	k.Helper()
	r, err := k.tracker.Do(k.Context(), e)
	if err != nil {
		k.Fatal(err)
	}
	if r.Ref == "" {
		k.Fatalf("%s: no ref", e.Key)
	}
	return r
}

// sees checks the whole of the project.
func (k *kit) sees(p Project, want ...string) []Bug {
	k.Helper()
	bugs := p.Bugs(k.T)
	var got []string
	for _, b := range bugs {
		state := "closed"
		if b.Open {
			state = "open"
		}
		var comments []string
		for _, c := range b.Comments {
			switch {
			case strings.Contains(c, "fails again"):
				comments = append(comments, "again")
			case strings.Contains(c, "passes again"):
				comments = append(comments, "passes")
			case strings.Contains(c, "in another way"):
				comments = append(comments, "changed")
			case strings.Contains(c, "fails on"):
				comments = append(comments, "fails")
			default:
				comments = append(comments, fmt.Sprintf("%.100q", c))
			}
		}
		got = append(got, strings.TrimSpace(state+" "+strings.Join(comments, ",")))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		k.Fatalf("the project has %q, want %q", got, want)
	}
	return bugs
}

func (k *kit) observe(refs ...string) []release.BugObserved {
	k.Helper()
	out, err := k.tracker.Bugs(k.Context(), refs)
	if err != nil {
		k.Fatal(err)
	}
	for _, o := range out {
		o.At = o.At.UTC()
		if err := o.Validate(); err != nil || o.Tracker != "the-tracker" || time.Since(o.At).Abs() > 10*time.Minute {
			k.Errorf("observed %+v: %v", o, err)
		}
	}
	return out
}

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

// lifeThrough lives a whole life over a line on which requests get lost. Each
// effect is tried again until it is done, as the outbox does.
func (k *kit) lifeThrough(p Project, line *Line, what string) {
	k.Helper()
	c := p.Config()
	c.URL = line.URL()
	tr := k.at(c)
	var r release.Receipt
	for i, action := range []release.BugAction{release.BugOpen, release.BugComment, release.BugClose, release.BugReopen} {
		e := Effect(stream, 1+i, release.BugWork{Action: action, Ref: r.Ref})
		var err error
		for range 200 {
			var got release.Receipt
			if got, err = tr.Do(k.Context(), e); err == nil {
				r = got
				break
			}
			if errors.Is(err, release.ErrPermanent) {
				k.Fatalf("%s: %v", what, err)
			}
			e.Attempt++
			e.Unsure = e.Attempt%2 == 0 // as after a crash
		}
		if err != nil {
			k.Fatalf("%s: %s never succeeded: %v", what, action, err)
		}
	}
	k.Run(what, func(t *testing.T) {
		sub := *k
		sub.T = t
		sub.sees(p, "open changed,passes,again")
	})
}

// oneFault loses each of the requests of a life once; manyFaults has the other
// ways to fail.
func (k *kit) oneFault() {
	faults := []Fault{Lost, AnswerLost}
	if _, slow := k.project.(Slow); slow {
		faults = []Fault{AnswerLost}
	}
	for _, f := range faults {
		for n := 1; ; n++ {
			p := k.start(k.T)
			line := NewLine(k.T, p.Config().URL, func(i int) Fault {
				if i == n {
					return f
				}
				return Fine
			})
			k.lifeThrough(p, line, fmt.Sprintf("%s, request %d", f, n))
			if line.Count() < n {
				break
			}
		}
	}
}

// manyFaults loses every fourth request or so.
func (k *kit) manyFaults() {
	seeds := uint64(10)
	if _, slow := k.project.(Slow); slow {
		seeds = 3
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 0))
		p := k.start(k.T)
		line := NewLine(k.T, p.Config().URL, func(int) Fault {
			if rnd.IntN(4) == 0 {
				return Faults[rnd.IntN(len(Faults))]
			}
			return Fine
		})
		k.lifeThrough(p, line, fmt.Sprintf("seed %d", seed))
	}
}
