// Package known reads the list of known failures (known.yaml) and applies it
// to a run: a failure that somebody tracks does not reject the image until the
// entry expires.
//
// It never hides anything: a covered failure stays a failure in the report,
// with its tracker, and an entry that has expired or that is no longer needed
// is noted. It needs nothing of the host but the file.
package known

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"assay/reports"
)

// List is a whole known.yaml.
type List struct {
	// Name is what the list is called in errors and notes: its path.
	Name    string
	Entries []Entry
}

// Entry is one known failure.
type Entry struct {
	// Check is a case id or a glob over ids: "containers/*". A star does not
	// cross a slash.
	Check string
	// Tracker is the http or https address where the failure is followed.
	Tracker string
	// Reason is for the reader; may be empty.
	Reason string
	// Expires is the last day (UTC) on which the entry counts.
	Expires time.Time
	Scope   Scope
	// Line is where the entry stands in its file, from 1.
	Line int
}

// Scope narrows an entry to some images. Each part is a list of globs of which
// one must match; an empty list matches everything. A part that asks for
// something the run does not know (the version of an image that never came up)
// does not match: in doubt the failure blocks.
type Scope struct {
	// Arch is matched against Image.Arch.
	Arch []string
	// Stream is matched against Image.Stream, and against the ostree ref.
	Stream []string
	// Version is matched against the ostree version and os-release VERSION_ID.
	Version []string
	// Image is matched against Image.Name.
	Image []string
}

// Matches reports whether the scope takes in img.
func (s Scope) Matches(img reports.Image) bool {
	return anyOf(s.Arch, string(img.Arch)) && anyOf(s.Stream, img.Stream, img.OSTreeRef) &&
		anyOf(s.Version, img.OSTreeVersion, img.OSVersion) && anyOf(s.Image, img.Name)
}

// anyOf reports whether a glob matches a value that is known. Slashes mean
// nothing here: they are part of refs, and a glob for them is written whole.
func anyOf(globs []string, values ...string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, g := range globs {
		for _, v := range values {
			if v == "" {
				continue
			}
			if ok, _ := path.Match(g, v); ok {
				return true
			}
		}
	}
	return false
}

// Matches reports whether the entry is about the case id.
func (e Entry) Matches(id reports.CaseID) bool {
	ok, _ := path.Match(e.Check, string(id))
	return ok
}

// Expired reports whether now is past the entry's last day.
func (e Entry) Expired(now time.Time) bool {
	return !now.UTC().Before(e.Expires.AddDate(0, 0, 1))
}

// Apply marks the image's failures that an entry covers, and writes to the
// run's Notes which entries have expired, which are no longer needed, and which
// are about none of the checks that exist (all: those of the run and others).
// What was marked before is forgotten, and a note that is there is not written
// again, so applying twice is applying once. Counts and verdict are the
// caller's to take afterwards (reports.Run.Conclude).
//
// Only failures that are the image's are covered: a question that was not
// answered stays open, whatever the list says.
func (l *List) Apply(run *reports.Run, all []reports.CaseID, now time.Time) {
	seen := make([]tally, len(l.Entries))
	for i := range run.Suites {
		for j := range run.Suites[i].Cases {
			c := &run.Suites[i].Cases[j]
			c.Known = nil
			for k, e := range l.Entries {
				if !e.Matches(c.ID) || !e.Scope.Matches(run.Image) {
					continue
				}
				seen[k].count(c)
				if c.Known == nil && isImages(c) && !e.Expired(now) {
					c.Known = &reports.Known{Tracker: e.Tracker, Reason: e.Reason, Expires: e.Expires.Format(time.DateOnly)}
				}
			}
		}
	}
	for k, e := range l.Entries {
		if text := l.remark(e, seen[k], slices.ContainsFunc(all, e.Matches), now); text != "" && !slices.Contains(run.Notes, text) {
			run.Notes = append(run.Notes, text)
		}
	}
}

func isImages(c *reports.Case) bool {
	return c.Outcome == reports.Failed && c.Fault == reports.FaultImage
}

// tally is what became of the cases that one entry is about.
type tally struct {
	passed int
	failed []reports.CaseID
	other  int
}

func (t *tally) count(c *reports.Case) {
	switch {
	case isImages(c):
		t.failed = append(t.failed, c.ID)
	case c.Outcome == reports.Passed:
		t.passed++
	default:
		t.other++
	}
}

// remark is what a person who keeps the list should know of e, or "". exists
// says that there is a check that e is about.
func (l *List) remark(e Entry, t tally, exists bool, now time.Time) string {
	where := fmt.Sprintf("known failure %s (%s, line %d of %s)", e.Check, e.Tracker, e.Line, l.Name)
	switch {
	case e.Expired(now) && len(t.failed) > 0:
		ids := make([]string, len(t.failed))
		for i, id := range t.failed {
			ids[i] = string(id)
		}
		return fmt.Sprintf("%s expired on %s and excuses nothing any more: %s still fails",
			where, e.Expires.Format(time.DateOnly), strings.Join(ids, ", "))
	case !exists && len(t.failed)+t.passed+t.other == 0:
		return where + " is about no check that there is: `assay suites` lists them"
	case e.Expired(now):
		return fmt.Sprintf("%s expired on %s and can go: nothing that it is about fails here", where, e.Expires.Format(time.DateOnly))
	case t.passed > 0 && len(t.failed) == 0 && t.other == 0:
		return where + " is no longer needed: what it is about passes"
	}
	return ""
}
