package trackertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"assay/release/tracker"
)

// readSome decodes a body in JSON of which only some fields matter: the Gitea
// SDK sends all it knows.
func readSome(s *standIn, r *http.Request, into any) {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
}

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
	return shape(recorded("gitlab_note"), map[string]any{"id": c.id, "body": c.body, "created_at": rfc3339(c.at), "updated_at": rfc3339(c.at)})
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
				s.answer(w, 201, d.note(s.comment(is, in.Body)))
			}
		}),
	}
}

type pagureDialect struct{}

func (pagureDialect) config() tracker.Config   { return tracker.Config{} }
func (pagureDialect) header() (string, string) { return "Authorization", "token " }
func (pagureDialect) wontFix() string          { return "Won't fix" }
func (pagureDialect) unauthorized() (int, string) {
	return 401, `{"error":"Invalid or expired token. Please visit https://tracker.example/settings#api-keys to get or renew your API token.","error_code":"EINVALIDTOK","errors":"Invalid token"}`
}

func (d pagureDialect) issue(is *standInIssue) any {
	var status, closed any
	if !is.open {
		closed = strconv.FormatInt(is.closed.Unix(), 10)
		status = "Fixed"
		if is.resolution != "" {
			status = is.resolution
		}
	}
	return shape(recorded("pagure_issue"), map[string]any{"id": is.number, "title": is.title, "content": is.body, "tags": is.labels,
		"status": openOr(is, "Open", "Closed"), "close_status": status, "closed_at": closed, "last_updated": strconv.FormatInt(is.changed.Unix(), 10),
		"comments": list(is.comments, func(c standInComment) any {
			return shape(recorded("pagure_comment"), map[string]any{"id": c.id, "comment": c.body, "date_created": strconv.FormatInt(c.at.Unix(), 10)})
		})})
}

// form is a body of a form with exactly these fields.
func (s *standIn) form(r *http.Request, want map[string]string) url.Values {
	s.t.Helper()
	if err := r.ParseForm(); err != nil {
		s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	s.want(r, r.PostForm, want)
	return r.PostForm
}

func (d pagureDialect) routes(s *standIn) map[string]http.HandlerFunc {
	const base = "/api/0/" + standInRepo
	return map[string]http.HandlerFunc{
		"POST /api/0/-/whoami": func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, 200, map[string]any{"username": bot})
		},
		"GET " + base + "/issues": func(w http.ResponseWriter, r *http.Request) {
			s.want(r, r.URL.Query(), map[string]string{"status": "all", "author": bot, "page": "*", "per_page": "50"})
			s.answer(w, 200, map[string]any{"args": map[string]any{}, "total_issues": len(s.issues),
				"issues": list(page(r, "per_page", s.newest()), func(is *standInIssue) any { return d.issue(is) })})
		},
		"POST " + base + "/new_issue": func(w http.ResponseWriter, r *http.Request) {
			f := s.form(r, map[string]string{"title": "*", "issue_content": "*", "tag": Label})
			s.answer(w, 200, map[string]any{"message": "Issue created", "issue": d.issue(s.add(f.Get("title"), f.Get("issue_content"), []string{f.Get("tag")}))})
		},
		"GET " + base + "/issue/{n}": func(w http.ResponseWriter, r *http.Request) {
			if is := s.issue(w, r); is != nil {
				s.answer(w, 200, d.issue(is))
			}
		},
		"POST " + base + "/issue/{n}/status": func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			want := map[string]string{"status": "Open"}
			if r.PostForm.Get("status") == "Closed" {
				want = map[string]string{"status": "Closed", "close_status": "Fixed"}
			}
			s.form(r, want)
			if is := s.issue(w, r); is != nil {
				is.set(r.PostForm.Get("status") == "Open", "")
				s.answer(w, 200, map[string]any{"message": []string{"Issue status updated"}})
			}
		},
		"POST " + base + "/issue/{n}/comment": func(w http.ResponseWriter, r *http.Request) {
			f := s.form(r, map[string]string{"comment": "*"})
			if is := s.issue(w, r); is != nil {
				s.comment(is, f.Get("comment"))
				s.answer(w, 200, map[string]any{"message": "Comment added"})
			}
		},
	}
}

type bugzillaDialect struct{}

func (bugzillaDialect) config() tracker.Config {
	return tracker.Config{Project: "The Product", Component: "images", Version: "43"}
}
func (bugzillaDialect) header() (string, string) { return "X-BUGZILLA-API-KEY", "" }
func (bugzillaDialect) wontFix() string          { return "WONTFIX" }
func (bugzillaDialect) unauthorized() (int, string) {
	return 400, `{"error":true,"code":306,"message":"The API key you specified is invalid. Please check that you typed it correctly.","documentation":"https://bugzilla.readthedocs.org/en/5.0/api/"}`
}

// The adapter asks for these fields alone.
const bugzillaFields = "id,status,resolution,is_open,last_change_time,creator_detail"

func (bugzillaDialect) bug(is *standInIssue) any {
	resolution := ""
	if !is.open {
		resolution = "FIXED"
		if is.resolution != "" {
			resolution = is.resolution
		}
	}
	all := shape(recorded("bugzilla_bug"), map[string]any{"id": is.number, "is_open": is.open, "status": openOr(is, "CONFIRMED", "RESOLVED"),
		"resolution": resolution, "last_change_time": rfc3339(is.changed)})
	out := map[string]any{}
	for _, k := range strings.Split(bugzillaFields, ",") {
		out[k] = all[k]
	}
	return out
}

func (d bugzillaDialect) routes(s *standIn) map[string]http.HandlerFunc {
	bugs := func(of ...any) any {
		if of == nil {
			of = []any{}
		}
		return map[string]any{"bugs": of, "faults": []any{}}
	}
	missing := func(w http.ResponseWriter, r *http.Request) *standInIssue {
		is := s.find(r.PathValue("n"))
		if is == nil {
			s.answer(w, 404, map[string]any{"error": true, "code": 101, "message": "Bug #" + r.PathValue("n") + " does not exist."})
		}
		return is
	}
	return map[string]http.HandlerFunc{
		"GET /rest/whoami": func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, 200, map[string]any{"id": 7, "name": bot, "real_name": "Assay"})
		},
		"GET /rest/bug": func(w http.ResponseWriter, r *http.Request) {
			s.want(r, r.URL.Query(), map[string]string{"alias": "*", "include_fields": bugzillaFields})
			for _, is := range s.issues {
				if is.key == r.FormValue("alias") {
					s.answer(w, 200, bugs(d.bug(is)))
					return
				}
			}
			s.answer(w, 200, bugs())
		},
		"POST /rest/bug": func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				Product, Component, Version, Summary, Description, Alias string
				Keywords                                                 []string
			}
			s.read(r, &in)
			if in.Product != "The Product" || in.Component != "images" || in.Version != "43" || in.Alias == "" || len(in.Alias) > 20 {
				s.t.Errorf("new bug: %+v", in)
			}
			for _, is := range s.issues {
				if is.key == in.Alias {
					s.answer(w, 400, map[string]any{"error": true, "code": 103, "message": "Bug " + strconv.Itoa(is.number) + " has already taken the alias " + in.Alias + "."})
					return
				}
			}
			is := s.add(in.Summary, in.Description, in.Keywords)
			is.key = in.Alias
			s.answer(w, 200, map[string]any{"id": is.number})
		},
		"GET /rest/bug/{n}": func(w http.ResponseWriter, r *http.Request) {
			s.want(r, r.URL.Query(), map[string]string{"include_fields": bugzillaFields})
			if is := missing(w, r); is != nil {
				s.answer(w, 200, bugs(d.bug(is)))
			}
		},
		"PUT /rest/bug/{n}": func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				Status, Resolution string
				Comment            struct{ Body string }
			}
			s.read(r, &in)
			if got := in.Status + "/" + in.Resolution; got != "CONFIRMED/" && got != "RESOLVED/FIXED" {
				s.t.Errorf("status %s", got)
			}
			if is := missing(w, r); is != nil {
				is.set(in.Status == "CONFIRMED", "")
				s.comment(is, in.Comment.Body)
				s.answer(w, 200, bugs(map[string]any{"id": is.number, "alias": []string{is.key}, "changes": map[string]any{}}))
			}
		},
		"GET /rest/bug/{n}/comment": func(w http.ResponseWriter, r *http.Request) {
			if is := missing(w, r); is != nil {
				all := append([]standInComment{{id: 1, body: is.body, at: is.created}}, is.comments...)
				s.answer(w, 200, map[string]any{"comments": map[string]any{}, "bugs": map[string]any{strconv.Itoa(is.number): map[string]any{
					"comments": list(all, func(c standInComment) any {
						return shape(recorded("bugzilla_comment"), map[string]any{"id": c.id, "text": c.body, "bug_id": is.number, "time": rfc3339(c.at), "creation_time": rfc3339(c.at)})
					})}}})
			}
		},
		"POST /rest/bug/{n}/comment": func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Comment string }
			s.read(r, &in)
			if is := missing(w, r); is != nil {
				s.answer(w, 201, map[string]any{"id": s.comment(is, in.Comment).id})
			}
		},
	}
}
