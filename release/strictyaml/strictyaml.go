// Package strictyaml reads one YAML document into a struct and takes nothing
// that the struct does not name. Whatever is wrong with it, what the document
// says included, is reported with its place: "NAME:LINE:COLUMN: what".
//
// It reads no files and needs nothing of the host.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Reader is a document that was read. It keeps the first fault.
type Reader struct {
	name string
	doc  *ast.File
	err  error
}

// Read decodes data, of at most limit bytes, into a struct. name is what errors
// call the document. The Reader is never nil; see Err.
func Read(name string, data []byte, limit int, into any) *Reader {
	r := &Reader{name: name}
	r.decode(data, limit, into)
	return r
}

// Err is the first fault, nil while there is none. It is one line.
func (r *Reader) Err() error { return r.err }

func (r *Reader) decode(data []byte, limit int, into any) {
	// The YAML package panics at some malformed tags (found by fuzzing).
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("%s: it is no YAML that can be read (%v)", r.name, p)
		}
	}()
	if len(data) > limit {
		r.err = fmt.Errorf("%s: %d bytes are more than the %d it may have", r.name, len(data), limit)
		return
	}
	doc, err := parser.ParseBytes(data, 0)
	if err == nil {
		r.doc = doc
		switch n := len(doc.Docs); {
		case n == 0 || n == 1 && doc.Docs[0].Body == nil:
			r.err = fmt.Errorf("%s: it is empty: want keys and values", r.name)
		case n > 1:
			r.err = fmt.Errorf("%s: want one YAML document, and there are %d: take out the line ---", r.name, n)
		default:
			r.shape("$", doc.Docs[0].Body, reflect.TypeOf(into))
		}
		if r.err != nil {
			return
		}
		err = yaml.NewDecoder(bytes.NewReader(data), yaml.DisallowUnknownField()).Decode(into)
	}
	if err != nil {
		r.err = r.located(err)
	}
}

// located says where an error of the YAML package stands.
func (r *Reader) located(err error) error {
	var y yaml.Error
	if errors.As(err, &y) {
		if t := y.GetToken(); t != nil && t.Position != nil {
			return fmt.Errorf("%s:%d:%d: %s", r.name, t.Position.Line, t.Position.Column, line(y.GetMessage()))
		}
		return fmt.Errorf("%s: %s", r.name, line(y.GetMessage()))
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s: %s", r.name, first)
}

func line(s string) string { return strings.ReplaceAll(s, "\n", "; ") }

// Fail complains about the node at a YAML path, as "$.trackers[0].name", or
// about the nearest that is there above it. Only the first complaint counts.
func (r *Reader) Fail(at, format string, args ...any) {
	if r.err != nil {
		return
	}
	text := line(fmt.Sprintf(format, args...))
	if key := strings.TrimPrefix(strings.TrimPrefix(at, "$"), "."); key != "" {
		text = key + ": " + text
	}
	for p := at; ; p = p[:max(strings.LastIndexAny(p, ".["), 1)] {
		if line, column, ok := r.place(p); ok {
			r.err = fmt.Errorf("%s:%d:%d: %s", r.name, line, column, text)
			return
		}
		if len(p) <= 1 {
			r.err = fmt.Errorf("%s: %s", r.name, text)
			return
		}
	}
}

// place finds the node at a path.
func (r *Reader) place(at string) (line, column int, ok bool) {
	// Names that stand in the document are parts of paths, and the YAML package
	// panics at some (found by fuzzing).
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	path, err := yaml.PathString(at)
	if err != nil {
		return 0, 0, false
	}
	node, err := path.FilterFile(r.doc)
	if err != nil || node == nil {
		return 0, 0, false
	}
	pos := node.GetToken().Position
	return pos.Line, pos.Column, true
}

// Check is Fail for an error that is not nil.
func (r *Reader) Check(at string, err error) {
	if err != nil {
		r.Fail(at, "%v", err)
	}
}
