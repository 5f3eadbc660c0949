package release_test

import (
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
	"assay/reports"
)

const stream release.Stream = "test-1"

func wantReason(t *testing.T, d release.Decision, action release.Action, words ...string) {
	t.Helper()
	if d.Action != action {
		t.Errorf("decision: %s; want %s", d.Text(), action)
	}
	all := d.Text()
	for _, r := range d.Reasons {
		all += "\n" + r.Text
	}
	for _, w := range words {
		if !strings.Contains(all, w) {
			t.Errorf("the reasons do not say %q:\n%s", w, all)
		}
	}
}

func TestNewestGoodBuildIsReleasedAtTheDate(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261101_01")
	h.Tested("20261102_01")
	h.Tested("20261103_01", releasetest.Failed("upgrade/plain"))
	wantReason(t, h.Decide(), release.Wait, "the first release date is 2026-11-03 12:00")
	h.At("2026-11-03T12:00:00Z")
	wantReason(t, h.Decide(), release.Promote, "20261102_01 is released", "newest build that passed")
	h.Next()
	if h.Out() != "20261102_01" {
		t.Fatalf("out is %q", h.Out())
	}
	r := h.State.Line(stream).Out()
	if r.Slot != "2026-11-03" || len(r.Artifacts) != 2 || r.Artifacts[0].Digest != releasetest.Digest("20261102_01", releasetest.QCOW2) {
		t.Errorf("release: %+v", r)
	}
	wantReason(t, h.Decide(), release.Wait, "has had its release, 20261102_01; the next is 2026-11-17 12:00")
	// A better build does not get the same date again.
	h.Tested("20261104_01").Add(72 * time.Hour).Next()
	if h.Out() != "20261102_01" {
		t.Errorf("%s was released for a date that was taken", h.Out())
	}
}

// TestWhatNeverPasses: each of these alone keeps the only build from a release.
func TestWhatNeverPasses(t *testing.T) {
	const b = release.BuildID("20261102_01")
	answers := func(h *releasetest.History, change func(*release.TestAnswered)) {
		h.Build(b).Next()
		h.Answer(b, releasetest.Vagrant)
		a := releasetest.Answer(b, releasetest.QCOW2, 1, h.Now)
		change(a)
		h.Record(release.Self, a)
	}
	for name, c := range map[string]struct {
		do   func(h *releasetest.History)
		says string
	}{
		"no build":          {func(h *releasetest.History) {}, "there is no build since the beginning"},
		"no test asked for": {func(h *releasetest.History) { h.Build(b) }, "no test of qcow2 x86_64 was asked for"},
		"no answer":         {func(h *releasetest.History) { h.Build(b).Next().Answer(b, releasetest.QCOW2) }, "the test of vagrant-libvirt x86_64 has not finished"},
		"blocking failure":  {func(h *releasetest.History) { h.Tested(b, releasetest.Failed("upgrade/plain")) }, "upgrade/plain failed on qcow2 x86_64: it does not work"},
		"undecided":         {func(h *releasetest.History) { h.Tested(b, releasetest.Errored("upgrade/plain")) }, "upgrade/plain was not answered"},
		"zero results":      {func(h *releasetest.History) { answers(h, func(a *release.TestAnswered) { a.Passed = nil }) }, "no blocking check passed"},
		"advisory only": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) { a.PassedAdvisory, a.Passed = a.Passed, nil })
		}, "no blocking check passed"},
		"unknown verdict": {func(h *releasetest.History) { answers(h, func(a *release.TestAnswered) { a.Verdict = "splendid" }) }, `"splendid"`},
		"rejected for no reason": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) { a.Verdict = reports.Rejected })
		}, "did not come to its end"},
		"interrupted": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) { a.Verdict, a.Harsher = reports.Undecided, true })
		}, "did not come to its end"},
		"empty criterion": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) { a.Empty = []string{"storage"} })
		}, "criterion storage ran no check"},
		"skipped criterion": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) {
				a.Cases = []release.Case{{Check: "storage/pool", Outcome: reports.Skipped, Blocking: true}}
			})
		}, "criterion storage was skipped from end to end"},
		"criterion half of another kind": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) {
				a.Cases = []release.Case{{Check: "storage/pool", Outcome: reports.Skipped, Inapplicable: true, Blocking: true}, {Check: "storage/driver", Outcome: reports.Skipped, Blocking: true}}
			})
		}, "criterion storage was skipped from end to end"},
		"unknown outcome": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) {
				a.Cases = []release.Case{{Check: "storage/pool", Outcome: "sort-of", Blocking: true}}
			})
		}, "storage/pool was not answered"},
		"pass with a fault": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) {
				a.Cases = []release.Case{{Check: "storage/pool", Outcome: reports.Passed, Fault: reports.FaultInfra, Blocking: true}}
			})
		}, "storage/pool was not answered"},
		"other digest": {func(h *releasetest.History) {
			answers(h, func(a *release.TestAnswered) { a.Digest = releasetest.Digest("20261101_01", releasetest.QCOW2) })
		}, "was of other bytes"},
		"known but expired": {func(h *releasetest.History) {
			c := releasetest.Failed("upgrade/plain")
			c.Known = &reports.Known{Tracker: "https://bugs.example/1", Expires: "2026-11-02"}
			h.Tested(b, c)
		}, "upgrade/plain failed"},
		"missing artifact": {func(h *releasetest.History) {
			f := releasetest.BuildSeen(h.Policy, b, h.Now)
			f.Artifacts = f.Artifacts[:1]
			h.Record(release.Self, f).Next().Answer(b, releasetest.QCOW2)
		}, "it has no vagrant-libvirt x86_64"},
		"unlisted artifact": {func(h *releasetest.History) {
			f := releasetest.BuildSeen(h.Policy, b, h.Now)
			f.Artifacts = append(f.Artifacts, release.Artifact{ID: "iso/x86_64", Name: "x.iso", Location: "/x.iso", Digest: f.Artifacts[0].Digest, Size: 1})
			h.Record(release.Self, f).Next().Answer(b, releasetest.QCOW2).Answer(b, releasetest.Vagrant)
		}, "the policy does not name iso x86_64"},
		"two digests": {func(h *releasetest.History) {
			h.Tested(b)
			f := releasetest.BuildSeen(h.Policy, b, h.Now)
			f.Artifacts[0].Digest = releasetest.Digest("20261101_01", releasetest.QCOW2)
			h.Record(release.Self, f)
		}, "announced with two digests"},
		"two composes": {func(h *releasetest.History) {
			h.Tested(b)
			f := releasetest.BuildSeen(h.Policy, b, h.Now)
			f.Compose = "Another"
			h.Record(release.Self, f)
		}, "two composes claim this number: Another and Test-20261102_01"},
		"never announced": {func(h *releasetest.History) {
			for _, a := range []release.ArtifactID{releasetest.QCOW2, releasetest.Vagrant} {
				h.Record(release.Self, &release.TestRequested{Build: b, Artifact: a, Digest: releasetest.Digest(b, a), Attempt: 1, Deadline: h.Now})
				h.Answer(b, a)
			}
		}, "nobody has announced build 20261102_01"},
		"answer to another attempt": {func(h *releasetest.History) {
			h.Build(b).Next().Answer(b, releasetest.Vagrant)
			h.Record(release.Self, &release.TestRequested{Build: b, Artifact: releasetest.QCOW2, Digest: releasetest.Digest(b, releasetest.QCOW2), Attempt: 2, Deadline: h.Now.AddDate(0, 1, 0)})
			h.Record(release.Self, releasetest.Answer(b, releasetest.QCOW2, 1, h.Now))
		}, "has not finished (attempt 2"},
		"second answer": {func(h *releasetest.History) {
			h.Build(b).Next().Answer(b, releasetest.Vagrant)
			h.Answer(b, releasetest.QCOW2, releasetest.Failed("upgrade/plain"))
			h.Answer(b, releasetest.QCOW2)
		}, "upgrade/plain failed"},
		"marked bad": {func(h *releasetest.History) {
			h.Tested(b).MustSay(&release.BuildMarked{Build: b, Mark: release.MarkBad, Word: releasetest.Word("eats disks")})
		}, "marked bad by alice, 2026-11-02 03:00 UTC: eats disks"},
		"blocked": {func(h *releasetest.History) {
			h.Tested(b).MustSay(&release.StreamBlocked{Word: releasetest.Word("freeze")})
		}, "blocked by alice"},
		"required check missing": {func(h *releasetest.History) {
			h.Policy.Require = []release.Required{{Checks: "rollback/*"}}
			h.Tested(b)
		}, "rollback/* has no result"},
		"advisory made blocking": {func(h *releasetest.History) {
			h.Policy.Criteria = []release.Criterion{{Checks: "storage/*", Blocking: true}}
			c := releasetest.Failed("storage/pool")
			c.Blocking = false
			h.Tested(b, c)
		}, "storage/pool failed"},
		"a policy that wants nothing": {func(h *releasetest.History) {
			h.Tested(b)
			h.Policy.Artifacts = nil
		}, "it wants no artifact"},
	} {
		t.Run(name, func(t *testing.T) {
			h := releasetest.NewHistory(t, stream)
			h.Policy.Tests.Retries = 0
			h.Policy.Tests.Timeout = 72 * time.Hour
			c.do(h)
			h.At("2026-11-03T12:00:00Z")
			wantReason(t, h.Decide(), release.Wait, c.says)
			if b := h.State.Line(stream).Build(b); b != nil {
				if j := release.JudgeBuild(h.Policy, b, h.Now); j.Standing != release.Good && len(j.Artifacts) > 0 {
					t.Errorf("a build that is not good lists artifacts to release: %+v", j)
				}
			}
		})
	}
}

func TestWhatPassesAllTheSame(t *testing.T) {
	const b = release.BuildID("20261102_01")
	for name, do := range map[string]func(h *releasetest.History){
		"nothing special": func(h *releasetest.History) { h.Tested(b) },
		"advisory failure": func(h *releasetest.History) {
			c := releasetest.Failed("storage/pool")
			c.Blocking = false
			h.Tested(b, c)
		},
		"made advisory by the policy": func(h *releasetest.History) {
			h.Policy.Criteria = []release.Criterion{{Checks: "storage/*", Artifacts: "*/x86_64", Blocking: false}}
			h.Tested(b, releasetest.Failed("storage/pool"))
		},
		"known failure": func(h *releasetest.History) {
			c := releasetest.Failed("storage/pool")
			c.Known = &reports.Known{Tracker: "https://bugs.example/1", Expires: "2026-11-03"}
			h.Tested(b, c)
		},
		"waived": func(h *releasetest.History) {
			h.Tested(b, releasetest.Failed("storage/pool"))
			h.MustSay(&release.CheckWaived{Waiver: "w1", Build: b, Check: "storage/pool", Word: releasetest.Word("not used"), Expires: h.Now.AddDate(0, 1, 0)})
		},
		"second try": func(h *releasetest.History) {
			h.Tested(b, releasetest.Errored("upgrade/plain")) // Next asked again
			h.Answer(b, releasetest.QCOW2).Answer(b, releasetest.Vagrant)
		},
		"an optional artifact that failed": func(h *releasetest.History) {
			h.Policy.Artifacts[1].Optional = true
			h.Build(b).Next().Answer(b, releasetest.QCOW2)
			h.Answer(b, releasetest.Vagrant, releasetest.Failed("storage/pool"))
		},
		"marked bad, then good": func(h *releasetest.History) {
			h.Tested(b).MustSay(&release.BuildMarked{Build: b, Mark: release.MarkBad, Word: releasetest.Word("eats disks")})
			h.MustSay(&release.BuildMarked{Build: b, Mark: release.MarkGood, Word: releasetest.Word("it was my disk")})
		},
		"blocked, then unblocked": func(h *releasetest.History) {
			h.Tested(b).MustSay(&release.StreamBlocked{Word: releasetest.Word("freeze")})
			h.MustSay(&release.StreamUnblocked{Word: releasetest.Word("over")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := releasetest.NewHistory(t, stream)
			do(h)
			wantReason(t, h.At("2026-11-03T12:00:00Z").Decide(), release.Promote, "20261102_01 is released")
		})
	}
}

func TestMarkingGoodWaivesNothing(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
	h.MustSay(&release.BuildMarked{Build: "20261102_01", Mark: release.MarkGood, Word: releasetest.Word("I like it")})
	wantReason(t, h.At("2026-11-03T12:00:00Z").Decide(), release.Wait, "upgrade/plain failed")
}

func TestWaiverExpiresAndIsWithdrawn(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
	w := &release.CheckWaived{Waiver: "w1", Build: "20261102_01", Check: "upgrade/plain", Artifact: releasetest.QCOW2, Word: releasetest.Word("known"), Expires: time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)}
	h.MustSay(w)
	// It covers one artifact of two, and only until noon.
	wantReason(t, h.At("2026-11-03T11:59:59Z").Add(time.Second).Decide(), release.Wait, "upgrade/plain failed on qcow2")
	h.At("2026-11-03T11:00:00Z")
	b := h.State.Line(stream).Build("20261102_01")
	if j := release.JudgeBuild(h.Policy, b, h.Now); len(j.Reasons) != 1 || j.Reasons[0].Artifact != releasetest.Vagrant {
		t.Errorf("with a waiver for qcow2: %v", j.Reasons)
	}
	w2 := *w
	w2.Waiver, w2.Artifact, w2.Expires = "w2", "", w.Expires.AddDate(0, 1, 0)
	h.MustSay(&w2).At("2026-11-03T12:00:00Z")
	wantReason(t, h.Decide(), release.Promote)
	h.MustSay(&release.WaiverWithdrawn{Waiver: "w2", Word: releasetest.Word("thought again")})
	wantReason(t, h.Decide(), release.Wait, "upgrade/plain failed")
}

func TestRetryAndSkip(t *testing.T) {
	for _, policy := range []release.OnNothing{release.Retry, release.Skip} {
		t.Run(string(policy), func(t *testing.T) {
			h := releasetest.NewHistory(t, stream)
			h.Policy.OnNothing = policy
			h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
			h.At("2026-11-16T03:00:00Z").Tested("20261116_01", releasetest.Failed("upgrade/plain"))
			h.At("2026-11-17T12:00:00Z").Next()
			st := release.StatusOf(h.Policy, h.State, h.Now)
			if !st.Stale || h.Out() != "20261102_01" || !strings.Contains(strings.Join(st.Warnings, " "), "stale") {
				t.Errorf("nothing passed, and the status is %+v", st)
			}
			h.At("2026-11-18T03:00:00Z").Tested("20261118_01")
			if want := map[release.OnNothing]release.BuildID{release.Retry: "20261118_01", release.Skip: "20261102_01"}[policy]; h.Out() != want {
				t.Errorf("after a good build the day after, %s is out, want %s", h.Out(), want)
			}
			h.At("2026-12-01T12:00:00Z").Next()
			if h.Out() != "20261118_01" {
				t.Errorf("at the next date %s is out", h.Out())
			}
			if n := len(h.State.Line(stream).Releases); n != 2 {
				t.Errorf("%d releases", n)
			}
		})
	}
}

func TestSkipWaitsForRunningTests(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Policy.OnNothing, h.Policy.Grace = release.Skip, 4*time.Hour
	h.At("2026-11-03T11:00:00Z").Build("20261103_01").Next()
	h.At("2026-11-03T12:00:00Z").Next()
	wantReason(t, h.Decide(), release.Wait, "tests still run, and are waited for until 2026-11-03 16:00")
	h.Add(time.Hour).Answer("20261103_01", releasetest.QCOW2).Answer("20261103_01", releasetest.Vagrant).Next()
	if h.Out() != "20261103_01" {
		t.Errorf("out is %q", h.Out())
	}
}

func TestSleptThroughDates(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261101_01").Tested("20261102_01")
	h.At("2027-01-20T00:00:00Z").Next() // five dates later
	l := h.State.Line(stream)
	if len(l.Releases) != 1 || l.Releases[0].Slot != "2027-01-12" || h.Out() != "20261102_01" {
		t.Fatalf("releases: %+v", l.Releases)
	}
}

func TestClockThatRanAhead(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01")
	h.At("2099-01-01T00:00:00Z").Next()
	h.At("2026-11-17T12:00:00Z").Tested("20261117_01")
	wantReason(t, h.Decide(), release.Wait, "if the clock is right, a person has to reopen")
	h.MustSay(&release.SlotsReopened{After: h.Now, Word: releasetest.Word("the battery was flat")}).Next()
	if h.Out() != "20261117_01" {
		t.Errorf("out is %q: %s", h.Out(), h.Decide().Text())
	}
}

func TestOutOfBand(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	h.At("2026-11-05T03:00:00Z").Build("20261105_01").Next()
	h.MustSay(&release.PromotionRequested{Request: "p1", Build: "20261105_01", Word: releasetest.Word("CVE-2026-1")})
	wantReason(t, h.Decide(), release.Wait, "alice asked for 20261105_01, which is not released: the test of qcow2 x86_64 has not finished")
	h.Answer("20261105_01", releasetest.QCOW2).Answer("20261105_01", releasetest.Vagrant).Next()
	if h.Out() != "20261105_01" || h.State.Line(stream).Out().Slot != "" {
		t.Fatalf("out is %q", h.Out())
	}
	// Older ones need a word.
	if err := h.Say(&release.PromotionRequested{Request: "p2", Build: "20261102_01", Word: releasetest.Word("back")}); err == nil || !strings.Contains(err.Error(), "not newer than 20261105_01") {
		t.Errorf("an older build: %v", err)
	}
	h.MustSay(&release.PromotionRequested{Request: "p3", Build: "20261102_01", Older: true, Word: releasetest.Word("back")}).Next()
	if h.Out() != "20261102_01" {
		t.Errorf("out is %q", h.Out())
	}
	// The dates go on.
	h.At("2026-11-16T03:00:00Z").Tested("20261116_01").At("2026-11-17T12:00:00Z").Next()
	if h.Out() != "20261116_01" {
		t.Errorf("out is %q", h.Out())
	}
}

func TestRevoke(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Tested("20261102_01").At("2026-11-03T12:00:00Z").Next()
	h.At("2026-11-16T03:00:00Z").Tested("20261116_01").At("2026-11-17T12:00:00Z").Next()
	h.MustSay(&release.ReleaseRevoked{Build: "20261116_01", Word: releasetest.Word("eats disks")}).Next()
	if h.Out() != "20261102_01" {
		t.Fatalf("out is %q", h.Out())
	}
	st := release.StatusOf(h.Policy, h.State, h.Now)
	if !strings.Contains(strings.Join(st.Warnings, " "), "20261116_01 was revoked by alice") {
		t.Errorf("warnings: %q", st.Warnings)
	}
	if err := h.Say(&release.PromotionRequested{Request: "p", Build: "20261116_01", Word: releasetest.Word("please")}); err == nil || !strings.Contains(err.Error(), "lift the revocation first") {
		t.Errorf("promoting a revoked build: %v", err)
	}
	h.At("2026-12-01T12:00:00Z").Next()
	if h.Out() != "20261102_01" {
		t.Fatalf("the revoked build came back: out is %q", h.Out())
	}
	h.MustSay(&release.RevocationLifted{Build: "20261116_01", Word: releasetest.Word("it was the disk")}).Next()
	if h.Out() != "20261116_01" {
		t.Errorf("out is %q: %s", h.Out(), h.Decide().Text())
	}
}

func TestOverridesNeedPermission(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Build("20261102_01").Next()
	waive := &release.CheckWaived{Waiver: "w", Build: "20261102_01", Check: "base/running", Word: releasetest.Word("x"), Expires: h.Now.AddDate(0, 0, 1)}
	for name, c := range map[string]struct {
		perm release.Permission
		fact release.Fact
		says string
	}{
		"nobody":        {release.Permission{}, waive, "has not finished"},
		"another's":     {release.Permission{Users: []string{"bob"}, May: release.Overrides}, &release.StreamBlocked{Word: releasetest.Word("x")}, "does not let alice block"},
		"other checks":  {release.Permission{Users: []string{"alice"}, May: release.Overrides, Checks: []release.Glob{"storage/*"}}, &release.CheckWaived{Waiver: "w", Build: "20261102_01", Check: "base/running", Word: releasetest.Word("x"), Expires: h.Now.AddDate(0, 0, 1), Forced: true}, "does not let alice waive base/running"},
		"excepted":      {release.Permission{Users: []string{"alice"}, May: release.Overrides, Except: []release.Glob{"base/*"}}, &release.CheckWaived{Waiver: "w", Build: "20261102_01", Check: "base/running", Word: releasetest.Word("x"), Expires: h.Now.AddDate(0, 0, 1), Forced: true}, "does not let alice waive base/running"},
		"while it runs": {release.Permission{Users: []string{"alice"}, May: release.Overrides}, waive, "the test of qcow2 x86_64 has not finished"},
		"no such build": {release.Permission{Users: []string{"alice"}, May: release.Overrides}, &release.BuildMarked{Build: "20261103_01", Mark: release.MarkBad, Word: releasetest.Word("x")}, "there is no build"},
		"decides alone": {release.Permission{Users: []string{"alice"}, May: release.Overrides}, &release.ReleaseDecided{Build: "20261102_01", Artifacts: []release.Tested{{Artifact: releasetest.QCOW2, Digest: releasetest.Digest("20261102_01", releasetest.QCOW2)}}}, "only Decide releases"},
	} {
		t.Run(name, func(t *testing.T) {
			h.Policy.Overrides = []release.Permission{c.perm}
			if err := h.Say(c.fact); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	h.Policy.Overrides = []release.Permission{{Groups: []string{"qa"}, May: []release.Override{release.MayBlock}}}
	e, _ := release.NewEvent(stream, h.Now, release.Actor{Kind: release.Person, Name: "carol", Groups: []string{"qa"}}, &release.StreamBlocked{Word: releasetest.Word("x")})
	if err := release.Allow(h.Policy, h.State, e, h.Now); err != nil {
		t.Errorf("a member of the group: %v", err)
	}
	e.Actor.Kind = release.Service
	if release.Allow(h.Policy, h.State, e, h.Now) == nil {
		t.Error("a service may block")
	}
}
