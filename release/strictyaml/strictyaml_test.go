package strictyaml

import (
	"errors"
	"strings"
	"testing"
)

type doc struct {
	Name string           `yaml:"name"`
	List []map[string]int `yaml:"list"`
	Tree map[string]struct {
		Leaf string `yaml:"leaf"`
	} `yaml:"tree"`
}

const good = `name: x
list:
  - {a: 1}
  - {b: 2}
tree:
  oak: {leaf: green}
`

func TestFaultsHaveAPlace(t *testing.T) {
	for _, c := range []struct{ text, at, says string }{
		{good, "", ""},
		{good, "$.name", "d.yaml:1:7: name: no; not at all"},
		{good, "$.list[1].b", "d.yaml:4:9: list[1].b: "},
		{good, "$.list[1].c", "d.yaml:4:"},
		{good, "$.list[7]", "d.yaml:3:"},
		{good, "$.tree.oak.leaf", "d.yaml:6:15: tree.oak.leaf: "},
		{good, "$.tree.elm.leaf", "d.yaml:6:"},
		{good, "$.none", "d.yaml:1:"},
		{good, "$", "d.yaml:1:"},
		{good, "$.odd name", "d.yaml:1:"},
		{"nome: x", "", `d.yaml:1:1: unknown field "nome"`},
		{"name: x\nname: y", "", "d.yaml:2:1: "},
		{"name: [", "", "d.yaml:1:"},
		{"name: [1]", "", "d.yaml:1:7: "},
		{"", "", "d.yaml: "},
		{"# nothing", "", "d.yaml: "},
		{"a: b\n---\nc: d\n", "", "d.yaml: want one YAML document, and there are 2"},
		{strings.Repeat("#", 2000), "", "d.yaml: 2000 bytes are more than the 1000 it may have"},
	} {
		r := Read("d.yaml", []byte(c.text), 1000, &doc{})
		if r.Err() == nil && c.at != "" {
			r.Check(c.at, nil)
			r.Check(c.at, errors.New("no\nnot at all"))
			r.Fail("$", "only the first counts")
		}
		err := r.Err()
		if (err == nil) != (c.says == "") || err != nil && (!strings.HasPrefix(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "the first")) {
			t.Errorf("%.30q at %s: %v, want %s", c.text, c.at, err, c.says)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(good, "$.list[1].b")
	f.Add("!!binary x", "$")
	f.Fuzz(func(_ *testing.T, text, at string) {
		if r := Read("d", []byte(text), 1<<16, &doc{}); r.Err() == nil && strings.HasPrefix(at, "$") {
			r.Fail(at, "x")
		}
	})
}
