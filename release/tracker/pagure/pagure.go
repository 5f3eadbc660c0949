// Package pagure speaks to Pagure.
//
// The token is one of the project, with the rights issue_create, issue_comment
// and issue_change_status (and issue_update for labels).
package pagure

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"assay/release/tracker"
)

// defaultClose is among the close statuses of a new project.
const defaultClose = "Fixed"

type service struct {
	config tracker.Config
	rest   tracker.REST
	page   string
}

// New is the adapter for a project.
func New(c tracker.Config) (tracker.Service, error) {
	h, err := c.HTTPClient(tracker.Auth{Header: "Authorization", Scheme: "token "})
	if err != nil {
		return nil, err
	}
	base, err := c.Base()
	if err != nil {
		return nil, err
	}
	if c.CloseAs == "" {
		c.CloseAs = defaultClose
	}
	return &service{config: c, rest: tracker.REST{Client: h, Base: base.String() + "/api/0/"}, page: base.String() + "/" + c.Project + "/issue/"}, nil
}

// user and the following are what is used of the service's answers. Times are
// seconds since 1970, in strings, with a fraction or without.
type user struct {
	Name string `json:"name"`
}

type issue struct {
	ID          int64     `json:"id"`
	Content     string    `json:"content"`
	Status      string    `json:"status"`
	CloseStatus string    `json:"close_status"`
	ClosedAt    string    `json:"closed_at"`
	LastUpdated string    `json:"last_updated"`
	Tags        []string  `json:"tags"`
	User        user      `json:"user"`
	Comments    []comment `json:"comments"`
}

type comment struct {
	Comment string `json:"comment"`
	User    user   `json:"user"`
}

func (s *service) Markup() tracker.Markup { return tracker.Markdown }

func (s *service) Account(ctx context.Context) (string, error) {
	var out struct {
		Username string `json:"username"`
	}
	err := s.rest.Call(ctx, http.MethodPost, "-/whoami", nil, url.Values{}, &out)
	return out.Username, err
}

func (s *service) Find(ctx context.Context, account string, key tracker.Key) (*tracker.Issue, error) {
	return tracker.FindIn(tracker.Pages(func(n int) ([]*tracker.Issue, error) {
		var out struct {
			Issues []issue `json:"issues"`
		}
		q := url.Values{"status": {"all"}, "author": {account}, "page": {strconv.Itoa(n)}, "per_page": {strconv.Itoa(tracker.PageSize)}}
		if err := s.rest.Call(ctx, http.MethodGet, s.config.Project+"/issues", q, nil, &out); err != nil {
			return nil, err
		}
		var list []*tracker.Issue
		for _, is := range out.Issues {
			list = append(list, s.issue(is))
		}
		return list, nil
	}), account, key)
}

func (s *service) issue(is issue) *tracker.Issue {
	ref := strconv.FormatInt(is.ID, 10)
	out := &tracker.Issue{Ref: ref, URL: s.page + ref, Author: is.User.Name, Body: is.Content, Open: is.Status == "Open", Changed: unix(is.LastUpdated)}
	if !out.Open {
		if is.ClosedAt != "" {
			out.Changed = unix(is.ClosedAt)
		}
		// The close status is the status itself in projects without any.
		out.WontFix = s.config.IsWontFix(append([]string{is.CloseStatus, is.Status}, is.Tags...)...)
	}
	return out
}

func unix(s string) time.Time {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < 0 || f > 1e11 {
		return time.Time{}
	}
	return time.UnixMicro(int64(f * 1e6))
}

func (s *service) path(ref string) string { return s.config.Project + "/issue/" + ref }

func (s *service) get(ctx context.Context, ref string) (is issue, err error) {
	err = s.rest.Call(ctx, http.MethodGet, s.path(ref), nil, nil, &is)
	return is, tracker.Gone(err)
}

func (s *service) Issue(ctx context.Context, ref string) (*tracker.Issue, error) {
	is, err := s.get(ctx, ref)
	if err != nil {
		return nil, err
	}
	return s.issue(is), nil
}

func (s *service) Comments(ctx context.Context, ref string) iter.Seq2[tracker.Comment, error] {
	return func(yield func(tracker.Comment, error) bool) {
		is, err := s.get(ctx, ref)
		if err != nil {
			yield(tracker.Comment{}, err)
			return
		}
		for _, c := range is.Comments {
			if !yield(tracker.Comment{Author: c.User.Name, Body: c.Comment}, nil) {
				return
			}
		}
	}
}

func (s *service) Create(ctx context.Context, d tracker.Draft) (*tracker.Issue, error) {
	form := url.Values{"title": {d.Title}, "issue_content": {d.Body}}
	if len(s.config.Labels) > 0 {
		form.Set("tag", strings.Join(s.config.Labels, ","))
	}
	var out struct {
		Issue issue `json:"issue"`
	}
	if err := s.rest.Call(ctx, http.MethodPost, s.config.Project+"/new_issue", nil, form, &out); err != nil {
		return nil, err
	}
	return s.issue(out.Issue), nil
}

func (s *service) Change(ctx context.Context, ref string, to tracker.State, comment string) error {
	var answer struct{}
	if to != tracker.Keep {
		form := url.Values{"status": {"Open"}}
		if to == tracker.Close {
			form = url.Values{"status": {"Closed"}, "close_status": {s.config.CloseAs}}
		}
		if err := s.rest.Call(ctx, http.MethodPost, s.path(ref)+"/status", nil, form, &answer); err != nil {
			return err
		}
	}
	return s.rest.Call(ctx, http.MethodPost, s.path(ref)+"/comment", nil, url.Values{"comment": {comment}}, &answer)
}
