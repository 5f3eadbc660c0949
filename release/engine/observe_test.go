package engine

import (
	"errors"
	"testing"

	"assay/release"
	"assay/release/releasetest"
)

// TestPeopleChangeBugs: what trackers tell is recorded once, and only news.
func TestPeopleChangeBugs(t *testing.T) {
	s := newStage(t)
	s.Tested("20261102_01", releasetest.Failed("upgrade/plain"))
	s.step(t)
	asked := [][]string{}
	answer, fails := []release.BugObserved{{Ref: "1", Open: true, At: s.Now}, {Ref: "99", At: s.Now}}, error(nil)
	s.adapters["tracker"].Observed = func(refs []string) ([]release.BugObserved, error) {
		asked = append(asked, refs)
		return answer, fails
	}
	e, err := New(t.Context(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	look := func() uint64 {
		t.Helper()
		if err := e.Observe(t.Context()); err != nil {
			t.Fatal(err)
		}
		return e.state.Head().Seq
	}
	before := e.state.Head().Seq
	if got := look(); got != before {
		t.Errorf("nothing has changed, and the history went from %d to %d", before, got)
	}
	answer = []release.BugObserved{{Ref: "1", WontFix: true, At: s.Now}}
	if got := look(); got != before+1 {
		t.Errorf("a person closed the bug: the history went from %d to %d", before, got)
	}
	if got := look(); got != before+1 {
		t.Error("the same news was recorded again")
	}
	if b := e.state.Line(stream).Bug("tracker", "check:upgrade/plain"); b == nil || b.Open || !b.WontFix {
		t.Errorf("the bug is %+v", b)
	}
	if len(asked) != 3 || len(asked[0]) != 1 || asked[0][0] != "1" {
		t.Errorf("asked for %v", asked)
	}
	fails = errors.New("503")
	if err := e.Observe(t.Context()); err == nil {
		t.Error("a tracker that does not answer is no error")
	}
	s.adapters["tracker"].Observed = func([]string) ([]release.BugObserved, error) { panic("boom") }
	if err := e.Observe(t.Context()); err == nil {
		t.Error("an adapter that panics is no error")
	}
}
