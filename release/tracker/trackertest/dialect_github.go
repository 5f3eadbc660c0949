package trackertest

import (
	"fmt"
	"net/http"

	"assay/release/tracker"
)

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
	return c.as(recorded("github_comment"), map[string]any{"id": c.id, "body": c.body, "created_at": rfc3339(c.at), "updated_at": rfc3339(c.at)})
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
				s.answer(w, 201, d.comment(s.comment(is, bot, in.Body)))
			}
		},
	}
}
