package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/release"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader keeps the first fault and where it stands.
type reader struct {
	name string
	doc  *ast.File
	err  error
}

func (r *reader) decode(data []byte, into any) (ok bool) {
	// The YAML package panics at some malformed tags (found by fuzzing).
	defer func() {
		if p := recover(); p != nil {
			r.err, ok = fmt.Errorf("%s: it is no YAML that can be read (%v)", r.name, p), false
		}
	}()
	if len(data) > MaxSize {
		r.err = fmt.Errorf("%s: %d bytes are more than the %d a policy may have", r.name, len(data), MaxSize)
		return false
	}
	doc, err := parser.ParseBytes(data, 0)
	if err == nil {
		r.doc = doc
		if n := len(doc.Docs); n != 1 || doc.Docs[0].Body == nil {
			r.err = fmt.Errorf("%s: want one YAML document, and there are %d", r.name, n)
			return false
		}
		dec := yaml.NewDecoder(bytes.NewReader(data), yaml.DisallowUnknownField())
		err = dec.Decode(into)
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	if err != nil {
		r.err = r.located(err)
		return false
	}
	return true
}

// located says where an error of the YAML package stands, in one line.
func (r *reader) located(err error) error {
	var y yaml.Error
	if errors.As(err, &y) {
		if t := y.GetToken(); t != nil && t.Position != nil {
			return fmt.Errorf("%s:%d:%d: %s", r.name, t.Position.Line, t.Position.Column, y.GetMessage())
		}
		return fmt.Errorf("%s: %s", r.name, y.GetMessage())
	}
	return fmt.Errorf("%s: %s", r.name, strings.SplitN(err.Error(), "\n", 2)[0])
}

// fail complains about the node at a YAML path, or about the nearest that is
// there above it.
func (r *reader) fail(at, format string, args ...any) {
	if r.err != nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	key := strings.TrimPrefix(strings.TrimPrefix(at, "$"), ".")
	for p := at; ; p = p[:max(strings.LastIndexAny(p, ".["), 1)] {
		if path, err := yaml.PathString(p); err == nil {
			if node, err := path.FilterFile(r.doc); err == nil && node != nil {
				pos := node.GetToken().Position
				if key != "" {
					text = key + ": " + text
				}
				r.err = fmt.Errorf("%s:%d:%d: %s", r.name, pos.Line, pos.Column, text)
				return
			}
		}
		if p == "$" {
			r.err = fmt.Errorf("%s: %s", r.name, text)
			return
		}
	}
}

func (r *reader) check(at string, err error) {
	if err != nil {
		r.fail(at, "%v", err)
	}
}

func (r *reader) glob(at, s string) release.Glob {
	g := release.Glob(s)
	r.check(at, g.Validate())
	return g
}

// word is s, or deflt for an empty s; only what is in want is taken.
func word(r *reader, at, s, deflt string, want ...string) string {
	if s == "" {
		s = deflt
	}
	if !slices.Contains(want, s) {
		r.fail(at, "want one of %s, not %q", strings.Join(want, ", "), s)
	}
	return s
}

func (r *reader) duration(at, s string) time.Duration {
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 90*24*time.Hour {
		r.fail(at, "want a duration of up to 90 days, as 6h or 90m, not %q", s)
	}
	return d
}

func (r *reader) clock(at, s string) (hour, minute int) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		r.fail(at, "want a time of day, as \"14:00\", not %q", s)
	}
	return t.Hour(), t.Minute()
}

func (r *reader) zone(at, s string) *time.Location {
	if s == "" || s == "Local" {
		r.fail(at, "want a time zone, as Europe/Prague or UTC")
		return time.UTC
	}
	z, err := time.LoadLocation(s)
	if err != nil {
		r.fail(at, "there is no time zone %q: want a name as Europe/Prague or UTC", s)
		return time.UTC
	}
	return z
}

// Names stand in effect keys.
var adapterNames = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (r *reader) adapterName(at, s string) string {
	if !adapterNames.MatchString(s) {
		r.fail(at, "want a name of a-z, 0-9, '.', '_' and '-', not %q", s)
	}
	return s
}

func (r *reader) unique(at string, n int, name func(int) string) {
	seen := map[string]bool{}
	for i := range n {
		if seen[name(i)] {
			r.fail(fmt.Sprintf("%s[%d]", at, i), "%q is listed twice", name(i))
		}
		seen[name(i)] = true
	}
}
