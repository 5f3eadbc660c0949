package trackertest

import (
	"net/http"
	"net/url"
	"strconv"

	"assay/release/tracker"
)

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
			return c.as(recorded("pagure_comment"), map[string]any{"id": c.id, "comment": c.body, "date_created": strconv.FormatInt(c.at.Unix(), 10)})
		})})
}

// form is a body of a form with exactly these fields.
func (s *standIn) form(r *http.Request, want map[string]string) url.Values {
	s.t.Helper()
	s.whole(r, r.ParseForm())
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
			s.whole(r, r.ParseForm())
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
				s.comment(is, bot, f.Get("comment"))
				s.answer(w, 200, map[string]any{"message": "Comment added"})
			}
		},
	}
}
