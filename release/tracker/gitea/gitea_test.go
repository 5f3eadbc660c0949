package gitea

import (
	"errors"
	"strings"
	"testing"

	"assay/release"
	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

func TestStandIn(t *testing.T) { trackertest.Run(t, New, trackertest.StandIn(tracker.Gitea)) }

func TestRealServer(t *testing.T) { trackertest.Run(t, New, trackertest.Gitea(t)) }

func TestLabels(t *testing.T) {
	const project, org = "GET /api/v1/repos/a/b/labels", "GET /api/v1/orgs/a/labels"
	for name, c := range map[string]struct {
		org  trackertest.Answer
		want string
	}{
		"missing, a person's project": {trackertest.Answer{Status: 404}, `no label "ours"`},
		"missing":                     {trackertest.Answer{Body: `[]`}, `no label "ours"`},
		"down":                        {trackertest.Answer{Status: 503}, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(trackertest.Answers(t, tracker.Config{Type: tracker.Gitea, Project: "a/b", Labels: []string{"ours"}},
				map[string]trackertest.Answer{project: {Body: `[]`}, org: c.org}))
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Create(t.Context(), tracker.Draft{Title: "x", Body: "y"})
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, release.ErrPermanent) != strings.HasPrefix(name, "missing") {
				t.Errorf("%v", err)
			}
		})
	}
}
