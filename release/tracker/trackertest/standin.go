package trackertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/release/tracker"
)

const (
	standInToken = "stand-in-0123456789"
	bot          = "assay-bot"
	someone      = "person"
	standInRepo  = "person/project"
)

// standIn is an issue tracker in memory. The dialects say how it is spoken to.
type standIn struct {
	dialect
	t      testing.TB
	server *httptest.Server
	config tracker.Config

	mu     sync.Mutex
	issues []*standInIssue
}

// dialect is one service's way of speaking.
type dialect interface {
	config() tracker.Config
	// header is where the token is expected, and what stands before it.
	header() (name, scheme string)
	routes(*standIn) map[string]http.HandlerFunc
	// wontFix is the label or resolution of a person's refusal.
	wontFix() string
	// unauthorized is what a bad token gets.
	unauthorized() (status int, body string)
}

type standInIssue struct {
	number                   int
	title, body, author, key string
	labels                   []string
	open                     bool
	resolution               string
	created, changed, closed time.Time
	comments                 []standInComment
}

type standInComment struct {
	id           int
	author, body string
	at           time.Time
}

// StandIn returns a function that makes stand-ins for a service.
func StandIn(typ tracker.Type) func(testing.TB) Project {
	return func(t testing.TB) Project {
		s := &standIn{t: t, dialect: dialects[typ]}
		mux := http.NewServeMux()
		for pattern, h := range s.routes(s) {
			mux.HandleFunc(pattern, h)
		}
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "is-not-there") {
				t.Errorf("a request that nobody planned: %s %s", r.Method, r.URL)
			}
			s.notFound(w)
		})
		s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, scheme := s.header()
			if r.Header.Get(name) != scheme+standInToken {
				status, body := s.unauthorized()
				s.answer(w, status, json.RawMessage(body))
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			mux.ServeHTTP(w, r)
		}))
		t.Cleanup(s.server.Close)
		s.config = s.dialect.config()
		s.config.Type, s.config.URL, s.config.TokenFile = typ, s.server.URL, tokenFile(t, standInToken)
		s.config.PlainHTTPOnLoopback, s.config.Labels = true, []string{Label}
		if s.config.Project == "" {
			s.config.Project = standInRepo
		}
		return s
	}
}

func (s *standIn) Config() tracker.Config { return s.config }

func (s *standIn) Bugs(testing.TB) (out []Bug) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, is := range s.issues {
		b := Bug{Ref: strconv.Itoa(is.number), Title: is.title, Body: is.body, Open: is.open, Labels: is.labels}
		for _, c := range is.comments {
			b.Comments = append(b.Comments, c.body)
		}
		out = append(out, b)
	}
	return out
}

func (s *standIn) Close(t testing.TB, ref string, wontFix bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := s.find(ref)
	if is == nil {
		t.Fatalf("no bug %q", ref)
	}
	is.set(false, "")
	if wontFix {
		is.resolution = s.wontFix()
	}
}

func (s *standIn) Comment(t testing.TB, ref, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.comment(s.find(ref), someone, text)
}

func (is *standInIssue) set(open bool, resolution string) {
	is.open, is.resolution, is.changed = open, resolution, time.Now().UTC().Truncate(time.Second)
	is.closed = is.changed
}

func (s *standIn) find(ref string) *standInIssue {
	for _, is := range s.issues {
		if strconv.Itoa(is.number) == ref {
			return is
		}
	}
	return nil
}

func (s *standIn) add(title, body string, labels []string) *standInIssue {
	if title == "" || len(title) > 255 || strings.ContainsAny(title, "\r\n") || len(body) > 65535 {
		s.t.Errorf("title %.300q, body of %d bytes", title, len(body))
	}
	is := &standInIssue{number: len(s.issues) + 1, title: title, body: body, labels: labels, author: bot, created: time.Now().UTC()}
	is.set(true, "")
	s.issues = append(s.issues, is)
	return is
}

func (s *standIn) comment(is *standInIssue, author, body string) standInComment {
	if body == "" || len(body) > 65535 {
		s.t.Errorf("comment of %d bytes", len(body))
	}
	c := standInComment{id: 1000*is.number + len(is.comments), author: author, body: body, at: time.Now().UTC()}
	is.comments = append(is.comments, c)
	return c
}

// issue finds the one that the address names; it answers when there is none.
func (s *standIn) issue(w http.ResponseWriter, r *http.Request) *standInIssue {
	is := s.find(r.PathValue("n"))
	if is == nil {
		s.notFound(w)
	}
	return is
}

func (s *standIn) notFound(w http.ResponseWriter) {
	s.answer(w, http.StatusNotFound, map[string]any{"message": "Not Found", "error": "not found"})
}

func (s *standIn) answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Errorf("answer: %v", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that was killed does not read it
}

// read decodes a body in JSON and refuses fields that nobody planned.
func (s *standIn) read(r *http.Request, into any) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	s.whole(r, d.Decode(into))
}

// whole ends a request whose body could not be read. That is a failure of the
// test, unless the client was killed while it sent it.
func (s *standIn) whole(r *http.Request, err error) {
	if err == nil {
		return
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && r.Context().Err() == nil {
		s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	panic(http.ErrAbortHandler)
}

// want checks all parameters of a request. "*" is any value.
func (s *standIn) want(r *http.Request, got url.Values, want map[string]string) {
	s.t.Helper()
	for k, v := range got {
		if w, ok := want[k]; !ok || len(v) != 1 || w != "*" && v[0] != w {
			s.t.Errorf("%s %s: %s=%q, want %q", r.Method, r.URL.Path, k, v, w)
		}
	}
	for k := range want {
		if !got.Has(k) {
			s.t.Errorf("%s %s: no %s", r.Method, r.URL.Path, k)
		}
	}
}

// page is one page of the issues, newest first.
func page[T any](r *http.Request, size string, all []T) []T {
	n, _ := strconv.Atoi(r.FormValue("page"))
	per, _ := strconv.Atoi(r.FormValue(size))
	if n < 1 || per < 1 || per > 100 || (n-1)*per >= len(all) {
		return nil
	}
	return all[(n-1)*per : min(n*per, len(all))]
}

func (s *standIn) newest() []*standInIssue {
	all := slices.Clone(s.issues)
	slices.Reverse(all)
	return all
}

// list is never null.
func list[T any](of []T, f func(T) any) []any {
	out := []any{}
	for _, x := range of {
		out = append(out, f(x))
	}
	return out
}

// as is a recorded message, by the account that wrote it.
func (c standInComment) as(recorded string, set map[string]any) map[string]any {
	return shape(strings.ReplaceAll(recorded, bot, c.author), set)
}

// shape fills a recorded message: fields of a recording that the adapter does
// not look at stay what they were.
func shape(recorded string, set map[string]any) map[string]any {
	out := map[string]any{}
	if err := json.Unmarshal([]byte(recorded), &out); err != nil {
		panic(fmt.Sprintf("recording: %v", err))
	}
	for k, v := range set {
		if _, ok := out[k]; !ok {
			panic("the recording has no " + k)
		}
		out[k] = v
	}
	return out
}
