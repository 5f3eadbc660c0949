package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

const stream release.Stream = "test-1"

type stage struct {
	*releasetest.History
	adapters map[string]*releasetest.Adapter
	config   Config
}

func newStage(t *testing.T) *stage {
	s := &stage{History: releasetest.NewHistory(t, stream), adapters: map[string]*releasetest.Adapter{}}
	s.config = Config{Log: s.Log, Policies: []*release.Policy{s.Policy}, Adapters: map[Target]release.Performer{},
		Now: func() time.Time { return s.Now }, Tell: t.Logf, Alone: true}
	for kind, name := range map[release.EffectKind]string{release.EffectBug: "tracker", release.EffectSign: "key", release.EffectPublish: "site", release.EffectAnnounce: "mail"} {
		s.adapters[name] = &releasetest.Adapter{}
		s.config.Adapters[Target{kind, name}] = s.adapters[name]
	}
	return s
}

// day steps through a day, from one moment that something is due at to the next.
func (s *stage) day(t *testing.T) {
	t.Helper()
	for end := s.Now.Add(24 * time.Hour); s.Now.Before(end); {
		next := s.step(t)
		if !next.After(s.Now) {
			t.Fatalf("nothing to wait for at %s", s.Now)
		}
		s.Now = next
	}
}

func (s *stage) step(t *testing.T) time.Time {
	t.Helper()
	e, err := New(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	next, err := e.Step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.State.CatchUp(t.Context(), s.Log); err != nil {
		t.Fatal(err)
	}
	return next
}

func TestReleaseIsSignedPublishedAndAnnouncedOnce(t *testing.T) {
	s := newStage(t)
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	for range 3 {
		s.step(t)
	}
	if got := len(s.adapters["key"].Did()); got != 1 {
		t.Errorf("signed %d times", got)
	}
	var steps []release.Step
	for _, e := range s.adapters["site"].Did() {
		steps = append(steps, e.Publish.Step)
		if len(e.Publish.Signed) != 1 || e.Publish.Release.Build != "20261102_01" {
			t.Errorf("published without signatures: %+v", e.Publish)
		}
	}
	if !slices.Equal(steps, release.PublishSteps) {
		t.Errorf("steps %v", steps)
	}
	if got := s.adapters["mail"].Keys(); len(got) != 1 {
		t.Errorf("mails: %q", got)
	}
	if !release.StatusOf(s.Policy, s.State, s.Now).Published {
		t.Error("it is not published")
	}
}

func TestDeadTrackerHoldsNothingUp(t *testing.T) {
	s := newStage(t)
	tries := 0
	s.adapters["tracker"].Fail = func(release.Effect) error { tries++; return errors.New("503 for you") }
	s.Tested("20261101_01").Tested("20261102_01", releasetest.Failed("upgrade/plain")).At("2026-11-03T12:00:00Z")
	s.day(t)
	if s.Out() != "20261101_01" || len(s.adapters["mail"].Did()) != 1 {
		t.Errorf("out is %q", s.Out())
	}
	if tries < 20 || tries > 40 {
		t.Errorf("a day without a tracker took %d tries", tries)
	}
	s.adapters["tracker"].Fail = nil
	s.Add(2 * time.Hour)
	s.step(t)
	if got := s.adapters["tracker"].Keys(); len(got) != 1 || !strings.Contains(got[0], "check:upgrade/plain/1/open") {
		t.Errorf("afterwards: %q", got)
	}
}

// TestBugLife: one bug for a check, comments on change alone, closed after two
// passes, reopened and not filed again.
func TestBugLife(t *testing.T) {
	s := newStage(t)
	day := 2
	night := func(cases ...release.Case) {
		s.Tested(release.BuildID(fmt.Sprintf("202611%02d_01", day)), cases...)
		s.step(t)
		day++
		s.Add(24 * time.Hour)
	}
	bad, worse := releasetest.Failed("upgrade/plain"), releasetest.Failed("upgrade/plain")
	bad.Message = "no route at 12:01:17, pid 812"
	worse.Message = "panic"
	night()
	night(bad)
	bad.Message = "no route at 03:44:59, pid 99"
	night(bad) // the same again: silence
	night(worse)
	night()
	night(worse) // flapping: still open
	night()
	night()
	night(bad)
	var got []string
	for _, e := range s.adapters["tracker"].Did() {
		got = append(got, fmt.Sprintf("%s first %s last %s ref %q", e.Bug.Action, e.Bug.FirstBad, e.Bug.LastGood, e.Bug.Ref))
	}
	want := []string{
		`open first 20261103_01 last 20261102_01 ref ""`,
		`comment first 20261103_01 last 20261102_01 ref "1"`,
		`close first  last  ref "1"`,
		`reopen first 20261110_01 last 20261109_01 ref "1"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWontFixIsRespected(t *testing.T) {
	s := newStage(t)
	s.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
	s.step(t)
	s.Record(release.Self, &release.BugObserved{Tracker: "tracker", Ref: "1", WontFix: true, At: s.Now})
	c := releasetest.Failed("upgrade/plain")
	c.Message = "something else"
	s.Add(24*time.Hour).Tested("20261103_01", c)
	s.step(t)
	if got := s.adapters["tracker"].Keys(); len(got) != 1 {
		t.Errorf("effects: %q", got)
	}
	// Closed by hand as mended, and it is not.
	s.Record(release.Self, &release.BugObserved{Tracker: "tracker", Ref: "1", At: s.Now})
	s.Add(24*time.Hour).Tested("20261104_01", c)
	s.step(t)
	if got := s.adapters["tracker"].Keys(); len(got) != 2 || !strings.HasSuffix(got[1], "reopen") {
		t.Errorf("effects: %q", got)
	}
}

func TestNoImageBug(t *testing.T) {
	s := newStage(t)
	fail := func(compose string) {
		s.Add(24*time.Hour).Record(release.Self, &release.BuildFailed{Compose: compose, Status: "DOOMED", Ended: s.Now})
		s.step(t)
		s.step(t)
	}
	fail("C1")
	fail("C2")
	s.Add(24 * time.Hour).Build("20261105_01")
	s.step(t)
	fail("C3")
	var got []string
	for _, e := range s.adapters["tracker"].Did() {
		got = append(got, string(e.Bug.Action)+" "+e.Bug.Now)
	}
	if want := []string{"open C1", "comment C2", "close 20261105_01", "reopen C3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRevocationIsPublishedAndAnnounced(t *testing.T) {
	s := newStage(t)
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	s.step(t)
	s.At("2026-11-16T00:00:00Z").Tested("20261116_01").At("2026-11-17T12:00:00Z")
	s.step(t)
	s.MustSay(&release.ReleaseRevoked{Build: "20261116_01", Word: releasetest.Word("eats disks")})
	s.step(t)
	last := lastOfRelease(s)
	if last.Step != release.StepPointer || last.Release.Build != "20261102_01" || !last.Fallback || last.Revoked.Build != "20261116_01" {
		t.Errorf("last step: %+v", last)
	}
	mails := s.adapters["mail"].Did()
	if m := mails[len(mails)-1].Announce; len(mails) != 3 || m.Revoked == nil || m.Release.Build != "20261102_01" {
		t.Errorf("%d mails, last %+v", len(mails), m)
	}
	if got := s.adapters["tracker"].Keys(); !slices.ContainsFunc(got, func(k string) bool { return strings.Contains(k, "revoked:20261116_01") }) {
		t.Errorf("bugs: %q", got)
	}
	// With nothing to fall back to, the pointer says so.
	s.MustSay(&release.ReleaseRevoked{Build: "20261102_01", Word: releasetest.Word("eats disks, too")})
	s.step(t)
	if last := lastOfRelease(s); last.Step != release.StepPointer || last.Release.Build != "" || last.Revoked == nil {
		t.Errorf("last step: %+v", last)
	}
}

// lastOfRelease is the last step of a release that was taken.
func lastOfRelease(s *stage) (last *release.PublishWork) {
	for _, e := range s.adapters["site"].Did() {
		if e.Publish.Step != release.StepPages {
			last = e.Publish
		}
	}
	return last
}

func TestMarkedBadWhileItIsStaged(t *testing.T) {
	s := newStage(t)
	s.Policy.Keys = nil
	s.adapters["site"].Fail = func(e release.Effect) error {
		if e.Publish.Step == release.StepObjects {
			return errors.New("disk full")
		}
		return nil
	}
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	s.step(t)
	s.MustSay(&release.BuildMarked{Build: "20261102_01", Mark: release.MarkBad, Word: releasetest.Word("eats disks")})
	s.adapters["site"].Fail = nil
	s.Add(time.Hour)
	s.step(t)
	if got := s.adapters["site"].Did(); len(got) != 1 {
		t.Errorf("%d steps were taken for a build that was marked bad", len(got))
	}
	s.MustSay(&release.BuildMarked{Build: "20261102_01", Mark: release.MarkGood, Word: releasetest.Word("it was my disk")})
	s.step(t)
	if got := s.adapters["site"].Did(); len(got) != len(release.PublishSteps) {
		t.Errorf("%d steps were taken", len(got))
	}
}

func TestDecisionThatNobodyMadeIsNotPublished(t *testing.T) {
	s := newStage(t)
	s.Build("20261102_01")
	s.Record(release.Self, &release.ReleaseDecided{Build: "20261102_01", Artifacts: []release.Tested{{Artifact: releasetest.QCOW2, Digest: releasetest.Digest("20261101_01", releasetest.QCOW2)}}, Reasons: []string{"forged"}})
	s.step(t)
	if n := len(s.adapters["key"].Did()) + len(s.adapters["site"].Did()) + len(s.adapters["mail"].Did()); n != 0 {
		t.Errorf("%d effects", n)
	}
}

// A target that a person has given up holds nothing up, if another has the
// release.
func TestDroppedTarget(t *testing.T) {
	s := newStage(t)
	s.Policy.Targets = append(s.Policy.Targets, release.Target{Name: "mirror"})
	s.config.Adapters[Target{release.EffectPublish, "mirror"}] = &releasetest.Adapter{}
	s.adapters["site"].Fail = func(release.Effect) error { return errors.New("the disk is gone") }
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	s.step(t)
	e := release.Effects(s.Policy, s.State, s.Now)
	if len(e) != 1 || e[0].Kind != release.EffectPublish || e[0].LastError != "the disk is gone" {
		t.Fatalf("effects: %+v", e)
	}
	s.MustSay(&release.EffectDropped{Key: e[0].Key, Word: releasetest.Word("we have no such site any more")})
	s.step(t)
	if got := s.adapters["mail"].Keys(); len(got) != 1 {
		t.Errorf("mails: %q", got)
	}
}

// TestKilledBetweenDoingAndRecording: the log is lost right after the adapter
// has done its work. The next engine does it again under the same key, knowing
// that it may have happened.
func TestKilledBetweenDoingAndRecording(t *testing.T) {
	s := newStage(t)
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	broken := &cutLog{Log: s.Log}
	s.config.Log = broken
	for n := 1; ; n++ {
		broken.left = n
		e, err := New(t.Context(), s.config)
		if err == nil {
			_, err = e.Step(t.Context())
		}
		if err == nil {
			break
		}
		if n > 100 {
			t.Fatalf("it never ends: %v", err)
		}
	}
	s.config.Log = s.Log
	s.step(t)
	for name, want := range map[string]int{"key": 1, "site": len(release.PublishSteps), "mail": 1} {
		if got := s.adapters[name].Keys(); len(got) != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if r := s.State.Line(stream).Releases; len(r) != 1 {
		t.Errorf("%d releases", len(r))
	}
}

type cutLog struct {
	release.Log
	left int
}

func (l *cutLog) Append(ctx context.Context, head release.Head, e release.Event) (release.Head, error) {
	if l.left--; l.left < 0 {
		return head, errors.New("killed")
	}
	return l.Log.Append(ctx, head, e)
}

func TestTwoEnginesDoNotDoItTwice(t *testing.T) {
	s := newStage(t)
	s.config.Alone = false
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	attempts := make(chan release.EffectKey, 100)
	for _, a := range s.adapters {
		a.Fail = func(e release.Effect) error { attempts <- e.Key; return nil }
	}
	errs := make(chan error)
	for range 4 {
		go func() {
			e, err := New(context.Background(), s.config)
			if err == nil {
				_, err = e.Step(context.Background())
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	s.step(t)
	close(attempts)
	seen := map[release.EffectKey]bool{}
	for k := range attempts {
		if seen[k] {
			t.Errorf("%s was tried twice", k)
		}
		seen[k] = true
	}
	if len(seen) != 1+len(release.PublishSteps)+1 {
		t.Errorf("effects: %v", seen)
	}
}

func TestPanickingAdapterHasFailed(t *testing.T) {
	s := newStage(t)
	s.adapters["mail"].Fail = func(release.Effect) error { panic("oh") }
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	if next := s.step(t); !next.Equal(s.Now.Add(time.Minute)) {
		t.Errorf("next attempt at %s", next)
	}
}

func TestRunFollowsTheHistory(t *testing.T) {
	s := newStage(t)
	s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
	done := make(chan release.Effect, 10)
	s.adapters["mail"].Fail = func(e release.Effect) error { done <- e; return nil }
	e, err := New(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, time.Hour) }()
	<-done
	// Nothing is due now; a word wakes it.
	ev, err := release.NewEvent(stream, s.Now, releasetest.Alice, &release.ReleaseRevoked{Build: "20261102_01", Word: releasetest.Word("bad")})
	if err == nil {
		err = e.Record(ctx, s.Policy, ev)
	}
	if err != nil {
		t.Fatal(err)
	}
	if x := <-done; x.Announce.Revoked == nil {
		t.Errorf("announced: %+v", x.Announce)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRunOutlivesItsStorage(t *testing.T) {
	s := newStage(t)
	told := make(chan string, 10)
	s.config.Tell = func(format string, args ...any) { told <- fmt.Sprintf(format, args...) }
	s.Build("20261102_01")
	s.config.Log = &cutLog{Log: s.Log}
	e, err := New(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, time.Hour) }()
	if text := <-told; !strings.Contains(text, "cannot go on, next try in 1s: killed") {
		t.Error(text)
	}
	cancel()
	<-ended
}

// TestWhatAKilledProcessBeganHoldsNothingUp: another effect on the target takes
// its place, and nobody waits for a lease of the dead.
func TestWhatAKilledProcessBeganHoldsNothingUp(t *testing.T) {
	for _, alone := range []bool{true, false} {
		s := newStage(t)
		s.config.Alone = alone
		s.Tested("20261102_01").At("2026-11-03T12:00:00Z")
		s.step(t)
		s.At("2026-11-16T00:00:00Z").Tested("20261116_01").At("2026-11-17T12:00:00Z").Next()
		for _, e := range release.Effects(s.Policy, s.State, s.Now) {
			if e.Sign != nil {
				s.Record(release.Self, e.Done(release.Receipt{}))
			}
		}
		for _, e := range release.Effects(s.Policy, s.State, s.Now) {
			if e.Publish != nil && e.Publish.Step == release.StepStage {
				s.Record(release.Self, &release.EffectStarted{Key: e.Key, Attempt: 1, Lease: s.Now.Add(4 * time.Hour)})
			}
		}
		s.Add(time.Minute).MustSay(&release.ReleaseRevoked{Build: "20261116_01", Word: releasetest.Word("eats disks")})
		s.step(t)
		last := lastOfRelease(s)
		if back := last.Step == release.StepPointer && last.Fallback; back != alone {
			t.Errorf("alone %t: last step %+v", alone, last)
		}
	}
}

// TestDeadBusHoldsNoReleaseUp, and costs an attempt now and then; back again it
// hears what there was, in order.
func TestDeadBusHoldsNoReleaseUp(t *testing.T) {
	s := newStage(t)
	tries := 0
	bus := &releasetest.Adapter{Fail: func(release.Effect) error { tries++; return errors.New("no route to bus") }}
	s.config.Adapters[Target{release.EffectResult, "bus"}] = bus
	s.Policy.Results = []release.Channel{{Name: "bus"}}
	s.Tested("20261101_01").Tested("20261102_01").At("2026-11-03T12:00:00Z")
	s.day(t)
	if s.Out() != "20261102_01" || len(s.adapters["mail"].Did()) != 1 {
		t.Errorf("out is %q", s.Out())
	}
	if tries < 20 || tries > 40 {
		t.Errorf("a day without a bus took %d tries", tries)
	}
	bus.Fail = nil
	s.Add(2 * time.Hour)
	s.step(t)
	did := bus.Did()
	if len(did) != 8 || !slices.IsSortedFunc(did, func(a, b release.Effect) int { return int(a.Result.Seq) - int(b.Result.Seq) }) {
		t.Errorf("afterwards: %q", bus.Keys())
	}
	s.step(t)
	if n := len(bus.Did()); n != 8 {
		t.Errorf("told again: %q", bus.Keys())
	}
}
