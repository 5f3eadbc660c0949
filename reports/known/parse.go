package known

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize bounds a known-failure file, in bytes: thousands of entries.
const MaxSize = 1 << 20

// Error is what is wrong with a known-failure file, and where.
type Error struct {
	File         string
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("cannot read known failures: %s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Read reads a known-failure file. What is wrong in it is an *Error.
func Read(file string) (*List, error) {
	// O_NONBLOCK: a FIFO that nobody writes to is empty, and holds nobody up.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read known failures: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read known failures: %w", err)
	}
	return Parse(file, data)
}

// Parse reads the content of a known-failure file; name is for errors, which
// tell the first mistake of each entry. The file is one YAML list; an empty file is an empty list. Unknown keys, keys
// twice, anchors, aliases, tags and second documents are errors.
func Parse(name string, data []byte) (*List, error) {
	r := reader{file: name}
	if len(data) > MaxSize {
		return nil, r.errorf(nil, "the file is larger than %d bytes", MaxSize)
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		var y yaml.Error
		if errors.As(err, &y) {
			return nil, r.errorf(y.GetToken(), "%s", y.GetMessage())
		}
		return nil, r.errorf(nil, "%v", err)
	}
	list := &List{Name: name}
	var body ast.Node
	for _, d := range f.Docs {
		if d.Body == nil || d.Body.Type() == ast.NullType || d.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return nil, r.errorf(d.Body.GetToken(), "a second document; want one list")
		}
		body = d.Body
	}
	if body == nil {
		return list, nil
	}
	seq, ok := body.(*ast.SequenceNode)
	if !ok {
		return nil, r.errorf(body.GetToken(), "want a list of entries, each with check, tracker and expires")
	}
	var errs []error
	for _, v := range seq.Values {
		e, err := r.entry(v)
		if err != nil {
			if errs = append(errs, err); len(errs) == maxErrors {
				break
			}
		}
		list.Entries = append(list.Entries, e)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return list, nil
}

// maxErrors bounds what is told of a file at once, one error an entry.
const maxErrors = 20

// reader turns nodes into entries and knows the file for its errors.
type reader struct{ file string }

func (r reader) errorf(t *token.Token, format string, args ...any) error {
	e := &Error{File: r.file, Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
	if t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}

func (r reader) entry(n ast.Node) (Entry, error) {
	var e Entry
	fields, err := r.fields(n, "check", "tracker", "reason", "expires", "scope")
	if err != nil {
		return e, err
	}
	first := n.GetToken()
	if len(fields) > 0 {
		first = fields[0].key
	}
	e.Line = first.Position.Line
	has := map[string]bool{}
	for _, f := range fields {
		has[f.name] = true
		if f.name == "scope" {
			if e.Scope, err = r.scope(f.value); err != nil {
				return e, err
			}
			continue
		}
		s, err := r.text(f)
		if err != nil {
			return e, err
		}
		switch f.name {
		case "check":
			e.Check, err = s, r.check(f, s)
		case "tracker":
			e.Tracker, err = s, r.tracker(f, s)
		case "reason":
			e.Reason = s
		case "expires":
			if e.Expires, err = time.Parse(time.DateOnly, s); err != nil {
				err = r.errorf(f.value.GetToken(), "expires is %.40q, want a day as YYYY-MM-DD", s)
			}
		}
		if err != nil {
			return e, err
		}
	}
	for _, want := range []string{"check", "tracker", "expires"} {
		if !has[want] {
			return e, r.errorf(first, "the entry has no %s", want)
		}
	}
	return e, nil
}

// check accepts an id or a glob over ids that names something: a list that
// excuses everything is no list of known failures.
func (r reader) check(f field, s string) error {
	t := f.value.GetToken()
	if _, err := path.Match(s, "x"); err != nil {
		return r.errorf(t, "check is %.80q, which is no valid glob", s)
	}
	if !strings.Contains(s, "/") {
		return r.errorf(t, "check is %.80q, want criterion/check, where the check may be *", s)
	}
	if strings.Trim(s, "*?/[]!^-") == "" {
		return r.errorf(t, "check is %.80q, which would excuse every failure", s)
	}
	return nil
}

func (r reader) tracker(f field, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return r.errorf(f.value.GetToken(), "tracker is %.80q, want the http or https address of a bug", s)
	}
	return nil
}

func (r reader) scope(n ast.Node) (Scope, error) {
	var s Scope
	fields, err := r.fields(n, "arch", "stream", "version", "image")
	if err != nil {
		return s, err
	}
	for _, f := range fields {
		var globs []string
		values := []ast.Node{f.value}
		if seq, ok := f.value.(*ast.SequenceNode); ok {
			if values = seq.Values; len(values) == 0 {
				return s, r.errorf(f.key, "%s is an empty list; leave it out to match everything", f.name)
			}
		}
		for _, v := range values {
			g, err := r.text(field{name: f.name, key: f.key, value: v})
			if err != nil {
				return s, err
			}
			if _, err := path.Match(g, "x"); err != nil {
				return s, r.errorf(v.GetToken(), "%s is %.80q, which is no valid glob", f.name, g)
			}
			globs = append(globs, g)
		}
		switch f.name {
		case "arch":
			s.Arch = globs
		case "stream":
			s.Stream = globs
		case "version":
			s.Version = globs
		case "image":
			s.Image = globs
		}
	}
	return s, nil
}

// field is one key of a mapping.
type field struct {
	name  string
	key   *token.Token
	value ast.Node
}

// fields lists a mapping's keys, each one of allowed and there once.
func (r reader) fields(n ast.Node, allowed ...string) ([]field, error) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		return nil, r.errorf(tokenOf(n), "want a mapping with the keys %s", strings.Join(allowed, ", "))
	}
	var out []field
	seen := map[string]bool{}
	for _, v := range values {
		t := v.Key.GetToken()
		name := ""
		if k, ok := v.Key.(*ast.StringNode); ok {
			name = k.Value
		}
		known := false
		for _, a := range allowed {
			known = known || a == name
		}
		switch {
		case !known:
			return nil, r.errorf(t, "unknown key %.40q; known are %s", t.Value, strings.Join(allowed, ", "))
		case seen[name]:
			return nil, r.errorf(t, "%s stands here twice", name)
		}
		seen[name] = true
		out = append(out, field{name: name, key: t, value: v.Value})
	}
	return out, nil
}

// text is a scalar as it is written: version 43.10 stays "43.10".
func (r reader) text(f field) (string, error) {
	var s string
	switch v := f.value.(type) {
	case *ast.StringNode:
		s = v.Value
	case *ast.LiteralNode:
		s = v.Value.Value
	case *ast.IntegerNode:
		s = v.Token.Value
	case *ast.FloatNode:
		s = v.Token.Value
	default:
		t := tokenOf(f.value)
		if t == nil {
			t = f.key
		}
		return "", r.errorf(t, "%s wants text", f.name)
	}
	if s = strings.TrimSpace(s); s == "" {
		return "", r.errorf(f.key, "%s is empty", f.name)
	}
	return s, nil
}

func tokenOf(n ast.Node) *token.Token {
	if n == nil {
		return nil
	}
	return n.GetToken()
}
