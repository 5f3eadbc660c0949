package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("results.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("results.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validates(t *testing.T, s *jsonschema.Schema, run *Run) error {
	t.Helper()
	var b bytes.Buffer
	if err := EncodeJSON(&b, run); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestWrittenResultsMatchTheSchema(t *testing.T) {
	s := compiled(t)
	for name, run := range samples() {
		if err := validates(t, s, run); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := validates(t, s, &Run{Version: 1, Verdict: Undecided}); err != nil {
		t.Errorf("an empty run: %v", err)
	}
}

// TestSchemaAndValidateAgree: what one refuses, so does the other.
func TestSchemaAndValidateAgree(t *testing.T) {
	s := compiled(t)
	for name, spoil := range map[string]func(*Run){
		"verdict":         func(r *Run) { r.Verdict = "good" },
		"outcome":         func(r *Run) { r.Suites[0].Cases[0].Outcome = "ok" },
		"fault":           func(r *Run) { r.Suites[0].Cases[1].Fault = "vendor" },
		"id":              func(r *Run) { r.Suites[0].Cases[0].ID = "Base/x" },
		"id without /":    func(r *Run) { r.Suites[0].Cases[0].ID = "base" },
		"suite name":      func(r *Run) { r.Suites[0].Name = "" },
		"version":         func(r *Run) { r.Version = 2 },
		"version 0":       func(r *Run) { r.Version = 0 },
		"evidence kind":   func(r *Run) { r.Suites[0].Cases[0].Evidence = []Evidence{{Kind: "film"}} },
		"absolute path":   func(r *Run) { r.Suites[0].Cases[0].Evidence = []Evidence{{Kind: "file", Path: "/etc/passwd"}} },
		"path out":        func(r *Run) { r.Suites[0].Cases[0].Evidence = []Evidence{{Kind: "file", Path: "a/../../b"}} },
		"backslash":       func(r *Run) { r.Suites[0].Cases[0].Evidence = []Evidence{{Kind: "file", Path: `a\b`}} },
		"span kind":       func(r *Run) { r.Timeline[0].Kind = "nap" },
		"boot kind":       func(r *Run) { r.Boots[0].Kind = "lukewarm" },
		"attempt outcome": func(r *Run) { r.Suites[0].Cases[0].Attempts = []Attempt{{Outcome: "?"}} },
		"tracker":         func(r *Run) { r.Suites[0].Cases[0].Known = &Known{Expires: "2026-01-01"} },
		"expiry":          func(r *Run) { r.Suites[0].Cases[0].Known = &Known{Tracker: "https://t", Expires: "soon"} },
	} {
		run := sampleRejected()
		if err := run.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(run)
		if run.Validate() == nil {
			t.Errorf("%s: Validate takes it", name)
		}
		if validates(t, s, run) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
		if err := Write(t.TempDir(), run); err == nil {
			t.Errorf("%s: Write takes it", name)
		}
	}
	for _, path := range []string{"a", "a/b.txt", ".hidden", "..a/b", "...", "a b/ü:#?%.txt"} {
		run := sampleRejected()
		run.Suites[0].Cases[0].Evidence = []Evidence{{Kind: "file", Path: path}}
		if err := run.Validate(); err != nil {
			t.Errorf("Validate refuses the path %q: %v", path, err)
		}
		if err := validates(t, s, run); err != nil {
			t.Errorf("the schema refuses the path %q: %v", path, err)
		}
	}
}

// TestSchemaCoversTheTypes walks the Go types and the schema side by side, so
// that a field in one only is noticed.
func TestSchemaCoversTheTypes(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	w := walker{t: t, defs: root["$defs"].(map[string]any), used: map[string]bool{}}
	w.object("results", reflect.TypeFor[Run](), root)
	for name := range w.defs {
		if !w.used[name] {
			t.Errorf("$defs/%s is used by no type", name)
		}
	}
	if w.fields < 90 {
		t.Errorf("only %d fields were compared", w.fields)
	}
}

type walker struct {
	t      *testing.T
	defs   map[string]any
	used   map[string]bool
	fields int
}

func (w *walker) object(at string, typ reflect.Type, schema map[string]any) {
	props, _ := schema["properties"].(map[string]any)
	var required []string
	for _, r := range schema["required"].([]any) {
		required = append(required, r.(string))
	}
	left := map[string]bool{}
	for name := range props {
		left[name] = true
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" {
			w.t.Errorf("%s.%s has no JSON name", typ, f.Name)
			continue
		}
		w.fields++
		delete(left, name)
		p, ok := props[name].(map[string]any)
		if !ok {
			w.t.Errorf("%s.%s: the schema lacks it", at, name)
			continue
		}
		if slices.Contains(required, name) == strings.Contains(rest, "omitempty") {
			w.t.Errorf("%s.%s: required in the schema and omitempty in the type, or neither", at, name)
		}
		w.value(at+"."+name, f.Type, p)
	}
	for name := range left {
		w.t.Errorf("%s.%s: no field of %s has that name", at, name, typ)
	}
}

var words = map[reflect.Type][]string{
	reflect.TypeFor[Outcome](): wordsOf(Outcomes), reflect.TypeFor[Fault](): wordsOf(Faults), reflect.TypeFor[Verdict](): wordsOf(Verdicts),
}

var kinds = map[string][]string{"evidence.kind": EvidenceKinds, "timeline.kind": SpanKinds, "boots.kind": BootKinds}

func wordsOf[T ~string](list []T) (out []string) {
	for _, w := range list {
		out = append(out, string(w))
	}
	return out
}

func (w *walker) value(at string, typ reflect.Type, schema map[string]any) {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/$defs/")
		w.used[name] = true
		def, ok := w.defs[name].(map[string]any)
		if !ok {
			w.t.Errorf("%s: no %s", at, ref)
			return
		}
		schema = def
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	list, isKind := words[typ]
	for suffix, k := range kinds {
		if strings.HasSuffix(strings.ReplaceAll(at, "[]", ""), suffix) {
			list, isKind = k, true
		}
	}
	if isKind {
		var enum []string
		for _, e := range schema["enum"].([]any) {
			enum = append(enum, e.(string))
		}
		if !slices.Equal(enum, list) {
			w.t.Errorf("%s: the schema has %q, the type %q", at, enum, list)
		}
		return
	}
	want := ""
	switch {
	case typ == reflect.TypeFor[time.Time]():
		want = "string"
		if schema["format"] != "date-time" {
			w.t.Errorf("%s: format is %v", at, schema["format"])
		}
	case typ.Kind() == reflect.Struct:
		want = "object"
		w.object(at, typ, schema)
	case typ.Kind() == reflect.Slice:
		want = "array"
		w.value(at+"[]", typ.Elem(), schema["items"].(map[string]any))
	case typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	case typ.Kind() == reflect.Float64:
		want = "number"
	case typ.Kind() == reflect.Int || typ.Kind() == reflect.Int64:
		want = "integer"
	default:
		w.t.Errorf("%s: the test knows nothing of %s", at, typ)
	}
	if got := fmt.Sprint(schema["type"]); got != want {
		w.t.Errorf("%s: the schema has type %s, want %s", at, got, want)
	}
}
