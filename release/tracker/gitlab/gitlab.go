// Package gitlab speaks to gitlab.com and GitLab servers.
//
// The token needs the scope api; its account the role Reporter, to set labels.
package gitlab

import (
	"context"
	"iter"
	"net/http"
	"strconv"

	sdk "gitlab.com/gitlab-org/api/client-go"

	"assay/release/tracker"
)

type service struct {
	config tracker.Config
	client *sdk.Client
}

// New is the adapter for a project.
func New(c tracker.Config) (tracker.Service, error) {
	h, err := c.HTTPClient(tracker.Auth{Header: "PRIVATE-TOKEN"})
	if err != nil {
		return nil, err
	}
	base, err := c.Base()
	if err != nil {
		return nil, err
	}
	// A request that may have taken effect is never sent again.
	client, err := sdk.NewClient("", sdk.WithBaseURL(base.String()), sdk.WithHTTPClient(h), sdk.WithoutRetries())
	if err != nil {
		return nil, err
	}
	return &service{config: c, client: client}, nil
}

func (s *service) Markup() tracker.Markup { return tracker.Markdown }

func (s *service) Account(ctx context.Context) (string, error) {
	u, _, err := s.client.Users.CurrentUser(sdk.WithContext(ctx))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

func (s *service) Find(ctx context.Context, account string, key tracker.Key) (*tracker.Issue, error) {
	return tracker.FindIn(tracker.Pages(func(n int) ([]*tracker.Issue, error) {
		list, _, err := s.client.Issues.ListProjectIssues(s.config.Project, &sdk.ListProjectIssuesOptions{
			ListOptions: sdk.ListOptions{Page: int64(n), PerPage: tracker.PageSize},
			Scope:       sdk.Ptr("created_by_me"), OrderBy: sdk.Ptr("created_at"), Sort: sdk.Ptr("desc"),
		}, sdk.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		var out []*tracker.Issue
		for _, is := range list {
			out = append(out, s.issue(is))
		}
		return out, nil
	}), account, key)
}

func (s *service) issue(is *sdk.Issue) *tracker.Issue {
	out := &tracker.Issue{Ref: strconv.FormatInt(is.IID, 10), URL: is.WebURL, Body: is.Description, Open: is.State == "opened"}
	if is.Author != nil {
		out.Author = is.Author.Username
	}
	if is.UpdatedAt != nil {
		out.Changed = *is.UpdatedAt
	}
	if !out.Open {
		if is.ClosedAt != nil {
			out.Changed = *is.ClosedAt
		}
		out.WontFix = s.config.IsWontFix(is.Labels...)
	}
	return out
}

func number(ref string) int64 {
	n, _ := strconv.ParseInt(ref, 10, 64) // checked by the tracker
	return n
}

func (s *service) Issue(ctx context.Context, ref string) (*tracker.Issue, error) {
	is, _, err := s.client.Issues.GetIssue(s.config.Project, number(ref), nil, sdk.WithContext(ctx))
	if err != nil {
		return nil, tracker.Gone(err)
	}
	return s.issue(is), nil
}

func (s *service) Comments(ctx context.Context, ref string) iter.Seq2[tracker.Comment, error] {
	return tracker.Pages(func(n int) ([]tracker.Comment, error) {
		list, _, err := s.client.Notes.ListIssueNotes(s.config.Project, number(ref),
			&sdk.ListIssueNotesOptions{ListOptions: sdk.ListOptions{Page: int64(n), PerPage: tracker.PageSize}}, sdk.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		var out []tracker.Comment
		for _, c := range list {
			out = append(out, tracker.Comment{Author: c.Author.Username, Body: c.Body})
		}
		return out, nil
	})
}

func (s *service) Create(ctx context.Context, d tracker.Draft) (*tracker.Issue, error) {
	o := &sdk.CreateIssueOptions{Title: &d.Title, Description: &d.Body}
	if len(s.config.Labels) > 0 {
		o.Labels = sdk.Ptr(sdk.LabelOptions(s.config.Labels))
	}
	is, _, err := s.client.Issues.CreateIssue(s.config.Project, o, sdk.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return s.issue(is), nil
}

func (s *service) Change(ctx context.Context, ref string, to tracker.State, comment string) error {
	if to != tracker.Keep {
		event := "reopen"
		if to == tracker.Close {
			event = "close"
		}
		if _, _, err := s.client.Issues.UpdateIssue(s.config.Project, number(ref), &sdk.UpdateIssueOptions{StateEvent: &event}, sdk.WithContext(ctx)); err != nil {
			return err
		}
	}
	_, resp, err := s.client.Notes.CreateIssueNote(s.config.Project, number(ref), &sdk.CreateIssueNoteOptions{Body: &comment}, sdk.WithContext(ctx))
	if err == nil && resp.StatusCode != http.StatusCreated {
		// 202: the service took it for commands to itself, and keeps no note.
		return &tracker.StatusError{Method: http.MethodPost, Path: resp.Request.URL.Path, Code: resp.StatusCode, Message: "the comment was not kept"}
	}
	return err
}
