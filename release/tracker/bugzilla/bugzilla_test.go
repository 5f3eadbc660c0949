package bugzilla

import (
	"errors"
	"strings"
	"testing"

	"assay/release"
	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

func TestStandIn(t *testing.T) { trackertest.Run(t, New, trackertest.StandIn(tracker.Bugzilla)) }

func answering(t *testing.T, c tracker.Config, answers map[string]trackertest.Answer) tracker.Service {
	c.Type, c.Project, c.Component, c.Version = tracker.Bugzilla, "Fedora OS", "images", "43"
	s, err := New(trackertest.Answers(t, c, answers))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Red Hat's server says some errors with status 200.
func TestErrorWithStatus200(t *testing.T) {
	s := answering(t, tracker.Config{}, map[string]trackertest.Answer{"POST /rest/bug": {Body: `{"error":true,"code":51,"message":"There is no component named 'images'"}`}})
	if _, err := s.Create(t.Context(), tracker.Draft{}); !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "no component named") {
		t.Errorf("%v", err)
	}
}

// A bug that only some may see is not taken for one that is gone.
func TestHiddenBug(t *testing.T) {
	s := answering(t, tracker.Config{}, map[string]trackertest.Answer{"GET /rest/bug/2": {Status: 401, Body: `{"error":true,"code":102,"message":"You are not authorized to access bug #2."}`}})
	if _, err := s.Issue(t.Context(), "2"); errors.Is(err, tracker.ErrGone) || !errors.Is(err, release.ErrPermanent) {
		t.Errorf("%v", err)
	}
}

func TestResolutions(t *testing.T) {
	for resolution, want := range map[string]bool{"WONTFIX": true, "NOTABUG": true, "CANTFIX": true, "DUPLICATE": true, "CURRENTRELEASE": false, "FIXED": false} {
		s := answering(t, tracker.Config{}, map[string]trackertest.Answer{"GET /rest/bug/2": {Body: `{"bugs":[{"id":2,"status":"CLOSED","resolution":"` + resolution + `","is_open":false,"last_change_time":"2026-11-21T10:00:00Z"}]}`}})
		if is, err := s.Issue(t.Context(), "2"); err != nil || is.Open || is.WontFix != want {
			t.Errorf("%s: %+v, %v", resolution, is, err)
		}
	}
}
