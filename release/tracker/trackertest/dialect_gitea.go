package trackertest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"assay/release/tracker"
)

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
				s.answer(w, 201, d.comment(s.comment(is, bot, in.Body)))
			}
		},
	}
}

func (giteaDialect) comment(c standInComment) any {
	return c.as(recorded("gitea_comment"), map[string]any{"id": c.id, "body": c.body, "created_at": rfc3339(c.at), "updated_at": rfc3339(c.at)})
}

// readSome decodes a body in JSON of which only some fields matter: the Gitea
// SDK sends all it knows.
func readSome(s *standIn, r *http.Request, into any) {
	s.whole(r, json.NewDecoder(r.Body).Decode(into))
}
