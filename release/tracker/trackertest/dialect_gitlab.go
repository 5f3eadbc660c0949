package trackertest

import (
	"fmt"
	"net/http"
	"strings"

	"assay/release/tracker"
)

type gitlabDialect struct{}

func (gitlabDialect) config() tracker.Config      { return tracker.Config{} }
func (gitlabDialect) header() (string, string)    { return "PRIVATE-TOKEN", "" }
func (gitlabDialect) wontFix() string             { return "resolution::won't fix" }
func (gitlabDialect) unauthorized() (int, string) { return 401, `{"message":"401 Unauthorized"}` }

func (gitlabDialect) issue(s *standIn, is *standInIssue) any {
	labels := is.labels
	if is.resolution != "" {
		labels = append(labels[:len(labels):len(labels)], is.resolution)
	}
	return shape(recorded("gitlab_issue"), map[string]any{"id": 70000000 + is.number, "iid": is.number, "title": is.title, "description": is.body, "labels": labels,
		"state": openOr(is, "opened", "closed"), "closed_at": closedAt(is), "created_at": rfc3339(is.created), "updated_at": rfc3339(is.changed),
		"web_url": fmt.Sprintf("%s/%s/-/issues/%d", s.server.URL, standInRepo, is.number), "user_notes_count": len(is.comments)})
}

func (gitlabDialect) note(c standInComment) any {
	return c.as(recorded("gitlab_note"), map[string]any{"id": c.id, "body": c.body, "created_at": rfc3339(c.at), "updated_at": rfc3339(c.at)})
}

func (d gitlabDialect) routes(s *standIn) map[string]http.HandlerFunc {
	const base = "/api/v4/projects/{project}"
	// project refuses all but the one there is; its slash is escaped in the path.
	project := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.PathValue("project") != standInRepo {
				s.answer(w, 404, map[string]any{"message": "404 Project Not Found"})
				return
			}
			h(w, r)
		}
	}
	return map[string]http.HandlerFunc{
		"GET /api/v4/user": func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, 200, map[string]any{"id": 7, "username": bot, "state": "active"})
		},
		"GET " + base + "/issues": project(func(w http.ResponseWriter, r *http.Request) {
			s.want(r, r.URL.Query(), map[string]string{"scope": "created_by_me", "order_by": "created_at", "sort": "desc", "page": "*", "per_page": "50"})
			s.answer(w, 200, list(page(r, "per_page", s.newest()), func(is *standInIssue) any { return d.issue(s, is) }))
		}),
		"POST " + base + "/issues": project(func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Title, Description, Labels string }
			s.read(r, &in)
			s.answer(w, 201, d.issue(s, s.add(in.Title, in.Description, strings.Split(in.Labels, ","))))
		}),
		"GET " + base + "/issues/{n}": project(func(w http.ResponseWriter, r *http.Request) {
			if is := s.issue(w, r); is != nil {
				s.answer(w, 200, d.issue(s, is))
			}
		}),
		"PUT " + base + "/issues/{n}": project(func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				Event string `json:"state_event"`
			}
			s.read(r, &in)
			if in.Event != "close" && in.Event != "reopen" {
				s.t.Errorf("state_event %q", in.Event)
			}
			if is := s.issue(w, r); is != nil {
				is.set(in.Event == "reopen", "")
				s.answer(w, 200, d.issue(s, is))
			}
		}),
		"GET " + base + "/issues/{n}/notes": project(func(w http.ResponseWriter, r *http.Request) {
			s.want(r, r.URL.Query(), map[string]string{"page": "*", "per_page": "50"})
			if is := s.issue(w, r); is != nil {
				s.answer(w, 200, list(page(r, "per_page", is.comments), func(c standInComment) any { return d.note(c) }))
			}
		}),
		"POST " + base + "/issues/{n}/notes": project(func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Body string }
			s.read(r, &in)
			if is := s.issue(w, r); is != nil {
				s.answer(w, 201, d.note(s.comment(is, bot, in.Body)))
			}
		}),
	}
}
