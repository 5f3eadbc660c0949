package release_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// cbs is the signing build system.
var cbs = release.Actor{Kind: release.Service, Name: "cbs"}

// both is an upstream and a downstream with one history.
type both struct{ up, down *releasetest.History }

func newBoth(t *testing.T, f release.Follow) both {
	up := releasetest.NewHistory(t, "up")
	down := &releasetest.History{TB: t, Log: up.Log, State: up.State, Policy: releasetest.Policy("down"), Now: up.Now}
	down.Policy.Calendar, down.Policy.Follow = nil, &f
	return both{up, down}
}

// release makes upstream release a build at the nth date of its calendar.
func (b both) release(n int) release.BuildID {
	date := b.up.Policy.Calendar.Slot(n).At
	b.up.Now = date.Add(-10 * time.Hour)
	id := release.NewBuildID(date, 1)
	b.up.Tested(id)
	b.up.Now = date
	b.up.Next()
	b.down.Now = date.Add(time.Hour)
	return id
}

func TestEverySecondReleaseIsFollowed(t *testing.T) {
	b := newBoth(t, release.Follow{Stream: "up", Every: 2})
	b.down.Tested("20261101_01")
	wantReason(t, b.down.Decide(), release.Wait, "up has had 0 dated releases")
	b.release(0)
	wantReason(t, b.down.Decide(), release.Wait, "up has had 1 dated releases")
	b.down.At("2026-11-16T00:00:00Z").Tested("20261116_01")
	b.release(1)
	b.down.Next()
	if b.down.Out() != "20261116_01" || b.down.State.Line("down").Out().Slot != "up#2" {
		t.Fatalf("out is %q", b.down.Out())
	}
	wantReason(t, b.down.Decide(), release.Wait, "release 2 of up was followed with 20261116_01")
	// A release out of band is no date.
	b.up.At("2026-11-20T00:00:00Z").Tested("20261120_01").MustSay(&release.PromotionRequested{Request: "p", Build: "20261120_01", Word: releasetest.Word("CVE")}).Next()
	b.release(2)
	b.down.Tested("20261201_02").Next()
	if b.down.Out() != "20261116_01" {
		t.Errorf("after release 3, %s is out", b.down.Out())
	}
	b.release(3)
	b.down.Next()
	if b.down.Out() != "20261201_02" {
		t.Errorf("after release 4, %s is out: %s", b.down.Out(), b.down.Decide().Text())
	}
}

func TestRebuildBeforePromotion(t *testing.T) {
	b := newBoth(t, release.Follow{Stream: "up", Every: 2, Rebuild: true, Rebuilder: "cbs"})
	b.down.Policy.OnNothing = release.Skip // which people do here
	b.release(0)
	id := b.release(1)
	from := release.BuildRef{Stream: "up", Build: id}
	// The downstream's own nightly is not what is promised.
	b.down.Tested("20261117_01").Next()
	if b.down.Out() != "" {
		t.Fatalf("%s was released without a rebuild", b.down.Out())
	}
	wantReason(t, b.down.Decide(), release.Wait, "rebuild 1 of up 20261117_01 has not come back")
	if e := release.Effects(b.down.Policy, b.down.State, b.down.Now); len(e) != 1 || e[0].Rebuild == nil || e[0].Rebuild.From != from || e[0].Target != "cbs" {
		t.Errorf("effects: %+v", e)
	}
	rebuilt := func(id release.BuildID, n int, cases ...release.Case) {
		f := releasetest.BuildSeen(b.down.Policy, id, b.down.Now)
		f.From, f.Rebuild = &from, n
		b.down.Record(cbs, f).Next()
		for _, w := range b.down.Policy.Artifacts {
			b.down.Answer(id, w.ID, cases...)
		}
		b.down.Next()
	}
	rebuilt("20261117_02", 1, releasetest.Failed("upgrade/plain"))
	wantReason(t, b.down.Decide(), release.Wait, "20261117_02: upgrade/plain failed")
	// A person has it done again.
	if err := b.down.Say(&release.RebuildRequested{Slot: "up#2", From: from, Number: 3, Word: releasetest.Word("redo")}); err == nil || !strings.Contains(err.Error(), "the next is 2") {
		t.Errorf("skipping a number: %v", err)
	}
	b.down.MustSay(&release.RebuildRequested{Slot: "up#2", From: from, Number: 2, Word: releasetest.Word("redo")})
	b.down.Record(cbs, &release.RebuildFailed{From: from, Number: 2, Reason: "mock fell over"})
	wantReason(t, b.down.Decide(), release.Wait, "rebuild 2 of up 20261117_01 failed: mock fell over")
	b.down.MustSay(&release.RebuildRequested{Slot: "up#2", From: from, Number: 3, Word: releasetest.Word("redo")})
	rebuilt("20261118_01", 3)
	if b.down.Out() != "20261118_01" {
		t.Errorf("out is %q: %s", b.down.Out(), b.down.Decide().Text())
	}
}

func TestRevokedUpstreamIsNotFollowed(t *testing.T) {
	b := newBoth(t, release.Follow{Stream: "up", Every: 2, Rebuild: true, Rebuilder: "cbs"})
	b.release(0)
	id := b.release(1)
	b.up.MustSay(&release.ReleaseRevoked{Build: id, Word: releasetest.Word("bad")})
	b.down.Next()
	wantReason(t, b.down.Decide(), release.Wait, "release 2 of up, 20261117_01, was revoked")
	b.up.Tested("20261118_01").MustSay(&release.PromotionRequested{Request: "p", Build: "20261118_01", Word: releasetest.Word("mended")}).Next()
	wantReason(t, b.down.Decide(), release.AskRebuild, "20261118_01 is release 2 of up")
}

func TestCalendarKeepsTheTimeOnTheWall(t *testing.T) {
	prague, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		t.Fatal(err)
	}
	c := release.Calendar{Weeks: 2, First: time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC), Hour: 14, Minute: 30, Zone: prague}
	for n, want := range []string{"2026-10-20T14:30:00+02:00", "2026-11-03T14:30:00+01:00", "2026-11-17T14:30:00+01:00"} {
		s := c.Slot(n)
		if got := s.At.Format(time.RFC3339); got != want {
			t.Errorf("date %d is %s, want %s", n, got, want)
		}
		for _, off := range []time.Duration{0, time.Second, 13 * 24 * time.Hour} {
			if got, ok := c.Latest(s.At.Add(off)); !ok || got.ID != s.ID {
				t.Errorf("%s after %s: %s", off, s.ID, got.ID)
			}
			if next := c.Next(s.At.Add(off)); next.ID != c.Slot(n+1).ID {
				t.Errorf("%s after %s comes %s", off, s.ID, next.ID)
			}
		}
		if got, ok := c.Latest(s.At.Add(-time.Second)); ok && got.ID == s.ID {
			t.Errorf("%s begins early", s.ID)
		}
	}
	if _, ok := c.Latest(c.Slot(0).At.Add(-time.Second)); ok {
		t.Error("there is a date before the first")
	}
	if got, _ := c.Latest(time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)); got.At.Year() < 2125 {
		t.Errorf("in a hundred years: %s", got.ID)
	}
}

func TestExplainAsOf(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	c := releasetest.Failed("upgrade/plain")
	c.Message = "no \x1b[31mroute\x1b[0m\nto host"
	h.Tested("20261102_01", c)
	failed := h.Now
	h.Add(time.Hour).MustSay(&release.CheckWaived{Waiver: "w", Build: "20261102_01", Check: "upgrade/plain", Word: releasetest.Word("not used"), Expires: h.Now.AddDate(0, 1, 0)})
	h.At("2026-11-03T12:00:00Z").Next()
	now := release.Explain(h.Policy, h.State, "20261102_01", h.Now)
	for _, want := range []string{"test-1 20261102_01 is the release", "upgrade/plain on qcow2 x86_64 failed, waived by alice", "Released 2026-11-03 12:00 UTC as release 1 for 2026-11-03", "not used"} {
		if !strings.Contains(now, want) {
			t.Errorf("it does not say %q:\n%s", want, now)
		}
	}
	then := release.NewStateAsOf(failed)
	if err := then.CatchUp(context.Background(), h.Log); err != nil {
		t.Fatal(err)
	}
	text := release.Explain(h.Policy, then, "20261102_01", failed)
	if !strings.Contains(text, "test-1 20261102_01 not released at 2026-11-02 03:00 UTC: upgrade/plain failed on qcow2 x86_64: no route to host") || strings.Contains(text, "alice") || strings.Contains(text, "\x1b") {
		t.Errorf("as of then:\n%s", text)
	}
	if text := release.Explain(h.Policy, h.State, "20991231_01", h.Now); !strings.Contains(text, "is not known") {
		t.Error(text)
	}
}

// TestOnlyARebuildThatWasAskedFor: a request by a person lets out no build
// whose claim of what it was built from is not borne out.
func TestOnlyARebuildThatWasAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*release.BuildSeen)
		by     release.Actor
		then   func(both, release.BuildID)
		says   string
	}{
		"as asked":          {says: ""},
		"another number":    {change: func(f *release.BuildSeen) { f.Rebuild = 7 }, says: "nobody asked for rebuild 7"},
		"a person":          {by: releasetest.Alice, says: "rebuilds of down come from the machine cbs, and this was said by the person alice"},
		"the stage":         {by: release.Self, says: "was said by the service assay"},
		"another machine":   {by: release.Actor{Kind: release.Service, Name: "cbs2"}, says: "was said by the service cbs2"},
		"a person named so": {by: release.Actor{Kind: release.Person, Name: "cbs"}, says: "was said by the person cbs"},
		"a part by another": {then: func(b both, id release.BuildID) {
			f := releasetest.BuildSeen(b.down.Policy, "20261118_01", b.down.Now)
			f.From, f.Rebuild = &release.BuildRef{Stream: "up", Build: id}, 1
			b.down.Record(release.Actor{Kind: release.Service, Name: "koji"}, f)
		}, says: "was said by the service koji"},
		"another stream": {change: func(f *release.BuildSeen) { f.From.Stream = "other" }, says: "not built by the signing build system"},
		"another build":  {change: func(f *release.BuildSeen) { f.From.Build = "20260101_01" }, says: "nobody asked for rebuild 1"},
		"upstream is bad": {then: func(b both, id release.BuildID) {
			b.up.MustSay(&release.BuildMarked{Build: id, Mark: release.MarkBad, Word: releasetest.Word("x")})
		}, says: "was marked bad by"},
		"upstream is no more": {then: func(b both, id release.BuildID) {
			b.up.MustSay(&release.ReleaseRevoked{Build: id, Word: releasetest.Word("x")})
		}, says: "was revoked by"},
		"said afterwards": {change: func(f *release.BuildSeen) { f.From, f.Rebuild = nil, 0 }, then: func(b both, id release.BuildID) {
			f := releasetest.BuildSeen(b.down.Policy, "20261118_01", b.down.Now)
			f.From, f.Rebuild = &release.BuildRef{Stream: "up", Build: id}, 1
			b.down.Record(cbs, f)
		}, says: "contradict"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoth(t, release.Follow{Stream: "up", Every: 2, Rebuild: true, Rebuilder: "cbs"})
			b.release(0)
			id := b.release(1)
			b.down.Next()
			f := releasetest.BuildSeen(b.down.Policy, "20261118_01", b.down.Now)
			f.From, f.Rebuild = &release.BuildRef{Stream: "up", Build: id}, 1
			if c.change != nil {
				c.change(f)
			}
			if c.by.Name == "" {
				c.by = cbs
			}
			b.down.Record(c.by, f).Next()
			if c.then != nil {
				c.then(b, id)
			}
			b.down.MustSay(&release.PromotionRequested{Request: "p", Build: "20261118_01", Word: releasetest.Word("now")}).Next()
			for _, w := range b.down.Policy.Artifacts {
				b.down.Record(release.Self, releasetest.Answer("20261118_01", w.ID, 1, b.down.Now))
			}
			d := b.down.Decide()
			var said strings.Builder
			for _, j := range d.Candidates {
				for _, r := range j.Reasons {
					said.WriteString(r.Text)
				}
			}
			if (c.says == "") != (d.Action == release.Promote) || !strings.Contains(said.String(), c.says) {
				t.Errorf("%s; %s", d.Text(), said.String())
			}
		})
	}
}
