package announce

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"assay/release"
	"assay/release/packages"
	"assay/reports"
)

// Options are what announcers need besides their configuration.
type Options struct {
	// Policy is that of the stream.
	Policy *release.Policy
	// Log is where package manifests are read from.
	Log release.Log
	// Page is the stream's page on the download site, with its pages and
	// metadata beside it: ".../streams/STREAM". Files is where
	// releases/STREAM/BUILD/ stand. Both absolute, without a slash at the end.
	Page, Files string
}

func (o Options) check() error {
	if o.Policy == nil || o.Log == nil {
		return errors.New("want a policy and a log")
	}
	for what, s := range map[string]string{"page": o.Page, "files": o.Files} {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.HasSuffix(s, "/") {
			return fmt.Errorf("%s %.100q: want https://HOST/PATH without a slash at the end", what, s)
		}
	}
	return nil
}

// Bounds of an announcement.
const (
	maxText     = 400 // bytes of a sentence
	maxItems    = 50  // of any list
	maxPackages = 200 // changes of each kind
)

// announcement is what all channels say.
type announcement struct {
	Options
	work *release.AnnounceWork
	// diff is nil when the manifest of either build is not known.
	diff *packages.Diff
	at   time.Time // of the decision or the revocation
	// identity is the same whenever this effect is asked for, and another for
	// any other effect, also of another history.
	identity [32]byte
}

func newAnnouncement(ctx context.Context, o Options, e release.Effect) (*announcement, error) {
	w := e.Announce
	if w == nil {
		return nil, fmt.Errorf("the effect announces nothing: %w", release.ErrPermanent)
	}
	if e.Stream != o.Policy.Stream {
		return nil, fmt.Errorf("the effect is of stream %s, this announcer of %s: %w", e.Stream, o.Policy.Stream, release.ErrPermanent)
	}
	a := &announcement{Options: o, work: w, at: w.Release.At}
	if w.Revoked != nil && w.Revoked.Revoked != nil {
		a.at = w.Revoked.Revoked.At
	}
	a.identity = sha256.Sum256(fmt.Appendf(nil, "%q %q %q", e.Stream, e.Key, a.at.UTC().Format(time.RFC3339Nano)))
	if w.Revoked == nil && w.PackagesBefore > 0 && w.PackagesNow > 0 {
		before, err := packages.Read(ctx, o.Log, w.PackagesBefore)
		if err != nil {
			return nil, err
		}
		now, err := packages.Read(ctx, o.Log, w.PackagesNow)
		if err != nil {
			return nil, err
		}
		d := packages.Compare(before, now)
		a.diff = &d
	}
	return a, nil
}

func (a *announcement) title() string {
	return text(cmp.Or(a.Policy.Title, string(a.Policy.Stream)))
}

func (a *announcement) home() string { return a.Page + "/index.html" }

func (a *announcement) buildPage(b release.BuildID) string {
	return a.Page + "/builds/" + string(b) + ".html"
}

func (a *announcement) file(b release.BuildID, name string) string {
	return a.Files + "/releases/" + string(a.Policy.Stream) + "/" + string(b) + "/" + url.PathEscape(name)
}

// images are the files of the release.
func (a *announcement) images() (out []release.Artifact) {
	if a.work.Build == nil {
		return nil
	}
	for _, t := range a.work.Release.Artifacts {
		if f := a.work.Build.Artifact(t.Artifact); f != nil && f.Digest == t.Digest {
			out = append(out, f.Artifact)
		}
	}
	slices.SortFunc(out, func(x, y release.Artifact) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return out
}

func (a *announcement) subject() string {
	if r := a.work.Revoked; r != nil {
		return fmt.Sprintf("%s: %s is revoked, do not use it", a.title(), r.Build)
	}
	return fmt.Sprintf("%s: %s is released", a.title(), a.work.Release.Build)
}

// body is the plain text of an announcement, lines ending in "\n".
func (a *announcement) body() string {
	t := &writer{}
	if a.work.Revoked != nil {
		a.revocation(t)
	} else {
		a.release(t)
	}
	a.footer(t)
	return t.b.String()
}

func (a *announcement) revocation(t *writer) {
	r := a.work.Revoked
	t.para("%s: build %s was revoked. Do not use it.", a.title(), r.Build)
	if out := a.wasOut(); out != "" {
		t.para("It was out %s.", out)
	}
	if r.Revoked != nil {
		t.para("Why: %s", text(r.Revoked.Reason))
		t.para("Revoked by %s on %s.", text(r.Revoked.By.String()), when(r.Revoked.At))
		if u := link(r.Revoked.Tracker); u != "" {
			t.line("Discussion: %s", u)
		}
	}
	out := a.work.Release.Build
	switch {
	case out == "" && a.work.Older:
		t.para("See the page below for what there is to download.")
	case out == "":
		t.para("There is no earlier release to go back to, and nothing to download.")
	case a.work.Older:
		t.para("Use %s instead, which %s offers now.", out, a.title())
	default:
		t.para("Use %s instead, the last release that is good. It is what %s offers again.", out, a.title())
	}
	if a.work.Older && out.Compare(r.Build) > 0 {
		t.para("Machines that run %s: update them to %s.", r.Build, out)
	} else {
		t.para("Machines that run %s: go back to the deployment before (rpm-ostree rollback, or choose it in the boot menu).", r.Build)
	}
	t.line("")
	t.line("Downloads:  %s", a.home())
	t.line("That build: %s", a.buildPage(r.Build))
}

// wasOut is when the revoked release was out; empty when that is not known.
func (a *announcement) wasOut() string {
	w := a.work
	switch {
	case w.Since.IsZero():
		return ""
	case w.Until.IsZero():
		return "since " + when(w.Since)
	}
	return "from " + when(w.Since) + " to " + when(w.Until)
}

func (a *announcement) release(t *writer) {
	r := a.work.Release
	t.para("%s: build %s is released.", a.title(), r.Build)
	t.line("")
	t.line("Download, verify, start: %s", a.home())
	t.line("What was tested:         %s", a.buildPage(r.Build))
	if a.Policy.About != "" {
		t.para("%s", text(a.Policy.About))
	}
	if a.Policy.Disclaimer != "" {
		t.para("Development status: %s", text(a.Policy.Disclaimer))
	}
	t.head("Why this build")
	t.items(r.Reasons)
	t.head("Images")
	images := a.images()
	for i, f := range images {
		if i == maxItems {
			t.line("  and %d more", len(images)-i)
			break
		}
		t.line("  %s (%d bytes)", a.file(r.Build, f.Name), f.Size)
		t.line("    SHA-256 %s", f.Digest.Hex())
	}
	if commits := a.work.Release.Commits; len(commits) > 0 {
		t.head("ostree commits")
		for i, c := range commits {
			if i == maxItems {
				break
			}
			t.line("  %s %s", text(c.Ref), c.Checksum)
		}
	}
	a.changes(t)
	if len(a.work.Known) > 0 {
		t.head("Known issues")
		var known []string
		for _, f := range a.work.Known {
			known = append(known, fmt.Sprintf("%s on %s: %s", f.Case.Check, f.Artifact, f.Case.Message))
		}
		t.items(known)
	}
	if len(a.work.Bugs) > 0 {
		t.head("Open bugs")
		t.items(a.work.Bugs)
	}
}

func (a *announcement) changes(t *writer) {
	previous := a.work.Release.Previous
	switch {
	case previous == "":
		t.para("This is the first release.")
		return
	case a.diff == nil:
		t.head("Changes since " + string(previous))
		t.para("The package lists of the two releases are not known.")
		return
	}
	t.head("Changes since " + string(previous))
	if a.diff.Empty() {
		t.para("The packages are the same.")
		return
	}
	for l := range strings.Lines(a.diff.Text(maxPackages)) {
		t.line("  %s", strings.TrimRight(reports.Clean(l), "\n "))
	}
}

func (a *announcement) footer(t *writer) {
	var docs []string
	for _, d := range a.Policy.Docs {
		if u := link(d.URL); u != "" {
			docs = append(docs, text(d.Title)+": "+u)
		}
	}
	if len(docs) > 0 {
		t.head("Documentation")
		t.items(docs)
	}
	t.line("")
	t.line("-- ")
	t.line("Sent by the release stage of %s. History of decisions: %s", a.title(), a.Page+"/history.html")
}

// writer makes plain text.
type writer struct{ b strings.Builder }

func (t *writer) line(format string, args ...any) {
	fmt.Fprintf(&t.b, format, args...)
	t.b.WriteByte('\n')
}

func (t *writer) head(s string) {
	t.line("\n%s\n%s", s, strings.Repeat("-", len(s)))
}

const width = 72 // of a line of prose: readable, and room to be quoted

func (t *writer) para(format string, args ...any) {
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	t.wrap("", "", fmt.Sprintf(format, args...))
	if !strings.HasSuffix(t.b.String(), "\n") {
		t.b.WriteByte('\n')
	}
}

func (t *writer) items(list []string) {
	for i, s := range list {
		if i == maxItems {
			t.line("  and %d more", len(list)-i)
			return
		}
		t.wrap("- ", "  ", text(s))
	}
}

// wrap breaks at spaces; a word that is too long stays whole, so that addresses
// do.
func (t *writer) wrap(first, indent, s string) {
	line := first
	for i, word := range strings.Fields(s) {
		if i > 0 && len(line)+1+len(word) > width {
			t.line("%s", strings.TrimRight(line, " "))
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	t.line("%s", line)
}

func text(s string) string { return reports.Line(s, maxText) }

func when(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// link lets web addresses through and nothing else.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) || len(s) > 2000 {
		return ""
	}
	return s
}
