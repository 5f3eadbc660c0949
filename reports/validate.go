package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Outcomes, Faults and Verdicts list every value that a run may hold.
var (
	Outcomes = []Outcome{Passed, Failed, Skipped, Errored}
	Faults   = []Fault{FaultNone, FaultImage, FaultTest, FaultInfra}
	Verdicts = []Verdict{Accepted, Rejected, Undecided}
)

// Kinds of evidence, timeline bars and boots.
var (
	EvidenceKinds = []string{"console", "journal", "command", "file", "screenshot"}
	SpanKinds     = []string{"image", "wait", "boot", "save", "fork", "suite", "reboot", "retry"}
	BootKinds     = []string{"cold", "fork", "reboot"}
)

// caseID is "criterion/check"; further parts name cases of a table.
var caseID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)+$`)

// maxComplaints bounds what Validate says: the first few show the pattern.
const maxComplaints = 8

// Validate checks what the schema and the types cannot say alone: known words
// in every enumeration, case ids, evidence that stays inside the results
// folder, and a verdict "accepted" that the cases bear out. It returns every
// fault it finds, up to a few, joined.
//
// A verdict that is harsher than Judge's is valid: a run may have been
// interrupted.
func (r *Run) Validate() error {
	v := &complaints{}
	if r.Version < 1 || r.Version > FormatVersion {
		v.add("version", "is %d, want 1 to %d", r.Version, FormatVersion)
	}
	oneOf(v, "verdict", r.Verdict, Verdicts)
	for i, s := range r.Suites {
		at := fmt.Sprintf("suites[%d]", i)
		if s.Name == "" {
			v.add(at+".name", "is empty")
		}
		for j, c := range s.Cases {
			c.validate(v, fmt.Sprintf("%s.cases[%d]", at, j))
		}
	}
	for i, s := range r.Timeline {
		oneOf(v, fmt.Sprintf("timeline[%d].kind", i), s.Kind, SpanKinds)
	}
	for i, b := range r.Boots {
		oneOf(v, fmt.Sprintf("boots[%d].kind", i), b.Kind, BootKinds)
	}
	if r.Verdict == Accepted && r.Incomplete != "" {
		v.add("verdict", "is accepted, but the run is incomplete: %s", Line(r.Incomplete, reasonLimit))
	}
	if r.Verdict == Accepted {
		if judged, why := Judge(r.Suites); judged != Accepted {
			v.add("verdict", "is accepted, but by its cases the run is %s: %s", judged, why)
		}
	}
	return errors.Join(v.list...)
}

func (c *Case) validate(v *complaints, at string) {
	if !caseID.MatchString(string(c.ID)) {
		v.add(at+".id", "is %.80q, want criterion/check in lower case", c.ID)
	}
	oneOf(v, at+".outcome", c.Outcome, Outcomes)
	oneOf(v, at+".fault", c.Fault, Faults)
	for i, a := range c.Attempts {
		oneOf(v, fmt.Sprintf("%s.attempts[%d].outcome", at, i), a.Outcome, Outcomes)
		oneOf(v, fmt.Sprintf("%s.attempts[%d].fault", at, i), a.Fault, Faults)
	}
	for i, e := range c.Evidence {
		oneOf(v, fmt.Sprintf("%s.evidence[%d].kind", at, i), e.Kind, EvidenceKinds)
		if e.Path != "" && !isInside(e.Path) {
			v.add(fmt.Sprintf("%s.evidence[%d].path", at, i), "is %.80q, want a path inside the results folder", e.Path)
		}
	}
	if c.Known != nil {
		if !c.Known.Covers() {
			v.add(at+".known.tracker", "is empty")
		}
		if _, err := time.Parse(time.DateOnly, c.Known.Expires); err != nil {
			v.add(at+".known.expires", "is %.20q, want YYYY-MM-DD", c.Known.Expires)
		}
	}
}

// isInside is true for a relative path with slashes that does not leave its
// folder and that every file system and browser reads alike.
func isInside(path string) bool {
	return fs.ValidPath(path) && path != "." && utf8.ValidString(path) && !strings.ContainsAny(path, "\\\x00")
}

// complaints gathers what is wrong, with a bound.
type complaints struct{ list []error }

func (v *complaints) add(at, format string, args ...any) {
	switch {
	case len(v.list) < maxComplaints:
		v.list = append(v.list, fmt.Errorf("%s "+format, append([]any{at}, args...)...))
	case len(v.list) == maxComplaints:
		v.list = append(v.list, errors.New("and more"))
	}
}

// oneOf complains unless got is one of want. The empty word is named "empty".
func oneOf[T ~string](v *complaints, at string, got T, want []T) {
	if !slices.Contains(want, got) {
		v.add(at, "is %.40q, want one of %q", got, want)
	}
}
