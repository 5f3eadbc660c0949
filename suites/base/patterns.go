package base

import (
	"regexp"
	"strings"

	"assay/harness/guest"
)

// pattern is one kind of bad news in a log.
type pattern struct {
	what string
	re   *regexp.Regexp
	// hosts marks news that a starved or broken host makes in a healthy guest:
	// the infrastructure's fault, to be tried on another guest.
	hosts bool
}

// finding is a journal entry that matched.
type finding struct {
	what  string
	hosts bool
	entry guest.Entry
}

// scan matches every entry against the patterns; the first that fits names it.
func scan(entries []guest.Entry, patterns []pattern) []finding {
	var out []finding
	for _, e := range entries {
		for _, p := range patterns {
			if p.re.MatchString(e.Message) {
				out = append(out, finding{p.what, p.hosts, e})
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

// split parts what is the image's doing from what a host did to it.
func split(all []finding) (image, host []finding) {
	for _, f := range all {
		if f.hosts {
			host = append(host, f)
		} else {
			image = append(image, f)
		}
	}
	return image, host
}

// entriesOf are the journal entries of findings, for details.
func entriesOf(all []finding) []guest.Entry {
	out := make([]guest.Entry, len(all))
	for i, f := range all {
		out[i] = f.entry
	}
	return out
}
