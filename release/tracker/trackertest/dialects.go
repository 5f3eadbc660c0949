package trackertest

import (
	"embed"
	"fmt"
	"net/http"
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

type giteaDialect struct{}

func (giteaDialect) config() tracker.Config   { return tracker.Config{} }
func (giteaDialect) header() (string, string) { return "Authorization", "token " }
func (giteaDialect) wontFix() string          { return "status/wontfix" }
func (giteaDialect) unauthorized() (int, string) {
	return 401, `{"message":"user does not exist [uid: 0, name: ]","url":"https://tracker.example/api/swagger"}`
}

func (giteaDialect) issue(s *standIn, is *standInIssue) any {
	return shape(recorded("gitea_issue"), map[string]any{"number": is.number, "title": is.title, "body": is.body, "labels": labelled(is),
		"state": openOr(is, "open", "closed"), "closed_at": closedAt(is), "created_at": rfc3339(is.created), "updated_at": rfc3339(is.changed),
		"html_url": fmt.Sprintf("%s/%s/issues/%d", s.server.URL, standInRepo, is.number), "comments": len(is.comments)})
}

func (d giteaDialect) routes(s *standIn) map[string]http.HandlerFunc {
	const base = "/api/v1/repos/" + standInRepo
	return map[string]http.HandlerFunc{
		"GET /api/v1/user": func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, 200, map[string]any{"id": 7, "login": bot, "username": bot})
		},
		"GET " + base + "/labels": func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, 200, page(r, "limit", []any{map[string]any{"id": 5, "name": Label}, map[string]any{"id": 6, "name": "other"}}))
		},
		"GET " + base + "/issues": func(w http.ResponseWriter, r *http.Request) {
			// What the SDK leaves empty, the service takes for not given.
			q := r.URL.Query()
			for k, v := range q {
				if v[0] == "" {
					q.Del(k)
				}
			}
			s.want(r, q, map[string]string{"state": "all", "type": "issues", "created_by": bot, "page": "*", "limit": "50"})
			s.answer(w, 200, list(page(r, "limit", s.newest()), func(is *standInIssue) any { return d.issue(s, is) }))
		},
		"POST " + base + "/issues": func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				Title, Body, Ref string
				Labels           []int64
				Assignees        []string
				DueDate          any `json:"due_date"`
				Milestone        int
				Closed           bool
			}
			s.read(r, &in)
			if len(in.Labels) != 1 || in.Labels[0] != 5 {
				s.t.Errorf("labels %d", in.Labels)
			}
			s.answer(w, 201, d.issue(s, s.add(in.Title, in.Body, []string{Label})))
		},
		"GET " + base + "/issues/{n}": func(w http.ResponseWriter, r *http.Request) {
			if is := s.issue(w, r); is != nil {
				s.answer(w, 200, d.issue(s, is))
			}
		},
		"PATCH " + base + "/issues/{n}": func(w http.ResponseWriter, r *http.Request) {
			var in struct{ State string }
			readSome(s, r, &in)
			if is := s.issue(w, r); is != nil {
				is.set(in.State == "open", "")
				s.answer(w, 201, d.issue(s, is))
			}
		},
		"GET " + base + "/issues/{n}/comments": func(w http.ResponseWriter, r *http.Request) {
			if is := s.issue(w, r); is != nil {
				s.answer(w, 200, list(is.comments, func(c standInComment) any { return d.comment(c) }))
			}
		},
		"POST " + base + "/issues/{n}/comments": func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Body string }
			s.read(r, &in)
			if is := s.issue(w, r); is != nil {
				s.answer(w, 201, d.comment(s.comment(is, in.Body)))
			}
		},
	}
}

func (giteaDialect) comment(c standInComment) any {
	return shape(recorded("gitea_comment"), map[string]any{"id": c.id, "body": c.body, "created_at": rfc3339(c.at), "updated_at": rfc3339(c.at)})
}

type githubDialect struct{}

func (githubDialect) config() tracker.Config   { return tracker.Config{} }
func (githubDialect) header() (string, string) { return "Authorization", "Bearer " }
func (githubDialect) wontFix() string          { return "not_planned" }
func (githubDialect) unauthorized() (int, string) {
	return 401, `{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}`
}

func (githubDialect) issue(s *standIn, is *standInIssue) any {
	var reason any
	if is.resolution != "" {
		reason = is.resolution
	}
	return shape(recorded("github_issue"), map[string]any{"number": is.number, "title": is.title, "body": is.body,
		"labels": list(is.labels, func(l string) any { return map[string]any{"id": 1, "name": l, "color": "ededed", "default": false} }),
		"state":  openOr(is, "open", "closed"), "state_reason": reason, "closed_at": closedAt(is), "created_at": rfc3339(is.created), "updated_at": rfc3339(is.changed),
		"html_url": fmt.Sprintf("%s/%s/issues/%d", s.server.URL, standInRepo, is.number), "comments": len(is.comments)})
}

func (githubDialect) comment(c standInComment) any {
	return shape(recorded("github_comment"), map[string]any{"id": c.id, "body": c.body, "created_at": rfc3339(c.at), "updated_at": rfc3339(c.at)})
}

func (d githubDialect) routes(s *standIn) map[string]http.HandlerFunc {
	const base = "/api/v3/repos/" + standInRepo
	return map[string]http.HandlerFunc{
		"GET /api/v3/user": func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, 200, map[string]any{"id": 7, "login": bot, "type": "User"})
		},
		"GET " + base + "/issues": func(w http.ResponseWriter, r *http.Request) {
			s.want(r, r.URL.Query(), map[string]string{"state": "all", "creator": bot, "sort": "created", "direction": "desc", "page": "*", "per_page": "50"})
			s.answer(w, 200, list(page(r, "per_page", s.newest()), func(is *standInIssue) any { return d.issue(s, is) }))
		},
		"POST " + base + "/issues": func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				Title, Body string
				Labels      []string
			}
			s.read(r, &in)
			s.answer(w, 201, d.issue(s, s.add(in.Title, in.Body, in.Labels)))
		},
		"GET " + base + "/issues/{n}": func(w http.ResponseWriter, r *http.Request) {
			if is := s.issue(w, r); is != nil {
				s.answer(w, 200, d.issue(s, is))
			}
		},
		"PATCH " + base + "/issues/{n}": func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				State  string
				Reason string `json:"state_reason"`
			}
			s.read(r, &in)
			if in.State+" "+in.Reason != "open reopened" && in.State+" "+in.Reason != "closed completed" {
				s.t.Errorf("state %q, reason %q", in.State, in.Reason)
			}
			if is := s.issue(w, r); is != nil {
				is.set(in.State == "open", in.Reason)
				s.answer(w, 200, d.issue(s, is))
			}
		},
		"GET " + base + "/issues/{n}/comments": func(w http.ResponseWriter, r *http.Request) {
			s.want(r, r.URL.Query(), map[string]string{"page": "*", "per_page": "50"})
			if is := s.issue(w, r); is != nil {
				s.answer(w, 200, list(page(r, "per_page", is.comments), func(c standInComment) any { return d.comment(c) }))
			}
		},
		"POST " + base + "/issues/{n}/comments": func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Body string }
			s.read(r, &in)
			if is := s.issue(w, r); is != nil {
				s.answer(w, 201, d.comment(s.comment(is, in.Body)))
			}
		},
	}
}
