package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/release"
	"assay/release/strictyaml"
)

// reader reads the words of a policy.
type reader struct{ *strictyaml.Reader }

func (r *reader) glob(at, s string) release.Glob {
	g := release.Glob(s)
	r.Check(at, g.Validate())
	return g
}

// word is s, or deflt for an empty s; only what is in want is taken.
func word(r *reader, at, s, deflt string, want ...string) string {
	if s == "" {
		s = deflt
	}
	if !slices.Contains(want, s) {
		r.Fail(at, "want one of %s, not %q", strings.Join(want, ", "), s)
	}
	return s
}

func (r *reader) duration(at, s string) time.Duration {
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 90*24*time.Hour {
		r.Fail(at, "want a duration of up to 90 days, as 6h or 90m, not %q", s)
	}
	return d
}

func (r *reader) clock(at, s string) (hour, minute int) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		r.Fail(at, "want a time of day, as \"14:00\", not %q", s)
	}
	return t.Hour(), t.Minute()
}

func (r *reader) zone(at, s string) *time.Location {
	if s == "" || s == "Local" {
		r.Fail(at, "want a time zone, as Europe/Prague or UTC")
		return time.UTC
	}
	z, err := time.LoadLocation(s)
	if err != nil {
		r.Fail(at, "there is no time zone %q: want a name as Europe/Prague or UTC", s)
		return time.UTC
	}
	return z
}

// Names stand in effect keys.
var adapterNames = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (r *reader) adapterName(at, s string) string {
	if !adapterNames.MatchString(s) {
		r.Fail(at, "want a name of a-z, 0-9, '.', '_' and '-', not %q", s)
	}
	return s
}

func (r *reader) unique(at string, n int, name func(int) string) {
	seen := map[string]bool{}
	for i := range n {
		if seen[name(i)] {
			r.Fail(fmt.Sprintf("%s[%d]", at, i), "%q is listed twice", name(i))
		}
		seen[name(i)] = true
	}
}
