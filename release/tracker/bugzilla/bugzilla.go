// Package bugzilla speaks to Bugzilla's REST interface (5.0 and later, Red Hat's
// too).
//
// A bug is found by an alias, which is unique in the server: the account needs
// the right to set one (editbugs).
package bugzilla

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"assay/release/tracker"
)

const (
	defaultClose  = "RESOLVED/FIXED"
	defaultReopen = "CONFIRMED"
)

type service struct {
	config tracker.Config
	rest   tracker.REST
	page   string
}

// New is the adapter for a product.
func New(c tracker.Config) (tracker.Service, error) {
	auth := tracker.Auth{Header: "X-BUGZILLA-API-KEY"}
	if c.Bearer {
		auth = tracker.Auth{Header: "Authorization", Scheme: "Bearer "}
	}
	h, err := c.HTTPClient(auth)
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
	if c.ReopenAs == "" {
		c.ReopenAs = defaultReopen
	}
	return &service{config: c, rest: tracker.REST{Client: h, Base: base.String() + "/rest/"}, page: base.String() + "/show_bug.cgi?id="}, nil
}

type bug struct {
	ID         int64     `json:"id"`
	Status     string    `json:"status"`
	Resolution string    `json:"resolution"`
	IsOpen     bool      `json:"is_open"`
	Changed    time.Time `json:"last_change_time"`
	Creator    struct {
		Name string `json:"name"`
	} `json:"creator_detail"`
}

const fields = "id,status,resolution,is_open,last_change_time,creator_detail"

// call does a request. Some errors come with status 200.
func (s *service) call(ctx context.Context, method, path string, query url.Values, body any, out interface{ failed() error }) error {
	if err := s.rest.Call(ctx, method, path, query, body, out); err != nil {
		return err
	}
	if err := out.failed(); err != nil {
		return tracker.Permanent(fmt.Errorf("%s %s: %w", method, path, err))
	}
	return nil
}

// answer is the part of all answers that tells of errors.
type answer struct {
	Error   any    `json:"error"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (a *answer) failed() error {
	if failed, ok := a.Error.(bool); ok && failed {
		return fmt.Errorf("error %d: %.300q", a.Code, a.Message)
	}
	return nil
}

func (s *service) Markup() tracker.Markup { return tracker.Plain }

func (s *service) Account(ctx context.Context) (string, error) {
	var out struct {
		answer
		Name string `json:"name"`
	}
	err := s.call(ctx, http.MethodGet, "whoami", nil, nil, &out)
	// A key that is not valid is a bad request here, and nothing else about this
	// request can be bad.
	var e *tracker.StatusError
	if errors.As(err, &e) && e.Code == http.StatusBadRequest {
		e.Hint = s.config.NewTokenHint()
	}
	return out.Name, err
}

func alias(k tracker.Key) string { return "assay-" + string(k) }

func (s *service) bugs(ctx context.Context, path string, q url.Values) ([]bug, error) {
	var out struct {
		answer
		Bugs []bug `json:"bugs"`
	}
	q.Set("include_fields", fields)
	err := s.call(ctx, http.MethodGet, path, q, nil, &out)
	return out.Bugs, err
}

// Find needs no account: nobody gets an alias without a right to it.
func (s *service) Find(ctx context.Context, _ string, key tracker.Key) (*tracker.Issue, error) {
	bugs, err := s.bugs(ctx, "bug", url.Values{"alias": {alias(key)}})
	if err != nil || len(bugs) == 0 {
		return nil, err
	}
	is := s.issue(bugs[0])
	// A bug's text is its first comment.
	for c, err := range s.Comments(ctx, is.Ref) {
		if err != nil {
			return nil, err
		}
		is.Body = c.Body
		break
	}
	return is, nil
}

func (s *service) issue(b bug) *tracker.Issue {
	ref := strconv.FormatInt(b.ID, 10)
	return &tracker.Issue{Ref: ref, URL: s.page + ref, Author: b.Creator.Name, Open: b.IsOpen, Changed: b.Changed,
		WontFix: !b.IsOpen && s.config.IsWontFix(b.Resolution)}
}

func (s *service) Issue(ctx context.Context, ref string) (*tracker.Issue, error) {
	bugs, err := s.bugs(ctx, "bug/"+ref, url.Values{})
	if err != nil {
		return nil, tracker.Gone(err)
	}
	if len(bugs) == 0 {
		return nil, tracker.ErrGone
	}
	return s.issue(bugs[0]), nil
}

// Comments come oldest first, the bug's own text before all.
func (s *service) Comments(ctx context.Context, ref string) iter.Seq2[tracker.Comment, error] {
	return func(yield func(tracker.Comment, error) bool) {
		var out struct {
			answer
			Bugs map[string]struct {
				Comments []struct {
					Text    string `json:"text"`
					Creator string `json:"creator"`
				} `json:"comments"`
			} `json:"bugs"`
		}
		if err := s.call(ctx, http.MethodGet, "bug/"+ref+"/comment", nil, nil, &out); err != nil {
			yield(tracker.Comment{}, err)
			return
		}
		for _, c := range out.Bugs[ref].Comments {
			if !yield(tracker.Comment{Author: c.Creator, Body: c.Text}, nil) {
				return
			}
		}
	}
}

func (s *service) Create(ctx context.Context, d tracker.Draft) (*tracker.Issue, error) {
	body := map[string]any{
		"product": s.config.Project, "component": s.config.Component, "version": s.config.Version,
		"summary": d.Title, "description": d.Body, "alias": alias(d.Key),
	}
	if len(s.config.Labels) > 0 {
		body["keywords"] = s.config.Labels
	}
	var out struct {
		answer
		ID int64 `json:"id"`
	}
	if err := s.call(ctx, http.MethodPost, "bug", nil, body, &out); err != nil {
		return nil, err
	}
	return &tracker.Issue{Ref: strconv.FormatInt(out.ID, 10), URL: s.page + strconv.FormatInt(out.ID, 10), Body: d.Body, Open: true}, nil
}

// Change does both in one request.
func (s *service) Change(ctx context.Context, ref string, to tracker.State, comment string) error {
	var out answer
	switch to {
	case tracker.Keep:
		return s.call(ctx, http.MethodPost, "bug/"+ref+"/comment", nil, map[string]any{"comment": comment}, &out)
	case tracker.Open:
		return s.call(ctx, http.MethodPut, "bug/"+ref, nil, map[string]any{"status": s.config.ReopenAs, "comment": map[string]any{"body": comment}}, &out)
	default:
		status, resolution, _ := strings.Cut(s.config.CloseAs, "/")
		return s.call(ctx, http.MethodPut, "bug/"+ref, nil, map[string]any{"status": status, "resolution": resolution, "comment": map[string]any{"body": comment}}, &out)
	}
}
