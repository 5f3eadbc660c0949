package gitlab

import (
	"errors"
	"strings"
	"testing"

	"assay/release"
	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

func TestStandIn(t *testing.T) { trackertest.Run(t, New, trackertest.StandIn(tracker.GitLab)) }

// 202 means that the service took the comment for a command to itself.
func TestCommentThatIsNotKept(t *testing.T) {
	s, err := New(trackertest.Answers(t, tracker.Config{Type: tracker.GitLab, Project: "a/b/c"},
		map[string]trackertest.Answer{"POST /api/v4/projects/a%2Fb%2Fc/issues/5/notes": {Status: 202, Body: `{"commands_changes":{}}`}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Change(t.Context(), "5", tracker.Keep, "/close"); !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("%v", err)
	}
}
