package release

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// EventSchema is the JSON Schema (draft 2020-12) of one event, made from the Go
// types, so that the two cannot drift apart. Unknown fields are allowed
// everywhere, unknown types and versions are not. What the types cannot say
// (digests, build numbers, bounds) Validate says.
func EventSchema() []byte {
	defs := map[string]any{}
	var kinds []any
	for _, t := range slices.Sorted(maps.Keys(vocabulary)) {
		v := vocabulary[t]
		data := schemaOf(reflect.TypeOf(v.make()).Elem())
		data["description"] = v.tells
		defs[string(t)] = data
		need := []any{"type", "version", "data"}
		if v.perStream {
			need = append(need, "stream")
		}
		kinds = append(kinds, map[string]any{"required": need, "properties": map[string]any{
			"type": map[string]any{"const": t}, "version": map[string]any{"const": v.version},
			"data": map[string]any{"$ref": "#/$defs/" + string(t)},
		}})
	}
	head := schemaOf(reflect.TypeFor[envelope]())
	props := head["properties"].(map[string]any)
	delete(props, "data")
	raw, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "An event of Assay's release history",
		"type": "object", "required": []string{"seq", "id", "type", "version", "time", "actor", "data"},
		"properties": props, "oneOf": kinds, "$defs": defs,
	}, "", "  ")
	if err != nil {
		panic(err) // it is made of strings and maps
	}
	return append(raw, '\n')
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Struct:
		props, required := map[string]any{}, []string{}
		fields(t, props, &required)
		return map[string]any{"type": "object", "properties": props, "required": required}
	}
	return map[string]any{"type": "integer"}
}

func fields(t reflect.Type, props map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			fields(f.Type, props, required)
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		props[name] = schemaOf(f.Type)
		if opts == "" {
			*required = append(*required, name)
		}
	}
}
