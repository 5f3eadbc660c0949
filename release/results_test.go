package release_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
	"assay/reports"
)

// tellAll has every message about tests told that is owed now, and says what
// they were about.
func tellAll(h *releasetest.History) (out []string) {
	h.TB.Helper()
	for range 10_000 {
		n := len(out)
		for _, e := range release.Effects(h.Policy, h.State, h.Now) {
			if w := e.Result; w != nil {
				word := "queued"
				if w.Lapsed {
					word = "lapsed"
				} else if w.Answer != nil {
					o, _ := w.Answer.Outcome()
					word = string(o)
				}
				out = append(out, fmt.Sprintf("%s %s %s %d %s", e.Target, w.Build, w.Artifact.Kind(), w.Attempt, word))
				h.Record(release.Self, &release.EffectStarted{Key: e.Key, Attempt: 1, Lease: h.Now.Add(time.Hour)})
				h.Record(release.Self, e.Done(release.Receipt{Ref: "id"}))
			}
		}
		if len(out) == n {
			return out
		}
	}
	h.TB.Fatalf("there is no end of results")
	return nil
}

// TestEachTestIsTold once to each channel: that it was asked for, then what came
// of it, a lost attempt's undecided answer too.
func TestEachTestIsTold(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Policy.Results = []release.Channel{{Name: "bus"}}
	h.Build("20261102_01").Next()
	h.Answer("20261102_01", releasetest.QCOW2, releasetest.Errored("base/running")).Next()
	h.Answer("20261102_01", releasetest.QCOW2, releasetest.Failed("base/running"))
	h.Answer("20261102_01", releasetest.Vagrant)
	// One that comes late, and a second, are no news.
	h.Record(release.Self, releasetest.Answer("20261102_01", releasetest.QCOW2, 1, h.Now, releasetest.Failed("x/y")))
	h.Record(release.Self, releasetest.Answer("20261102_01", releasetest.Vagrant, 1, h.Now, releasetest.Failed("x/y")))
	want := []string{"bus 20261102_01 qcow2 1 queued", "bus 20261102_01 vagrant-libvirt 1 queued", "bus 20261102_01 qcow2 1 error", "bus 20261102_01 qcow2 2 queued",
		"bus 20261102_01 qcow2 2 failed", "bus 20261102_01 vagrant-libvirt 1 passed"}
	if got := tellAll(h); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if got := tellAll(h); len(got) > 0 {
		t.Errorf("told again: %q", got)
	}
	again, err := release.Load(t.Context(), h.Log)
	if err != nil {
		t.Fatal(err)
	}
	h.State = again
	if got := tellAll(h); len(got) > 0 {
		t.Errorf("told again after a start: %q", got)
	}
	// Another channel has its own count, and hears of the week.
	h.Policy.Results = append(h.Policy.Results, release.Channel{Name: "other"})
	if got := tellAll(h); len(got) != len(want) || !strings.HasPrefix(got[0], "other ") {
		t.Errorf("the second channel: %q", got)
	}
}

// TestChannelThatIsAwayIsTriedOnce for all that waits, and hears everything in
// its order when it is back.
func TestChannelThatIsAwayIsTriedOnce(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Policy.Results = []release.Channel{{Name: "bus"}}
	h.Tested("20261102_01")
	first := owed(h)[release.EffectResult]
	for day := range 5 {
		h.Add(24 * time.Hour).Tested(release.BuildID(fmt.Sprintf("202611%02d_01", 3+day)))
		o := owed(h)[release.EffectResult]
		if !slices.Equal(o, first) || len(o) != 1 {
			t.Fatalf("owed %v, want %v", o, first)
		}
		h.Record(release.Self, &release.EffectFailed{Key: o[0], Attempt: day + 1, Error: "down", Retry: h.Now})
	}
	if got := tellAll(h); len(got) != 6*4 || got[0] != "bus 20261102_01 qcow2 1 queued" {
		t.Errorf("%d: %q", len(got), got)
	}
	// One that a person gave up is over with; the next is not, nor any to come.
	h.Tested("20261108_01")
	one := owed(h)[release.EffectResult][0]
	h.MustSay(&release.EffectDropped{Key: one, Word: releasetest.Word("nobody listens")})
	h.MustSay(&release.EffectDropped{Key: "result/bus/999999", Word: releasetest.Word("a typo")})
	if got := tellAll(h); len(got) != 3 {
		t.Errorf("after one was dropped: %q", got)
	}
}

// TestLapsedTestsAreTold: the last attempt, once, when its time is up; what comes
// late is told of, too.
func TestLapsedTestsAreTold(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Policy.Results = []release.Channel{{Name: "bus"}}
	h.Build("20261102_01").Next()
	h.Answer("20261102_01", releasetest.Vagrant)
	tellAll(h)
	h.Add(7 * time.Hour).Next() // the first attempt is over, and the second asked for
	if got, want := tellAll(h), []string{"bus 20261102_01 qcow2 2 queued"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	h.Add(7 * time.Hour).Next()
	if got, want := tellAll(h), []string{"bus 20261102_01 qcow2 2 lapsed"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	again, err := release.Load(t.Context(), h.Log)
	if err != nil {
		t.Fatal(err)
	}
	if h.State = again; len(tellAll(h)) > 0 {
		t.Error("told again after a start")
	}
	h.Answer("20261102_01", releasetest.QCOW2)
	if got, want := tellAll(h), []string{"bus 20261102_01 qcow2 2 passed"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// TestOldResultsAreNotTold: a stage that begins to tell does not begin with years
// ago.
func TestOldResultsAreNotTold(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	for range 1200 {
		h.Tested(release.NewBuildID(h.Now, 1))
		h.Add(24 * time.Hour)
	}
	h.Policy.Results = []release.Channel{{Name: "bus"}}
	got := tellAll(h)
	if len(got) != 7*4 {
		t.Errorf("%d of the last week: %q", len(got), got)
	}
	if len(got) > 0 && !strings.Contains(got[len(got)-1], string(release.NewBuildID(h.Now.Add(-24*time.Hour), 1))) {
		t.Errorf("the last is %s", got[len(got)-1])
	}
}

// TestToldResultsLeaveNothingInTheState, in whatever order their ends come.
func TestToldResultsLeaveNothingInTheState(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Policy.Results = []release.Channel{{Name: "bus"}}
	h.Tested("20261102_01")
	k := owed(h)[release.EffectResult][0]
	tellAll(h)
	h.Record(release.Self, &release.EffectStarted{Key: k, Attempt: 7, Lease: h.Now.Add(time.Hour)})
	h.Record(release.Self, &release.EffectFailed{Key: k, Attempt: 8, Error: "x", Retry: h.Now.Add(time.Hour)})
	if x := h.State.Line(stream).Effect(k); x.Started || x.Attempt != 0 || x.LastError != "" {
		t.Errorf("it is still there: %+v", x)
	}
	h.Tested("20261103_01")
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		if e.Kind == release.EffectResult && e.Due.After(h.Now) {
			t.Errorf("%s waits for an attempt that is over", e.Key)
		}
	}
}

func TestOutcomes(t *testing.T) {
	advisory := releasetest.Failed("base/running")
	advisory.Blocking = false
	harsher := func(f *release.TestAnswered) { f.Harsher = true }
	for _, c := range []struct {
		what   string
		cases  []release.Case
		change func(*release.TestAnswered)
		want   release.Outcome
		fault  reports.Fault
	}{
		{"all passed", nil, nil, release.OutcomePassed, ""},
		{"one was skipped", []release.Case{{Check: "base/running", Outcome: reports.Skipped}}, nil, release.OutcomePassed, ""},
		{"advice", []release.Case{advisory}, nil, release.OutcomeInfo, ""},
		{"a failure", []release.Case{releasetest.Failed("base/running")}, nil, release.OutcomeFailed, ""},
		{"no answer", []release.Case{advisory, releasetest.Errored("upgrade/plain")}, nil, release.OutcomeErrored, reports.FaultInfra},
		{"no verdict", nil, func(f *release.TestAnswered) { f.Verdict = reports.Undecided }, release.OutcomeErrored, ""},
		{"a word nobody knows", nil, func(f *release.TestAnswered) { f.Verdict = "fine" }, release.OutcomeErrored, ""},
		{"accepted, and interrupted", nil, harsher, release.OutcomeInspect, ""},
		{"rejected by no case", []release.Case{releasetest.Failed("base/running")}, harsher, release.OutcomeInspect, ""},
	} {
		f := releasetest.Answer("20261102_01", releasetest.QCOW2, 1, releasetest.Start, c.cases...)
		if c.change != nil {
			c.change(f)
		}
		if got, fault := f.Outcome(); got != c.want || fault != c.fault {
			t.Errorf("%s: %s %q, want %s %q", c.what, got, fault, c.want, c.fault)
		}
	}
}
