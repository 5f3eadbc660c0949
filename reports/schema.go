package reports

import _ "embed"

//go:embed results.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of results.json. A test holds it
// and the types together.
func Schema() []byte { return append([]byte(nil), schema...) }
