package base

import (
	"regexp"
	"strings"

	"assay/harness/guest"
)

// culprit is who is behind bad news.
type culprit int

const (
	theImage culprit = iota
	// theHost makes these in a healthy guest when it is broken: the
	// infrastructure's fault, to be tried on another guest.
	theHost
	// slowness makes these in a healthy guest whose processors have to wait. An
	// emulated guest waits a lot.
	slowness
	// nobody: it looks like one of the others, and nothing is wrong.
	nobody
)

// pattern is one kind of bad news in a log.
type pattern struct {
	what string
	re   *regexp.Regexp
	// by is who does that to a guest; the zero value is the image itself.
	by culprit
}

// finding is a journal entry that matched.
type finding struct {
	what  string
	by    culprit
	entry guest.Entry
}

// scan matches every entry against the patterns; the first that fits names it.
func scan(entries []guest.Entry, patterns []pattern) []finding {
	var out []finding
	for _, e := range entries {
		for _, p := range patterns {
			if p.re.MatchString(e.Message) {
				out = append(out, finding{p.what, p.by, e})
				break
			}
		}
	}
	return out
}

// grep is one expression for journalctl that finds whatever one of the
// patterns does.
func grep(patterns []pattern) *regexp.Regexp {
	parts := make([]string, len(patterns))
	for i, p := range patterns {
		parts[i] = "(?:" + p.re.String() + ")"
	}
	return regexp.MustCompile(strings.Join(parts, "|"))
}

// of keeps the findings that culprit is behind.
func of(by culprit, all []finding) []finding {
	var out []finding
	for _, f := range all {
		if f.by == by {
			out = append(out, f)
		}
	}
	return out
}

// entriesOf are the journal entries of findings, for details.
func entriesOf(all []finding) []guest.Entry {
	out := make([]guest.Entry, len(all))
	for i, f := range all {
		out[i] = f.entry
	}
	return out
}
