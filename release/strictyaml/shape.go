package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// shape compares a node with the type that it is to become, so that the first
// complaint is about YAML's words and not Go's: the YAML package names Go types, and
// for some faults no place. What it does not know it lets pass: the decoder has
// the last word.
func (r *Reader) shape(at string, n ast.Node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want := func(what string) { r.complain(at, n, "want %s, not %s", what, shown(n)) }
	switch v := n.(type) {
	case *ast.NullNode, *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		return
	case *ast.MappingNode:
		r.mapping(at, n, v.Values, t)
		return
	case *ast.MappingValueNode:
		r.mapping(at, n, []*ast.MappingValueNode{v}, t)
		return
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			want(kindOf(t))
			return
		}
		for i, x := range v.Values {
			r.shape(fmt.Sprintf("%s[%d]", at, i), x, t.Elem())
		}
		return
	}
	word, isWord := n.(*ast.StringNode)
	switch _, isInt := n.(*ast.IntegerNode); {
	case t == reflect.TypeFor[time.Duration]():
		text := n.GetToken().Value
		if _, err := time.ParseDuration(text); err != nil {
			r.complain(at, n, "want a duration with its unit, as 90s, 5m or 6h, not %s", shown(n))
		}
	case t.Kind() == reflect.Struct || t.Kind() == reflect.Map || t.Kind() == reflect.Slice:
		want(kindOf(t))
	case t.Kind() == reflect.Bool && n.Type() != ast.BoolType:
		want(kindOf(t))
	case (t.Kind() == reflect.Int || t.Kind() == reflect.Int64) && !isInt:
		if isWord && isNumber(word.Value) {
			return // in quotes, which the decoder takes
		}
		want(kindOf(t))
	}
}

func (r *Reader) mapping(at string, n ast.Node, values []*ast.MappingValueNode, t reflect.Type) {
	switch t.Kind() {
	case reflect.Map:
		for _, v := range values {
			r.shape(at+"."+v.Key.GetToken().Value, v.Value, t.Elem())
		}
	case reflect.Struct:
		known := fields(t)
		for _, v := range values {
			key := v.Key.GetToken().Value
			if v.Key.IsMergeKey() {
				continue
			}
			field, ok := known[key]
			if !ok {
				names := make([]string, 0, len(known))
				for k := range known {
					names = append(names, k)
				}
				r.complain("", v.Key, "unknown field %q%s", key, nearest(key, names))
				continue
			}
			r.shape(at+"."+key, v.Value, field)
		}
	default:
		r.complain(at, n, "want %s, not keys and values", kindOf(t))
	}
}

// complain is Fail at a node.
func (r *Reader) complain(at string, n ast.Node, format string, args ...any) {
	if r.err != nil {
		return
	}
	text := line(fmt.Sprintf(format, args...))
	if key := strings.TrimPrefix(strings.TrimPrefix(at, "$"), "."); key != "" {
		text = key + ": " + text
	}
	pos := n.GetToken().Position
	r.err = fmt.Errorf("%s:%d:%d: %s", r.name, pos.Line, pos.Column, text)
}

// fields are what a struct calls its fields in YAML, those that are inline among
// them.
func fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case slices.Contains(strings.Split(options, ","), "inline"):
			for k, v := range fields(f.Type) {
				out[k] = v
			}
		case name != "-" && f.IsExported():
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			out[name] = f.Type
		}
	}
	return out
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "keys and values"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	}
	return "a word"
}

// shown is a node in a complaint, short.
func shown(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	}
	return fmt.Sprintf("%.60q", n.GetToken().Value)
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(strings.TrimPrefix(s, "-"), "0123456789") == ""
}

// nearest suggests the name that was probably meant, or lists them where they are
// few.
func nearest(key string, names []string) string {
	slices.Sort(names)
	best, at := "", 3
	for _, n := range names {
		if d := distance(key, n); d < at && d < len(n) {
			best, at = n, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf(": did you mean %q?", best)
	case len(names) <= 20:
		return ": want one of " + strings.Join(names, ", ")
	}
	return ""
}

// distance is how many letters have to be added, taken away or changed.
func distance(a, b string) int {
	if len(a) > 50 || len(b) > 50 {
		return 50 // a name is shorter
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
