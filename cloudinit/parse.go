package cloudinit

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a YAML document from outside. The parser recurses once per level and
// has no limit of its own.
const (
	// MaxSeedFile bounds a seed file, in bytes.
	MaxSeedFile = 256 << 10
	maxFlow     = 64  // levels of [ and {
	maxColumn   = 512 // of "- " and "? ", which nest within one line
	maxMarks    = 256 // anchors, aliases and tags
)

// Parse reads a seed file: one YAML mapping with the names in Seed. Unknown and
// repeated keys are refused, anchors and aliases too. The result has passed
// Validate. Every error is one or more InputErrors (joined) with file, line and
// column; file is only what the errors call it.
func Parse(data []byte, file string) (*Seed, error) {
	doc, err := parseYAML(data, file)
	if err != nil {
		return nil, err
	}
	var odd oddities
	ast.Walk(&odd, doc)
	if odd.found != nil {
		return nil, at(file, odd.found.GetToken(), odd.why)
	}
	var s Seed
	if err := decode(doc, &s, file); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, locate(err, doc, file)
	}
	return &s, nil
}

// parseYAML returns the only document of data, never nil.
func parseYAML(data []byte, file string) (node ast.Node, err error) {
	// The parser has panicked on damaged input before; that is the input's fault.
	defer func() {
		if r := recover(); r != nil {
			node, err = nil, &InputError{File: file, Err: fmt.Errorf("is not YAML that can be read (%.80v)", r)}
		}
	}()
	if len(data) > MaxSeedFile {
		return nil, &InputError{File: file, Err: fmt.Errorf("is %d bytes, more than %d", len(data), MaxSeedFile)}
	}
	tokens := lexer.Tokenize(string(data))
	if err := shallow(tokens, file); err != nil {
		return nil, err
	}
	f, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, yamlError(err, file)
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil, &InputError{File: file, Err: errors.New("is empty")}
	}
	if len(f.Docs) > 1 && f.Docs[1].Body != nil {
		return nil, at(file, f.Docs[1].Body.GetToken(), errors.New("holds a second document"))
	}
	return f.Docs[0].Body, nil
}

func shallow(tokens token.Tokens, file string) error {
	flow, marks := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.AnchorType, token.AliasType, token.TagType:
			marks++
		case token.SequenceEntryType, token.MappingKeyType:
			if t.Position.Column > maxColumn {
				return at(file, t, errors.New("nests too deep"))
			}
		}
		if flow > maxFlow || marks > maxMarks {
			return at(file, t, errors.New("nests too deep"))
		}
	}
	return nil
}

// oddities finds the first node that would not mean what it seems to.
type oddities struct {
	found ast.Node
	why   error
}

var (
	reInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	reFloat   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)\.([0-9]*[1-9]|0)$`)
)

func (o *oddities) Visit(n ast.Node) ast.Visitor {
	if o.found != nil {
		return nil
	}
	written := ""
	if t := n.GetToken(); t != nil {
		written = t.Value
	}
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		o.found, o.why = n, errors.New("anchors and aliases are not taken in a seed file")
	case *ast.TagNode:
		o.found, o.why = n, errors.New("tags are not taken in a seed file")
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		// 0600 as a mode or an argument would silently become "384".
		if !reInteger.MatchString(written) && !reFloat.MatchString(written) {
			o.found, o.why = n, fmt.Errorf("YAML takes %.40s for a number and changes its spelling; write \"%.40[1]s\" with quotes", written)
		}
	case *ast.BoolNode:
		if written != "true" && written != "false" {
			o.found, o.why = n, fmt.Errorf("write %s, or \"%s\" with quotes for the word", strings.ToLower(written), written)
		}
	case *ast.SequenceNode:
		for _, v := range n.Values {
			if _, null := v.(*ast.NullNode); null {
				o.found, o.why = v, errors.New("an entry of a list is empty; write \"\" for the empty text")
			}
		}
	}
	return o
}

func decode(doc ast.Node, into any, file string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &InputError{File: file, Err: fmt.Errorf("is not YAML that can be read (%.80v)", r)}
		}
	}()
	if err := yaml.NodeToValue(doc, into, yaml.Strict()); err != nil {
		return yamlError(err, file)
	}
	return nil
}

func yamlError(err error, file string) error {
	var e yaml.Error
	if !errors.As(err, &e) {
		return &InputError{File: file, Err: err}
	}
	msg := e.GetMessage()
	var te *yaml.TypeError
	if errors.As(err, &te) {
		msg = "want " + kindWords(te.DstType) + ", found " + kindWords(te.SrcType)
	}
	var ue *yaml.UnexpectedNodeTypeError
	if errors.As(err, &ue) {
		msg = fmt.Sprintf("want a %s, found a %s", ue.Expected.YAMLName(), ue.Actual.YAMLName())
	}
	return at(file, e.GetToken(), errors.New(msg))
}

func kindWords(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct, reflect.Pointer:
		return "a mapping"
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return "a number"
	default:
		return "another kind of value"
	}
}

func at(file string, t *token.Token, err error) *InputError {
	e := &InputError{File: file, Err: err}
	if t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}

// locate gives each fault that Validate found the place of its field in doc.
func locate(err error, doc ast.Node, file string) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var out []error
	for _, one := range joined.Unwrap() {
		var e *InputError
		if !errors.As(one, &e) {
			out = append(out, one)
			continue
		}
		placed := at(file, find(doc, e.Field).GetToken(), e.Err)
		placed.Field = e.Field
		out = append(out, placed)
	}
	return errors.Join(out...)
}

// find walks a field path such as "users[0].name" as far as doc goes.
func find(n ast.Node, field string) ast.Node {
	if field == "" {
		return n
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return findIn(n, n.Values, field)
	case *ast.MappingValueNode:
		return findIn(n, []*ast.MappingValueNode{n}, field)
	case *ast.SequenceNode:
		var i int
		rest, ok := strings.CutPrefix(field, "[")
		if _, err := fmt.Sscanf(rest, "%d]", &i); !ok || err != nil || i < 0 || i >= len(n.Values) {
			return n
		}
		_, rest, _ = strings.Cut(rest, "]")
		return find(n.Values[i], strings.TrimPrefix(rest, "."))
	}
	return n
}

func findIn(at ast.Node, values []*ast.MappingValueNode, field string) ast.Node {
	var best *ast.MappingValueNode
	var bestKey string
	for _, v := range values {
		key := v.Key.GetToken().Value
		rest, ok := strings.CutPrefix(field, key)
		if ok && key != "" && len(key) > len(bestKey) && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			best, bestKey = v, key
		}
	}
	if best == nil {
		return at
	}
	rest := strings.TrimPrefix(field[len(bestKey):], ".")
	if rest == "" || best.Value == nil || best.Value.GetToken() == nil {
		return best.Key
	}
	if found := find(best.Value, rest); found != best.Value {
		return found
	}
	// Nothing inside fits: the key's place says more than that of its value.
	return best.Key
}
