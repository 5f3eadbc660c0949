package trackertest

import (
	"fmt"
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
		{"killed", (*kit).killed},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t)
			k := &kit{T: t, open: open, project: p, start: start, grace: time.Millisecond}
			if _, ok := p.(*standIn); ok {
				t.Parallel()
			}
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
	// grace is how long a request of a killed process may take to have its effect.
	grace time.Duration
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
	return tracker.New("the-tracker", s, tracker.Options{Grace: k.grace})
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
