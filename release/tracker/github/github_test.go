package github

import (
	"errors"
	"strings"
	"testing"

	"assay/release"
	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

func TestStandIn(t *testing.T) { trackertest.Run(t, New, trackertest.StandIn(tracker.GitHub)) }

var config = tracker.Config{Type: tracker.GitHub, Project: "a/b"}

func answering(t *testing.T, answers map[string]trackertest.Answer) tracker.Service {
	s, err := New(trackertest.Answers(t, config, answers))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMovedIssue(t *testing.T) {
	s := answering(t, map[string]trackertest.Answer{"GET /api/v3/repos/a/b/issues/5": {Status: 301, Location: "https://api.github.com/repositories/77/issues/9", Body: `{"message":"Moved Permanently"}`}})
	_, err := s.Issue(t.Context(), "5")
	if !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "/repositories/77/issues/9") {
		t.Errorf("%v", err)
	}
}

func TestDeletedIssue(t *testing.T) {
	s := answering(t, map[string]trackertest.Answer{"GET /api/v3/repos/a/b/issues/5": {Status: 410, Body: `{"message":"This issue was deleted"}`}})
	if _, err := s.Issue(t.Context(), "5"); !errors.Is(err, tracker.ErrGone) {
		t.Errorf("%v", err)
	}
}

func TestWontFixLabel(t *testing.T) {
	s := answering(t, map[string]trackertest.Answer{"GET /api/v3/repos/a/b/issues/5": {Body: `{"number":5,"state":"closed","state_reason":"completed","closed_at":"2026-11-21T10:00:00Z","labels":[{"name":"wontfix"}]}`}})
	is, err := s.Issue(t.Context(), "5")
	if err != nil || is.Open || !is.WontFix || is.Changed.Hour() != 10 {
		t.Errorf("%+v, %v", is, err)
	}
}

// A pull request with our words is no bug of ours.
func TestPullRequest(t *testing.T) {
	m := tracker.Marker{Bug: tracker.BugKey("s", "x"), Effect: tracker.EffectKey("s", "k")}
	s := answering(t, map[string]trackertest.Answer{"GET /api/v3/repos/a/b/issues": {Body: `[{"number":5,"state":"open","user":{"login":"bot"},"body":"<!-- ` + m.String() + ` -->","pull_request":{"url":"https://api.github.com/x"}}]`}})
	is, err := s.Find(t.Context(), "bot", m.Bug)
	if is != nil || !errors.Is(err, release.ErrPermanent) { // the same page without end
		t.Errorf("%+v, %v", is, err)
	}
}

func TestPublicService(t *testing.T) {
	c := config
	c.TokenEnv = "TOKEN"
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.(*service).client.BaseURL.String(); got != "https://api.github.com/" {
		t.Errorf("speaks to %s", got)
	}
}
