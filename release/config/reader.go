package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

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
	// The YAML package panics at some malformed tags; see release/policy.
	defer func() {
		if p := recover(); p != nil {
			r.err, ok = fmt.Errorf("%s: it is no YAML that can be read (%v)", r.name, p), false
		}
	}()
	doc, err := parser.ParseBytes(data, 0)
	if err == nil {
		r.doc = doc
		if n := len(doc.Docs); n != 1 || doc.Docs[0].Body == nil {
			r.err = fmt.Errorf("%s: want one YAML document, and there are %d", r.name, n)
			return false
		}
		err = yaml.NewDecoder(bytes.NewReader(data), yaml.DisallowUnknownField()).Decode(into)
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
	line, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s: %s", r.name, line)
}

// fail complains about the node at a YAML path, or about the nearest that is
// there above it.
func (r *reader) fail(at, format string, args ...any) {
	if r.err != nil {
		return
	}
	text := strings.TrimPrefix(strings.TrimPrefix(at, "$"), ".") + ": " + fmt.Sprintf(format, args...)
	text = strings.ReplaceAll(text, "\n", "; ")
	r.err = fmt.Errorf("%s: %s", r.name, text)
	for p := at; p != ""; p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
		path, err := yaml.PathString(p)
		if err != nil {
			continue
		}
		if node, err := path.FilterFile(r.doc); err == nil && node != nil {
			pos := node.GetToken().Position
			r.err = fmt.Errorf("%s:%d:%d: %s", r.name, pos.Line, pos.Column, text)
			return
		}
	}
}

func (r *reader) check(at string, err error) {
	if err != nil {
		r.fail(at, "%v", err)
	}
}
