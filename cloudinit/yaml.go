package cloudinit

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// marshalYAML encodes v so that a YAML 1.1 reader gets back the same values.
// cloud-init uses PyYAML, which is one: it takes a plain `on` for true, 0644
// for 420, 12:30:00 for 45000 and 2026-01-01 for a date, while the library here
// quotes only what YAML 1.2 demands. So every text that is not plainly a text is
// quoted, and what can stay readable (keys, scripts) becomes a literal block.
//
// The result is decoded again and compared; a difference is an error.
func marshalYAML(v any) ([]byte, error) {
	node, err := yaml.ValueToNode(v, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("cannot encode YAML: %w", err)
	}
	style := &restyle{}
	ast.Walk(style, node)
	if style.err != nil {
		return nil, style.err
	}
	out := strings.TrimRight(node.String(), "\n") + "\n"
	if err := sameYAML(v, []byte(out)); err != nil {
		return nil, err
	}
	return []byte(out), nil
}

// sameYAML encodes both v and what out decodes to as plain library output.
func sameYAML(v any, out []byte) error {
	want, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot encode YAML: %w", err)
	}
	var a, b any
	if err := yaml.Unmarshal(want, &a); err != nil {
		return fmt.Errorf("cannot read back YAML: %w", err)
	}
	if err := yaml.Unmarshal(out, &b); err != nil {
		return fmt.Errorf("cannot read back YAML: %w", err)
	}
	wantAgain, err1 := yaml.Marshal(a)
	gotAgain, err2 := yaml.Marshal(b)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("cannot read back YAML: %w", err)
	}
	if !bytes.Equal(wantAgain, gotAgain) {
		return errors.New("cannot encode YAML: reading it back gives other values")
	}
	return nil
}

// restyle chooses a quoting for every text of a tree.
type restyle struct{ err error }

func (r *restyle) Visit(n ast.Node) ast.Visitor {
	s, ok := n.(*ast.StringNode)
	if !ok {
		return r
	}
	value := s.Value
	// The encoder hands over quoted texts with their quotes as part of the value.
	if strings.HasPrefix(value, `"`) {
		raw, err := strconv.Unquote(value)
		if err != nil {
			r.err = fmt.Errorf("cannot encode YAML: %w", err)
			return nil
		}
		value = raw
	}
	if !utf8.ValidString(value) {
		r.err = errors.New("cannot encode YAML: a text is not UTF-8")
		return nil
	}
	s.Value = value
	if isPlain(value) || isLiteral(value) {
		s.Token.Type = token.StringType
	} else {
		s.Token.Type = token.DoubleQuoteType
	}
	return r
}

var (
	// rePlain is deliberately narrow: what is outside of it gets quotes.
	rePlain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./+=@()-]*( [A-Za-z0-9_./+=@()-]+)*$`)
	// reOldBool are the words that YAML 1.1 reads as truth values or nothing.
	reOldBool = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null|nan|inf)$`)
)

func isPlain(s string) bool {
	return rePlain.MatchString(s) && !reOldBool.MatchString(s)
}

// isLiteral says whether a literal block carries s unchanged through any reader:
// several lines, none that starts the block with space, nothing unprintable.
func isLiteral(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(s, "\n") || body == "" || strings.HasSuffix(body, "\n") {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if line != strings.TrimRight(line, " \t") {
			return false
		}
	}
	if body[0] == ' ' || body[0] == '\t' || body[0] == '\n' {
		return false
	}
	return strings.IndexFunc(body, func(r rune) bool {
		return r != '\n' && r != '\t' && !unicode.IsPrint(r)
	}) < 0
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
