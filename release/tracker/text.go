package tracker

import (
	"fmt"
	"path"
	"strings"

	"assay/release"
)

const (
	// maxFailures is how many artifacts' failures are told in full.
	maxFailures = 6
	maxMessage  = 2 << 10
	maxExcerpt  = 4 << 10
	maxEvidence = 10
	maxRest     = 6 << 10
	// maxChanges is how many changed packages are listed.
	maxChanges = 100
)

// text is what a bug or comment says about an effect. changes are lines of
// package differences.
func text(m Markup, e release.Effect, changes []string, marker Marker) string {
	d := &document{markup: m, room: maxText}
	w := e.Bug
	check, isCheck := strings.CutPrefix(string(w.Subject), "check:")
	stream := d.code(string(e.Stream))
	what := "It"
	if isCheck {
		what = "The check " + d.code(check)
	}
	switch w.Action {
	case release.BugOpen:
		switch {
		case isCheck:
			d.say(fmt.Sprintf("%s fails on the stream %s.", what, stream))
		case w.Subject == release.SubjectNoImage:
			d.say(fmt.Sprintf("The stream %s gets no image.", stream))
		default:
			d.say(fmt.Sprintf("A release of the stream %s was taken back.", stream))
		}
	case release.BugReopen:
		if isCheck {
			d.say(fmt.Sprintf("%s fails again on the stream %s.", what, stream))
		} else {
			d.say(fmt.Sprintf("It is so again on the stream %s.", stream))
		}
	case release.BugComment:
		if isCheck {
			d.say(fmt.Sprintf("%s now fails in another way on the stream %s.", what, stream))
		} else {
			d.say(fmt.Sprintf("There is news on the stream %s.", stream))
		}
	case release.BugClose:
		switch {
		case isCheck:
			d.say(fmt.Sprintf("%s passes again: build %s.", what, d.code(w.Now)))
		case w.Subject == release.SubjectNoImage:
			d.say(fmt.Sprintf("There is an image again: build %s.", d.code(w.Now)))
		default:
			d.say("This is settled.")
		}
		return d.end(marker)
	}
	d.list(fact(d, "First bad", w.FirstBad), fact(d, "Last good", w.LastGood), fact(d, "Now", w.Now))
	for _, f := range w.Failures[:min(len(w.Failures), maxFailures)] {
		failure(d, f)
	}
	if n := len(w.Failures) - maxFailures; n > 0 {
		d.say(fmt.Sprintf("It fails on %d more artifacts.", n))
	}
	d.pre(w.Text, maxRest)
	if len(changes) > 0 {
		d.heading("Packages that changed between the last good and the first bad build")
		d.pre(strings.Join(changes[:min(len(changes), maxChanges)], "\n"), maxExcerpt)
		if n := len(changes) - maxChanges; n > 0 {
			d.say(fmt.Sprintf("and %d more.", n))
		}
	}
	if w.Action == release.BugOpen {
		d.say("The release stage keeps this bug: it comments when the failure changes, closes it when it is gone, and says no more once somebody has closed it as not to be fixed.")
	}
	return d.end(marker)
}

func fact(d *document, name, value string) string {
	if value == "" {
		return ""
	}
	return name + ": " + d.code(value)
}

func failure(d *document, f release.Failure) {
	d.heading(d.code(f.Artifact.String()))
	d.pre(f.Case.Message, maxMessage)
	if f.Case.Replay != "" {
		d.say("Run it again:")
		d.pre(f.Case.Replay, maxMessage)
	}
	d.pre(f.Case.Excerpt, maxExcerpt)
	var items []string
	if f.Results != "" {
		items = append(items, "Results: "+d.link(f.Results))
		for _, e := range f.Case.Evidence[:min(len(f.Case.Evidence), maxEvidence)] {
			items = append(items, "Evidence: "+d.link(strings.TrimSuffix(f.Results, "/")+path.Join("/", e)))
		}
	}
	d.list(items...)
}
