package tracker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"assay/release"
)

// Issue is a bug as the service has it.
type Issue struct {
	// Ref is its number, URL its page.
	Ref, URL string
	// Author is the account that filed it.
	Author string
	Body   string
	Open   bool
	// WontFix means closed, and not wanted.
	WontFix bool
	// Changed is when it was closed, or else last changed.
	Changed time.Time
}

// Comment is one comment of an issue.
type Comment struct{ Author, Body string }

// Draft is a bug to file.
type Draft struct {
	Key         Key
	Title, Body string
}

// State is what becomes of an issue.
type State int

// The states to change to.
const (
	Keep State = iota
	Open
	Close
)

// Service is one project in one tracker. Errors are *StatusError where the
// service has answered; a missing issue is ErrGone. Nothing is tried twice.
type Service interface {
	Markup() Markup
	// Account is the name of the account that the token belongs to.
	Account(ctx context.Context) (string, error)
	// Find returns the newest issue by the account that was filed under the key;
	// nil when there is none. It sees what was filed a moment ago: a search
	// engine that lags behind would file twice.
	Find(ctx context.Context, account string, key Key) (*Issue, error)
	Issue(ctx context.Context, ref string) (*Issue, error)
	// Comments are in any order, with the texts as they were sent.
	Comments(ctx context.Context, ref string) iter.Seq2[Comment, error]
	Create(ctx context.Context, d Draft) (*Issue, error)
	// Change changes the state and then comments: who finds the comment knows
	// that the state was changed. A state that is so already is no error.
	Change(ctx context.Context, ref string, to State, comment string) error
}

// Options are what the release stage brings.
type Options struct {
	// Changes lists what differs between the package manifests that stand at two
	// places of the history, one line each; nil leaves that out.
	Changes func(ctx context.Context, good, bad uint64) ([]string, error)
	// Grace is how long an effect waits that an earlier process may just have
	// asked for: its request may still be on the way, and would not be seen yet.
	// DefaultGrace when 0.
	Grace time.Duration
}

// DefaultGrace is how long GitHub lets a request take at most; other services
// answer in a second or so.
const DefaultGrace = 10 * time.Second

// Tracker is a release.Tracker over a service. It keeps nothing between calls.
type Tracker struct {
	service Service
	name    string
	options Options
}

var _ release.Tracker = (*Tracker)(nil)

// New puts a tracker together; name is what policies call it.
func New(name string, s Service, o Options) *Tracker {
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	return &Tracker{s, name, o}
}

// Do implements release.Performer for release.EffectBug.
func (t *Tracker) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	if e.Bug == nil {
		return release.Receipt{}, permanent("cannot do %s: it is about no bug", e.Key)
	}
	is, err := t.do(ctx, e)
	if err != nil {
		return release.Receipt{}, fmt.Errorf("cannot %s the bug %q of %s in %s: %w", e.Bug.Action, e.Bug.Subject, e.Stream, t.name, err)
	}
	return release.Receipt{Ref: is.Ref, URL: is.URL}, nil
}

// job is one effect under way.
type job struct {
	*Tracker
	release.Effect
	account string
	marker  Marker
}

func (t *Tracker) do(ctx context.Context, e release.Effect) (*Issue, error) {
	if e.Unsure {
		// There is nothing to look at but the clock.
		select {
		case <-time.After(t.options.Grace):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	account, err := t.service.Account(ctx)
	if err != nil {
		return nil, err
	}
	if account == "" {
		return nil, errors.New("the service does not say whose token it is")
	}
	j := &job{t, e, account, Marker{BugKey(e.Stream, e.Bug.Subject), EffectKey(e.Stream, e.Key)}}
	switch e.Bug.Action {
	case release.BugOpen:
		return j.open(ctx)
	case release.BugComment, release.BugClose, release.BugReopen:
	default:
		return nil, permanent("unknown action %.40q", e.Bug.Action)
	}
	if !isRef(e.Bug.Ref) {
		return nil, permanent("%.40q is not the number of a bug", e.Bug.Ref)
	}
	is, err := t.service.Issue(ctx, e.Bug.Ref)
	switch {
	case errors.Is(err, ErrGone):
		return j.gone(ctx)
	case err != nil:
		return nil, err
	}
	return j.change(ctx, is)
}

// open files a bug unless there is one for the subject, which then is told.
func (j *job) open(ctx context.Context) (*Issue, error) {
	is, err := j.service.Find(ctx, j.account, j.marker.Bug)
	if err != nil {
		return nil, err
	}
	if is == nil {
		body, err := j.text(ctx)
		if err != nil {
			return nil, err
		}
		return j.service.Create(ctx, Draft{Key: j.marker.Bug, Title: title(j.Bug.Title), Body: body})
	}
	if m, ok := FindMarker(is.Body); ok && m == j.marker {
		return is, nil // an earlier attempt got so far
	}
	return j.change(ctx, is)
}

// gone does what is to be done to a bug that is not there. Find fails when it is
// the whole project that cannot be seen.
func (j *job) gone(ctx context.Context) (*Issue, error) {
	if j.Bug.Action != release.BugClose {
		return j.open(ctx)
	}
	is, err := j.service.Find(ctx, j.account, j.marker.Bug)
	switch {
	case err != nil:
		return nil, err
	case is == nil:
		return &Issue{Ref: j.Bug.Ref}, nil // nothing is left to close
	}
	return j.change(ctx, is)
}

// change does to an issue what the action says, once.
func (j *job) change(ctx context.Context, is *Issue) (*Issue, error) {
	if is.WontFix {
		return is, nil // a person has spoken
	}
	for c, err := range j.service.Comments(ctx, is.Ref) {
		if err != nil {
			return nil, err
		}
		if m, ok := FindMarker(c.Body); ok && m == j.marker && c.Author == j.account {
			return is, nil
		}
	}
	to := Keep
	switch j.Bug.Action {
	case release.BugOpen, release.BugReopen:
		to = Open
	case release.BugClose:
		to = Close
	}
	if to == Open && is.Open || to == Close && !is.Open {
		to = Keep
	}
	body, err := j.text(ctx)
	if err != nil {
		return nil, err
	}
	return is, j.service.Change(ctx, is.Ref, to, body)
}

func (j *job) text(ctx context.Context) (string, error) {
	var changes []string
	if w := j.Bug; w.PackagesGood != 0 && w.PackagesBad != 0 && j.options.Changes != nil && w.Action != release.BugClose {
		var err error
		if changes, err = j.options.Changes(ctx, w.PackagesGood, w.PackagesBad); err != nil {
			return "", fmt.Errorf("cannot tell which packages changed: %w", err)
		}
	}
	return text(j.service.Markup(), j.Effect, changes, j.marker), nil
}

// Bugs implements release.Tracker. At is when the bug was closed, or last
// changed while it is open, by the tracker's clock.
func (t *Tracker) Bugs(ctx context.Context, refs []string) ([]release.BugObserved, error) {
	var out []release.BugObserved
	for _, ref := range refs {
		if !isRef(ref) {
			continue
		}
		is, err := t.service.Issue(ctx, ref)
		if errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot see bug %s in %s: %w", ref, t.name, err)
		}
		out = append(out, release.BugObserved{Tracker: t.name, Ref: is.Ref, Open: is.Open, WontFix: is.WontFix && !is.Open, At: is.Changed.UTC()})
	}
	return out, nil
}

// isRef keeps everything but numbers out of paths.
func isRef(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && s == strconv.FormatInt(n, 10)
}

const (
	// PageSize is how many items a page has; Gitea gives 50 at most.
	PageSize = 50
	// maxPages bounds a search, against a service that always has one more.
	maxPages = 200
)

// Pages yields the items of all pages, counted from 1. A page that is empty is
// the last; a short one is not, for a service may give fewer than it was asked
// for.
func Pages[T any](page func(n int) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		for n := 1; n <= maxPages; n++ {
			items, err := page(n)
			if err != nil {
				yield(zero, err)
				return
			}
			if len(items) == 0 {
				return
			}
			for _, i := range items {
				if !yield(i, nil) {
					return
				}
			}
		}
		// Not to look further could mean to do something twice.
		yield(zero, permanent("more than %d pages of answers: it cannot be told whether this was done before; give the stage an account and a project of its own", maxPages))
	}
}

// FindIn is Find for a service that lists an account's issues, newest first.
func FindIn(issues iter.Seq2[*Issue, error], account string, key Key) (*Issue, error) {
	for is, err := range issues {
		if err != nil {
			return nil, err
		}
		if m, ok := FindMarker(is.Body); ok && m.Bug == key && is.Author == account {
			return is, nil
		}
	}
	return nil, nil
}
