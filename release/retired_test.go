package release_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

// fourPublished are out one after the other; the fourth is out.
func fourPublished(t *testing.T) *releasetest.History {
	h := releasetest.NewHistory(t, stream)
	for i, b := range []release.BuildID{"20261102_01", "20261116_01", "20261130_01", "20261214_01"} {
		h.Now = releasetest.Start.AddDate(0, 0, 14*i)
		h.Tested(b).Add(33 * time.Hour).Next()
		settle(h)
		if h.Out() != b {
			t.Fatalf("out is %q", h.Out())
		}
	}
	return h
}

func retire(builds ...release.BuildID) *release.ReleasesRetired {
	return &release.ReleasesRetired{Target: "site", Builds: builds, Word: releasetest.Word("room")}
}

// TestRetiredReleasesLeaveTheirTarget: pages first, then the files, once.
func TestRetiredReleasesLeaveTheirTarget(t *testing.T) {
	h := fourPublished(t)
	for _, c := range []struct {
		f    *release.ReleasesRetired
		want string
	}{
		{retire("20261214_01"), "readers are given it"},
		{retire("20261130_01"), "would be given it again"},
		{retire("20261102_01", "20261130_01"), "would be given it again"},
		{retire("20261101_01"), "has no files of"},
		{retire(), "retires nothing"},
		{retire("20261102_01", "20261102_01"), "listed twice"},
		{&release.ReleasesRetired{Target: "moon", Builds: []release.BuildID{"20261102_01"}, Word: releasetest.Word("x")}, "no target"},
		{&release.ReleasesRetired{Target: "site", Builds: []release.BuildID{"20261102_01"}}, "reason"},
	} {
		if err := h.Say(c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.f, err, c.want)
		}
	}
	h.Add(time.Minute).MustSay(retire("20261102_01", "20261116_01"))
	var steps []release.Step
	for _, e := range settle(h) {
		steps = append(steps, e.Publish.Step)
		if e.Publish.Step != release.StepRetire {
			continue
		}
		if !slices.Equal(e.Publish.Retire, []release.BuildID{"20261102_01", "20261116_01"}) {
			t.Errorf("retired: %v", e.Publish.Retire)
		}
		var keep []string
		for _, b := range []release.BuildID{"20261130_01", "20261214_01"} {
			keep = append(keep, releasetest.Digest(b, "commit").Hex())
		}
		slices.Sort(keep)
		if !slices.Equal(e.Publish.Keep, keep) {
			t.Errorf("kept: %v, want %v", e.Publish.Keep, keep)
		}
	}
	if !slices.Equal(steps, []release.Step{release.StepPages, release.StepRetire}) {
		t.Errorf("steps: %v", steps)
	}
	there := h.State.Line(stream).PublishedAt(h.Policy.Targets[0])
	if len(there) != 2 || there["20261102_01"] != nil {
		t.Errorf("there: %v", there)
	}
	if err := h.Say(retire("20261102_01")); err == nil {
		t.Error("retired twice")
	}
}

// TestRetiredBuildThatComesBack: both later releases are revoked, and the files
// that are needed again are not removed by what was said before.
func TestRetiredBuildThatComesBack(t *testing.T) {
	h := fourPublished(t)
	h.MustSay(retire("20261102_01", "20261116_01"))
	for _, e := range release.Effects(h.Policy, h.State, h.Now) {
		if e.Publish != nil && e.Publish.Step == release.StepPages {
			h.Record(release.Self, e.Done(release.Receipt{})) // and no further
		}
	}
	h.Add(time.Minute).MustSay(&release.ReleaseRevoked{Build: "20261130_01", Word: releasetest.Word("eats disks")})
	h.Add(time.Minute).MustSay(&release.ReleaseRevoked{Build: "20261214_01", Word: releasetest.Word("eats disks")})
	if h.Out() != "20261116_01" {
		t.Fatalf("out is %q", h.Out())
	}
	n := 0
	for _, e := range settle(h) {
		if e.Publish != nil && e.Publish.Step == release.StepRetire {
			n++
			if slices.Contains(e.Publish.Retire, "20261116_01") {
				t.Errorf("removed: %v", e.Publish.Retire)
			}
		}
	}
	there := h.State.Line(stream).PublishedAt(h.Policy.Targets[0])
	if _, ok := there["20261116_01"]; !ok || n != 1 {
		t.Errorf("%d steps, there: %v", n, there)
	}
}

// TestNothingIsRetiredBetweenObjectsAndRefs: a fallback may have a commit at the
// target that no event has named yet, of this stream or of another.
func TestNothingIsRetiredBetweenObjectsAndRefs(t *testing.T) {
	for name, of := range map[string]release.Stream{"the stream itself": stream, "another": "another"} {
		h := fourPublished(t)
		retiring, falling := h.Policy, releasetest.Policy(of)
		h.MustSay(retire("20261102_01"))
		h.Policy = falling
		if of != stream {
			h.Tested("20261102_01").Next()
			settle(h)
			h.Now = h.Now.AddDate(0, 0, 14)
			h.Tested("20261116_01").Next()
			settle(h)
		}
		h.Add(time.Minute).MustSay(&release.ReleaseRevoked{Build: h.Out(), Word: releasetest.Word("eats disks")})
		// do takes one step, when it is offered.
		do := func(p *release.Policy, step release.Step) bool {
			for _, e := range release.Effects(p, h.State, h.Now) {
				if e.Publish == nil || e.Publish.Step != step {
					continue
				}
				ev, err := release.NewEvent(p.Stream, h.Now, release.Self, e.Done(release.Receipt{}))
				if err == nil {
					err = h.State.Update(t.Context(), h.Log, func(*release.State) ([]release.Event, error) { return []release.Event{ev}, nil })
				}
				if err != nil {
					t.Fatal(err)
				}
				return true
			}
			return false
		}
		if !do(retiring, release.StepPages) || !do(falling, release.StepStage) || !do(falling, release.StepObjects) {
			t.Fatalf("%s: steps are missing", name)
		}
		if do(retiring, release.StepRetire) {
			t.Errorf("%s: files are removed while no ref names what was brought", name)
		}
		if !do(falling, release.StepRefs) {
			t.Fatalf("%s: the refs are not moved", name)
		}
		do(retiring, release.StepPages)
		if !do(retiring, release.StepRetire) {
			t.Errorf("%s: nothing is removed ever after", name)
		}
	}
}

// TestDatesThatPeopleSkip have begun, and have no release.
func TestDatesThatPeopleSkip(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	skip := func(n int) error {
		s := h.Policy.Calendar.Slot(n)
		return h.Say(&release.SlotSkipped{Slot: s.ID, At: s.At.UTC(), Reasons: []string{"holidays"}})
	}
	h.At("2026-11-03T11:00:00Z")
	if err := skip(0); err == nil {
		t.Error("a date to come was skipped")
	}
	h.At("2026-11-03T12:00:00Z")
	if err := skip(1); err == nil {
		t.Error("the next date was skipped")
	}
	if err := skip(0); err != nil {
		t.Fatal(err)
	}
	h.Tested("20261103_01")
	wantReason(t, h.Decide(), release.Wait, "release date 2026-11-03 was skipped")
	h.At("2026-11-17T12:00:00Z").Next()
	if h.Out() != "20261103_01" {
		t.Fatalf("out is %q", h.Out())
	}
	if err := skip(1); err == nil {
		t.Error("a date that had its release was skipped")
	}
	// Whoever wrote such an event all the same takes no release back.
	s := h.Policy.Calendar.Slot(1)
	h.Record(releasetest.Alice, &release.SlotSkipped{Slot: s.ID, At: s.At.UTC(), Reasons: []string{"x"}})
	if c := h.State.Line(stream).Closed[s.ID]; c.Build != "20261103_01" {
		t.Errorf("closed: %+v", c)
	}
}
