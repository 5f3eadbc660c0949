package release_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/releasetest"
	"assay/reports"

	"pgregory.net/rapid"
)

// model remembers what was done to a history in terms of its own, so that the
// nevers are not checked with the code that keeps them.
type model struct {
	h        *releasetest.History
	builds   []release.BuildID
	digests  map[string]artifact.Digest // by build and artifact, as announced
	spoilt   map[release.BuildID]bool   // announced in two ways
	attempt  map[string]int
	answers  map[string]*release.TestAnswered // by build, artifact and attempt
	waivers  map[string]*release.CheckWaived
	bad      map[release.BuildID]bool
	revoked  map[release.BuildID]bool
	blocked  bool
	requests map[string]*release.PromotionRequested
	slots    map[release.SlotID]bool
	out      []release.BuildID
	checked  int
	n        int
}

func newModel(t *rapid.T) *model {
	m := &model{h: releasetest.NewHistory(t, stream), digests: map[string]artifact.Digest{}, spoilt: map[release.BuildID]bool{},
		attempt: map[string]int{}, answers: map[string]*release.TestAnswered{}, waivers: map[string]*release.CheckWaived{},
		bad: map[release.BuildID]bool{}, revoked: map[release.BuildID]bool{}, requests: map[string]*release.PromotionRequested{}, slots: map[release.SlotID]bool{}}
	m.h.Policy.OnNothing = rapid.SampledFrom([]release.OnNothing{release.Retry, release.Skip}).Draw(t, "on nothing")
	return m
}

func (m *model) anyBuild(t *rapid.T) release.BuildID {
	if len(m.builds) == 0 {
		t.Skip("no build yet")
	}
	// Mostly a new one.
	if rapid.Bool().Draw(t, "newest") {
		return m.builds[len(m.builds)-1]
	}
	return rapid.SampledFrom(m.builds).Draw(t, "build")
}

// sync reads what the stage has appended since, and checks each release.
func (m *model) sync(t *rapid.T) {
	for r, err := range m.h.Log.Read(context.Background(), uint64(m.checked)) {
		if err != nil {
			t.Fatal(err)
		}
		m.checked++
		e, err := release.Decode(r.Raw)
		if err != nil {
			t.Fatal(err)
		}
		switch f := e.Fact.(type) {
		case *release.TestRequested:
			k := fmt.Sprint(f.Build, f.Artifact)
			m.attempt[k] = max(m.attempt[k], f.Attempt)
		case *release.SlotSkipped:
			if m.slots[f.Slot] {
				t.Fatalf("slot %s was closed twice", f.Slot)
			}
			m.slots[f.Slot] = true
		case *release.ReleaseDecided:
			m.check(t, f)
		}
	}
}

func (m *model) check(t *rapid.T, f *release.ReleaseDecided) {
	if m.blocked {
		t.Fatalf("%s was released while the stream was blocked", f.Build)
	}
	if m.bad[f.Build] {
		t.Fatalf("%s was released and is marked bad", f.Build)
	}
	if m.revoked[f.Build] {
		t.Fatalf("%s was released and is revoked", f.Build)
	}
	if m.spoilt[f.Build] {
		t.Fatalf("%s was released and its announcements contradict each other", f.Build)
	}
	if f.Slot != "" && m.slots[f.Slot] {
		t.Fatalf("%s was released for %s, which was closed", f.Build, f.Slot)
	}
	if f.Slot == "" && f.Request == "" {
		t.Fatalf("%s was released for no reason", f.Build)
	}
	m.slots[f.Slot] = f.Slot != ""
	if q := m.requests[f.Request]; f.Request != "" && (q == nil || q.Build != f.Build) {
		t.Fatalf("%s was released for request %q", f.Build, f.Request)
	}
	if out := m.present(); out != "" && f.Build.Compare(out) <= 0 {
		if q := m.requests[f.Request]; q == nil || !q.Older {
			t.Fatalf("%s was released and %s was out", f.Build, out)
		}
	}
	if len(f.Artifacts) != len(m.h.Policy.Artifacts) {
		t.Fatalf("%s was released with %v", f.Build, f.Artifacts)
	}
	for _, a := range f.Artifacts {
		k := fmt.Sprint(f.Build, a.Artifact)
		ans := m.answers[fmt.Sprint(k, m.attempt[k])]
		switch {
		case ans == nil:
			t.Fatalf("%s was released and %s has no answer", f.Build, a.Artifact)
		case ans.Digest != a.Digest || m.digests[k] != a.Digest:
			t.Fatalf("%s was released and other bytes of %s were tested", f.Build, a.Artifact)
		case len(ans.Passed) == 0:
			t.Fatalf("%s was released and nothing passed on %s", f.Build, a.Artifact)
		case ans.Verdict == "nonsense":
			t.Fatalf("%s was released with an unknown verdict", f.Build)
		}
		for _, c := range ans.Cases {
			if c.Blocking && !m.waived(f.Build, a.Artifact, c.Check) {
				t.Fatalf("%s was released in spite of %s on %s", f.Build, c.Check, a.Artifact)
			}
		}
	}
	delete(m.requests, f.Request)
	m.out = append(m.out, f.Build)
}

func (m *model) waived(b release.BuildID, a release.ArtifactID, c reports.CaseID) bool {
	for _, w := range m.waivers {
		if w.Build == b && w.Check == c && (w.Artifact == "" || w.Artifact == a) && m.h.Now.Before(w.Expires) {
			return true
		}
	}
	return false
}

func (m *model) present() release.BuildID {
	for _, b := range slices.Backward(m.out) {
		if !m.revoked[b] && !m.bad[b] && !m.spoilt[b] {
			return b
		}
	}
	return ""
}

func (m *model) id() string { m.n++; return fmt.Sprint("id", m.n) }

func (m *model) word() release.Word { return releasetest.Word(m.id()) }

func (m *model) actions() map[string]func(*rapid.T) {
	h := m.h
	return map[string]func(*rapid.T){
		"build": func(t *rapid.T) {
			b := h.State.Line(stream).NextBuildID("", h.Now)
			h.Build(b)
			m.builds = append(m.builds, b)
			for _, w := range h.Policy.Artifacts {
				m.digests[fmt.Sprint(b, w.ID)] = releasetest.Digest(b, w.ID)
			}
		},
		"announce again": func(t *rapid.T) {
			b := m.anyBuild(t)
			f := releasetest.BuildSeen(h.Policy, b, h.State.Line(stream).Build(b).Created)
			if rapid.IntRange(0, 3).Draw(t, "spoil") == 0 {
				f.Artifacts[0].Digest = releasetest.Digest(b, "other/x86_64")
				m.spoilt[b] = true
			}
			h.Record(release.Self, f)
		},
		"answer": func(t *rapid.T) { m.answer(t) },
		"test all": func(t *rapid.T) {
			// Good news, so that there are releases to check.
			b := m.anyBuild(t)
			h.Next()
			m.sync(t)
			for _, w := range h.Policy.Artifacts {
				if a := h.State.Line(stream).Build(b).Artifact(w.ID); a.Attempt > 0 {
					m.give(t, releasetest.Answer(b, w.ID, a.Attempt, h.Now))
				}
			}
		},
		"a good night":   m.goodNight,
		"another night":  m.goodNight,
		"a third one":    m.goodNight,
		"a fourth night": m.goodNight,
		"waive": func(t *rapid.T) {
			f := &release.CheckWaived{Waiver: m.id(), Build: m.anyBuild(t), Check: rapid.SampledFrom([]reports.CaseID{"upgrade/plain", "storage/pool"}).Draw(t, "check"),
				Artifact: rapid.SampledFrom([]release.ArtifactID{"", releasetest.QCOW2}).Draw(t, "artifact"), Word: m.word(),
				Expires: h.Now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "hours")) * time.Hour)}
			if h.Say(f) == nil {
				m.waivers[f.Waiver] = f
			}
		},
		"withdraw": func(t *rapid.T) {
			for name := range m.waivers {
				if h.Say(&release.WaiverWithdrawn{Waiver: name, Word: m.word()}) == nil {
					delete(m.waivers, name)
				}
			}
		},
		"mark": func(t *rapid.T) {
			f := &release.BuildMarked{Build: m.anyBuild(t), Mark: rapid.SampledFrom([]release.Mark{release.MarkBad, release.MarkGood}).Draw(t, "mark"), Word: m.word()}
			h.MustSay(f)
			m.bad[f.Build] = f.Mark == release.MarkBad
		},
		"block": func(t *rapid.T) {
			if rapid.IntRange(0, 2).Draw(t, "really") == 0 {
				h.MustSay(&release.StreamBlocked{Word: m.word()})
				m.blocked = true
			}
		},
		"unblock": func(t *rapid.T) {
			if m.blocked {
				h.MustSay(&release.StreamUnblocked{Word: m.word()})
				m.blocked = false
			}
		},
		"revoke": func(t *rapid.T) {
			if len(m.out) == 0 {
				t.Skip("nothing is out")
			}
			b := rapid.SampledFrom(m.out).Draw(t, "release")
			if h.Say(&release.ReleaseRevoked{Build: b, Word: m.word()}) == nil {
				m.revoked[b] = true
				m.out = slices.DeleteFunc(m.out, func(o release.BuildID) bool { return o == b })
			}
		},
		"lift": func(t *rapid.T) {
			b := m.anyBuild(t)
			if h.Say(&release.RevocationLifted{Build: b, Word: m.word()}) == nil {
				m.revoked[b] = false
			}
		},
		"request": func(t *rapid.T) {
			f := &release.PromotionRequested{Request: m.id(), Build: m.anyBuild(t), Older: rapid.Bool().Draw(t, "older"), Word: m.word()}
			if h.Say(f) == nil {
				m.requests[f.Request] = f
			}
		},
		"clock": func(t *rapid.T) {
			h.Add(time.Duration(rapid.IntRange(1, 72).Draw(t, "hours")) * time.Hour)
		},
		"jump": func(t *rapid.T) {
			// Rarely back: afterwards nothing is released until a person speaks.
			h.Add(time.Duration(rapid.IntRange(-3, 40).Draw(t, "days")) * 24 * time.Hour)
		},
		"reopen": func(t *rapid.T) {
			after := h.Now.Add(time.Duration(rapid.IntRange(-40, 40).Draw(t, "after")) * 24 * time.Hour)
			if rapid.Bool().Draw(t, "now") {
				after = h.Now
			}
			f := &release.SlotsReopened{After: after, Word: m.word()}
			if rapid.Bool().Draw(t, "unasked") {
				h.Record(releasetest.Alice, f)
			} else if h.Say(f) != nil {
				return
			}
			for id := range m.slots {
				if at, err := time.Parse(time.DateOnly, string(id)); err == nil && at.Add(12*time.Hour).After(h.Now) && at.Add(12*time.Hour).After(after) {
					delete(m.slots, id)
				}
			}
		},
		"": func(t *rapid.T) {
			h.Next()
			m.sync(t)
			// Asking again at the same moment changes nothing.
			if d := h.Decide(); d.Action != release.Wait {
				t.Fatalf("after everything was carried out: %s", d.Text())
			}
		},
	}
}

// goodNight makes a build that passes, so that there are releases to check.
func (m *model) goodNight(t *rapid.T) {
	h := m.h.Add(24 * time.Hour)
	b := h.State.Line(stream).NextBuildID("", h.Now)
	h.Build(b).Next()
	m.builds = append(m.builds, b)
	for _, w := range h.Policy.Artifacts {
		m.digests[fmt.Sprint(b, w.ID)] = releasetest.Digest(b, w.ID)
	}
	m.sync(t)
	for _, w := range h.Policy.Artifacts {
		m.give(t, releasetest.Answer(b, w.ID, 1, h.Now))
	}
}

func (m *model) answer(t *rapid.T) {
	h := m.h
	b := m.anyBuild(t)
	id := rapid.SampledFrom([]release.ArtifactID{releasetest.QCOW2, releasetest.Vagrant}).Draw(t, "artifact")
	var cases []release.Case
	for _, c := range []reports.CaseID{"upgrade/plain", "storage/pool"} {
		switch rapid.IntRange(0, 5).Draw(t, string(c)) {
		case 0:
			cases = append(cases, releasetest.Failed(c))
		case 1:
			cases = append(cases, releasetest.Errored(c))
		case 2:
			f := releasetest.Failed(c)
			f.Blocking = false
			cases = append(cases, f)
		}
	}
	f := releasetest.Answer(b, id, rapid.IntRange(1, 3).Draw(t, "attempt"), h.Now, cases...)
	switch rapid.IntRange(0, 9).Draw(t, "oddity") {
	case 0:
		f.Digest = releasetest.Digest("20200101_01", id)
	case 1:
		f.Passed = nil
	case 2:
		f.Verdict = "nonsense"
	}
	m.give(t, f)
}

// give delivers an answer, which counts unless another came first or a later
// attempt was asked for.
func (m *model) give(t *rapid.T, f *release.TestAnswered) {
	m.h.Record(release.Self, f)
	k := fmt.Sprint(f.Build, f.Artifact)
	if at := fmt.Sprint(k, f.Attempt); f.Attempt >= m.attempt[k] && m.answers[at] == nil {
		m.answers[at] = f
	}
}

// TestNevers drives random histories through the stage and checks every release
// against what the test itself remembers.
func TestNevers(t *testing.T) {
	released := 0
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(m.actions())
		released += len(m.out)
		// Replayed from the start, the history means the same.
		again, err := release.Load(context.Background(), m.h.Log)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := asJSON(release.Decide(m.h.Policy, again, m.h.Now)), asJSON(m.h.Decide()); a != b {
			t.Fatalf("the replay decides\n%s\nand the original\n%s", a, b)
		}
	})
	if released == 0 {
		t.Error("no release was checked: the test shows nothing")
	}
}

func asJSON(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestOrderAndDuplicatesDoNotMatter delivers what machines say in two orders,
// some of it twice.
func TestOrderAndDuplicatesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := releasetest.Policy(stream)
		var facts []release.Fact
		for n := range rapid.IntRange(1, 4).Draw(t, "builds") {
			b := release.NewBuildID(releasetest.Start, n+1)
			seen := releasetest.BuildSeen(p, b, releasetest.Start.Add(time.Duration(n)*time.Hour))
			// One message for each artifact, and sometimes a contradiction.
			for i := range seen.Artifacts {
				part := *seen
				part.Artifacts = seen.Artifacts[i : i+1]
				facts = append(facts, &part)
			}
			if rapid.IntRange(0, 4).Draw(t, "spoil") == 0 {
				other := *seen
				other.Compose = rapid.SampledFrom([]string{"A", "Z", "Test-20261102_01"}).Draw(t, "compose")
				facts = append(facts, &other)
			}
			for _, w := range p.Artifacts {
				for attempt := range rapid.IntRange(0, 3).Draw(t, "attempts") {
					facts = append(facts, &release.TestRequested{Build: b, Artifact: w.ID, Digest: releasetest.Digest(b, w.ID), Attempt: attempt + 1, Deadline: releasetest.Start.AddDate(0, 0, attempt)})
					switch rapid.IntRange(0, 3).Draw(t, "answer") {
					case 0:
						facts = append(facts, releasetest.Answer(b, w.ID, attempt+1, releasetest.Start, releasetest.Failed("upgrade/plain")))
					case 1, 2:
						facts = append(facts, releasetest.Answer(b, w.ID, attempt+1, releasetest.Start))
					}
				}
			}
			facts = append(facts, &release.PackagesListed{Build: b, Arch: artifact.X8664, Packages: []string{"bash-5-1.x86_64"}},
				&release.BuildFailed{Compose: fmt.Sprint("F", n), Status: "DOOMED", Ended: releasetest.Start.Add(time.Duration(n) * time.Hour)})
		}
		now := releasetest.Start.AddDate(0, 0, 2)
		decide := func(facts []release.Fact) string {
			h := releasetest.NewHistory(t, stream)
			for _, f := range facts {
				h.Record(release.Self, f)
			}
			out := asJSON(release.Decide(p, h.State, now))
			for _, b := range slices.Collect(h.State.Line(stream).Builds()) {
				out += asJSON(release.JudgeBuild(p, b, now)) + b.Compose + b.Created.String()
			}
			for _, e := range release.Effects(p, h.State, now) {
				out += asJSON(e.Key)
				if e.Bug != nil {
					w := *e.Bug
					w.PackagesBad, w.PackagesGood = 0, 0 // places in the history
					out += asJSON(w)
				}
			}
			return out
		}
		twice := append(slices.Clone(facts), rapid.SliceOf(rapid.SampledFrom(facts)).Draw(t, "again")...)
		if a, b := decide(facts), decide(rapid.Permutation(twice).Draw(t, "order")); a != b {
			t.Fatalf("in order:\n%s\notherwise:\n%s", a, b)
		}
	})
}

// TestDamagedHistoryPromotesNothing changes one record, or leaves one out.
func TestDamagedHistoryPromotesNothing(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261101_01").Tested("20261102_01").At("2026-11-03T12:00:00Z")
	if h.Decide().Action != release.Promote {
		t.Fatalf("undamaged: %s", h.Decide().Text())
	}
	records := h.Log.(*releasetest.Log).Records()
	rapid.Check(t, func(t *rapid.T) {
		rs := slices.Clone(records)
		// Not the last: nothing comes after it. The anchor of release/history
		// is there for that.
		at := rapid.IntRange(0, len(rs)-2).Draw(t, "record")
		switch rapid.IntRange(0, 4).Draw(t, "damage") {
		case 0:
			raw := slices.Clone(rs[at].Raw)
			raw[rapid.IntRange(0, len(raw)-1).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			rs[at].Raw = raw
		case 1:
			rs = slices.Delete(rs, at, at+1)
		case 2:
			rs[at].Raw, rs[at].Err = nil, fmt.Errorf("bad checksum")
		case 3:
			rs[at].Raw, rs[at+1].Raw = rs[at+1].Raw, rs[at].Raw
		case 4:
			rs[at].Raw = rs[at].Raw[:rapid.IntRange(0, len(rs[at].Raw)-1).Draw(t, "length")]
		}
		s := release.NewState()
		for _, r := range rs {
			s.Apply(r)
		}
		if d := release.Decide(h.Policy, s, h.Now); d.Action != release.Wait || d.Reasons[0].Code != release.ReasonHistory {
			t.Fatalf("decision: %s", d.Text())
		}
	})
}
