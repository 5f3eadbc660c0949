// Package github speaks to github.com and GitHub Enterprise.
//
// A fine-grained token needs read and write access to the project's issues; a
// classic one the scope repo, or public_repo. Tokens of app installations will
// not do: they belong to no account.
package github

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"strings"

	sdk "github.com/google/go-github/v68/github"

	"assay/release/tracker"
)

const (
	publicHost = "github.com"
	publicAPI  = "api.github.com"
)

type service struct {
	config      tracker.Config
	client      *sdk.Client
	owner, repo string
}

// New is the adapter for a project.
func New(c tracker.Config) (tracker.Service, error) {
	base, err := c.Base()
	if err != nil {
		return nil, err
	}
	var hosts []string
	api := *base
	if base.Host == publicHost {
		hosts = append(hosts, publicAPI)
		api.Host, api.Path = publicAPI, "/"
	} else {
		api.Path += "/api/v3/"
	}
	h, err := c.HTTPClient(tracker.Auth{Header: "Authorization", Scheme: "Bearer "}, hosts...)
	if err != nil {
		return nil, err
	}
	client := sdk.NewClient(h)
	client.BaseURL = &api
	owner, repo, _ := strings.Cut(c.Project, "/")
	return &service{config: c, client: client, owner: owner, repo: repo}, nil
}

func (s *service) Markup() tracker.Markup { return tracker.Markdown }

func (s *service) Account(ctx context.Context) (string, error) {
	u, _, err := s.client.Users.Get(ctx, "")
	if err != nil {
		return "", err
	}
	return u.GetLogin(), nil
}

func (s *service) Find(ctx context.Context, account string, key tracker.Key) (*tracker.Issue, error) {
	// The list comes from the database; the search index lags behind.
	return tracker.FindIn(tracker.Pages(func(n int) ([]*tracker.Issue, error) {
		list, _, err := s.client.Issues.ListByRepo(ctx, s.owner, s.repo, &sdk.IssueListByRepoOptions{
			State: "all", Creator: account, Sort: "created", Direction: "desc",
			ListOptions: sdk.ListOptions{Page: n, PerPage: tracker.PageSize},
		})
		if err != nil {
			return nil, err
		}
		var out []*tracker.Issue
		for _, is := range list {
			x := s.issue(is)
			if is.IsPullRequest() {
				x.Body = "" // it stays in the list, so that its page is not empty
			}
			out = append(out, x)
		}
		return out, nil
	}), account, key)
}

func (s *service) issue(is *sdk.Issue) *tracker.Issue {
	out := &tracker.Issue{Ref: strconv.Itoa(is.GetNumber()), URL: is.GetHTMLURL(), Author: is.GetUser().GetLogin(),
		Body: is.GetBody(), Open: is.GetState() == "open", Changed: is.GetUpdatedAt().Time}
	if !out.Open {
		if is.ClosedAt != nil {
			out.Changed = is.ClosedAt.Time
		}
		// "not_planned" is how the service itself says it.
		out.WontFix = s.config.IsWontFix(is.GetStateReason())
		for _, l := range is.Labels {
			out.WontFix = out.WontFix || s.config.IsWontFix(l.GetName())
		}
	}
	return out
}

func number(ref string) int {
	n, _ := strconv.Atoi(ref) // checked by the tracker
	return n
}

func (s *service) Issue(ctx context.Context, ref string) (*tracker.Issue, error) {
	is, _, err := s.client.Issues.Get(ctx, s.owner, s.repo, number(ref))
	if err != nil {
		return nil, tracker.Gone(err)
	}
	return s.issue(is), nil
}

func (s *service) Comments(ctx context.Context, ref string) iter.Seq2[tracker.Comment, error] {
	return tracker.Pages(func(n int) ([]tracker.Comment, error) {
		list, _, err := s.client.Issues.ListComments(ctx, s.owner, s.repo, number(ref),
			&sdk.IssueListCommentsOptions{ListOptions: sdk.ListOptions{Page: n, PerPage: tracker.PageSize}})
		if err != nil {
			return nil, err
		}
		var out []tracker.Comment
		for _, c := range list {
			out = append(out, tracker.Comment{Author: c.GetUser().GetLogin(), Body: c.GetBody()})
		}
		return out, nil
	})
}

func (s *service) Create(ctx context.Context, d tracker.Draft) (*tracker.Issue, error) {
	r := &sdk.IssueRequest{Title: &d.Title, Body: &d.Body}
	if len(s.config.Labels) > 0 {
		r.Labels = &s.config.Labels
	}
	is, _, err := s.client.Issues.Create(ctx, s.owner, s.repo, r)
	if err != nil {
		return nil, err
	}
	return s.issue(is), nil
}

func (s *service) Change(ctx context.Context, ref string, to tracker.State, comment string) error {
	if to != tracker.Keep {
		state, reason := "open", "reopened"
		if to == tracker.Close {
			state, reason = "closed", "completed"
		}
		if _, _, err := s.client.Issues.Edit(ctx, s.owner, s.repo, number(ref), &sdk.IssueRequest{State: &state, StateReason: &reason}); err != nil {
			return err
		}
	}
	_, resp, err := s.client.Issues.CreateComment(ctx, s.owner, s.repo, number(ref), &sdk.IssueComment{Body: &comment})
	if err == nil && resp.StatusCode != http.StatusCreated {
		return &tracker.StatusError{Method: http.MethodPost, Path: resp.Request.URL.Path, Code: resp.StatusCode, Message: "the comment was not kept"}
	}
	return err
}
