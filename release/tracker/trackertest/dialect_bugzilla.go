package trackertest

import (
	"net/http"
	"strconv"
	"strings"

	"assay/release/tracker"
)

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
				s.comment(is, bot, in.Comment.Body)
				s.answer(w, 200, bugs(map[string]any{"id": is.number, "alias": []string{is.key}, "changes": map[string]any{}}))
			}
		},
		"GET /rest/bug/{n}/comment": func(w http.ResponseWriter, r *http.Request) {
			if is := missing(w, r); is != nil {
				all := append([]standInComment{{id: 1, author: bot, body: is.body, at: is.created}}, is.comments...)
				s.answer(w, 200, map[string]any{"comments": map[string]any{}, "bugs": map[string]any{strconv.Itoa(is.number): map[string]any{
					"comments": list(all, func(c standInComment) any {
						return c.as(recorded("bugzilla_comment"), map[string]any{"id": c.id, "text": c.body, "bug_id": is.number, "time": rfc3339(c.at), "creation_time": rfc3339(c.at)})
					})}}})
			}
		},
		"POST /rest/bug/{n}/comment": func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Comment string }
			s.read(r, &in)
			if is := missing(w, r); is != nil {
				s.answer(w, 201, map[string]any{"id": s.comment(is, bot, in.Comment).id})
			}
		},
	}
}
