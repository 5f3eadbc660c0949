package trackertest

import (
	"embed"
	"time"

	"assay/release/tracker"
)

//go:embed testdata/*.json
var recordings embed.FS

// recorded is a message of a real service, with names and texts taken out.
func recorded(name string) string {
	b, err := recordings.ReadFile("testdata/" + name + ".json")
	if err != nil {
		panic(err)
	}
	return string(b)
}

var dialects = map[tracker.Type]dialect{
	tracker.Gitea: giteaDialect{}, tracker.Pagure: pagureDialect{}, tracker.Bugzilla: bugzillaDialect{},
	tracker.GitHub: githubDialect{}, tracker.GitLab: gitlabDialect{},
}

func rfc3339(t time.Time) string { return t.Format(time.RFC3339) }

// closedAt is null for an open issue.
func closedAt(is *standInIssue) any {
	if is.open {
		return nil
	}
	return rfc3339(is.closed)
}

func openOr(is *standInIssue, open, closed string) string {
	if is.open {
		return open
	}
	return closed
}

// labelled is an issue's labels as objects; a person's refusal is one more.
func labelled(is *standInIssue) []any {
	names := is.labels
	if is.resolution != "" {
		names = append(names[:len(names):len(names)], is.resolution)
	}
	return list(names, func(l string) any { return map[string]any{"id": 1, "name": l, "color": "00aabb"} })
}
