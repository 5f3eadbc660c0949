// Package gitea speaks to Gitea and Forgejo.
//
// The token needs the scopes write:issue and read:user, and read:organization
// for labels that the organization has and not the project. Its account needs the
// right to write to issues where the configuration names labels.
package gitea

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"assay/release/tracker"
)

type service struct {
	config      tracker.Config
	base        string
	http        *http.Client
	owner, repo string
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
	owner, repo, _ := strings.Cut(c.Project, "/")
	return &service{config: c, base: base.String(), http: h, owner: owner, repo: repo}, nil
}

// client is one for each call: the SDK keeps the context in it.
func (s *service) client(ctx context.Context) (*sdk.Client, error) {
	// No version is set, which keeps the SDK from asking for the server's.
	return sdk.NewClient(s.base, sdk.SetGiteaVersion(""), sdk.SetHTTPClient(s.http), sdk.SetContext(ctx))
}

func (s *service) Markup() tracker.Markup { return tracker.Markdown }

func (s *service) Account(ctx context.Context) (string, error) {
	c, err := s.client(ctx)
	if err != nil {
		return "", err
	}
	u, _, err := c.GetMyUserInfo()
	if err != nil {
		return "", err
	}
	return u.UserName, nil
}

func (s *service) Find(ctx context.Context, account string, key tracker.Key) (*tracker.Issue, error) {
	c, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	// Without a keyword the list comes from the database, and not from the
	// search index, which lags behind.
	return tracker.FindIn(tracker.Pages(func(n int) ([]*tracker.Issue, error) {
		list, _, err := c.ListRepoIssues(s.owner, s.repo, sdk.ListIssueOption{
			ListOptions: sdk.ListOptions{Page: n, PageSize: tracker.PageSize},
			State:       sdk.StateAll, Type: sdk.IssueTypeIssue, CreatedBy: account,
		})
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
	out := &tracker.Issue{Ref: strconv.FormatInt(is.Index, 10), URL: is.HTMLURL, Body: is.Body, Open: is.State == sdk.StateOpen, Changed: is.Updated}
	if is.Poster != nil {
		out.Author = is.Poster.UserName
	}
	if !out.Open {
		if is.Closed != nil {
			out.Changed = *is.Closed
		}
		for _, l := range is.Labels {
			out.WontFix = out.WontFix || s.config.IsWontFix(l.Name)
		}
	}
	return out
}

func number(ref string) int64 {
	n, _ := strconv.ParseInt(ref, 10, 64) // checked by the tracker
	return n
}

func (s *service) Issue(ctx context.Context, ref string) (*tracker.Issue, error) {
	c, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	is, _, err := c.GetIssue(s.owner, s.repo, number(ref))
	if err != nil {
		return nil, tracker.Gone(err)
	}
	return s.issue(is), nil
}

func (s *service) Comments(ctx context.Context, ref string) iter.Seq2[tracker.Comment, error] {
	return func(yield func(tracker.Comment, error) bool) {
		c, err := s.client(ctx)
		if err != nil {
			yield(tracker.Comment{}, err)
			return
		}
		// The server gives all of an issue's comments, whatever page is asked for.
		list, _, err := c.ListIssueComments(s.owner, s.repo, number(ref), sdk.ListIssueCommentOptions{})
		if err != nil {
			yield(tracker.Comment{}, err)
			return
		}
		for _, x := range list {
			author := ""
			if x.Poster != nil {
				author = x.Poster.UserName
			}
			if !yield(tracker.Comment{Author: author, Body: x.Body}, nil) {
				return
			}
		}
	}
}

func (s *service) Create(ctx context.Context, d tracker.Draft) (*tracker.Issue, error) {
	c, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	labels, err := s.labels(c)
	if err != nil {
		return nil, err
	}
	is, _, err := c.CreateIssue(s.owner, s.repo, sdk.CreateIssueOption{Title: d.Title, Body: d.Body, Labels: labels})
	if err != nil {
		return nil, err
	}
	return s.issue(is), nil
}

// labels finds the ids of the configured labels, in the project or else in the
// organization.
func (s *service) labels(c *sdk.Client) ([]int64, error) {
	if len(s.config.Labels) == 0 {
		return nil, nil
	}
	ids := map[string]int64{}
	note := func(list iter.Seq2[*sdk.Label, error]) error {
		for l, err := range list {
			if err != nil {
				return err
			}
			if _, ok := ids[l.Name]; !ok {
				ids[l.Name] = l.ID
			}
		}
		return nil
	}
	if err := note(tracker.Pages(func(n int) ([]*sdk.Label, error) {
		list, _, err := c.ListRepoLabels(s.owner, s.repo, sdk.ListLabelsOptions{ListOptions: sdk.ListOptions{Page: n, PageSize: tracker.PageSize}})
		return list, err
	})); err != nil {
		return nil, err
	}
	known := func(l string) bool { _, ok := ids[l]; return ok }
	if !allOf(s.config.Labels, known) {
		err := note(tracker.Pages(func(n int) ([]*sdk.Label, error) {
			list, _, err := c.ListOrgLabels(s.owner, sdk.ListOrgLabelsOptions{ListOptions: sdk.ListOptions{Page: n, PageSize: tracker.PageSize}})
			return list, err
		}))
		// A person's project has no organization; a token may not see it.
		if err != nil && !tracker.IsStatus(err, http.StatusNotFound, http.StatusForbidden) {
			return nil, err
		}
	}
	var out []int64
	for _, l := range s.config.Labels {
		if !known(l) {
			return nil, tracker.Permanent(fmt.Errorf("the project has no label %q: make it, or take it out of the configuration", l))
		}
		out = append(out, ids[l])
	}
	return out, nil
}

func allOf(list []string, f func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !f(s) })
}

func (s *service) Change(ctx context.Context, ref string, to tracker.State, comment string) error {
	c, err := s.client(ctx)
	if err != nil {
		return err
	}
	if to != tracker.Keep {
		state := sdk.StateOpen
		if to == tracker.Close {
			state = sdk.StateClosed
		}
		if _, _, err := c.EditIssue(s.owner, s.repo, number(ref), sdk.EditIssueOption{State: &state}); err != nil {
			return err
		}
	}
	_, _, err = c.CreateIssueComment(s.owner, s.repo, number(ref), sdk.CreateIssueCommentOption{Body: comment})
	return err
}
