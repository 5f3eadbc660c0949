package strictyaml

import (
	"errors"
	"strings"
	"testing"
	"time"
)

type doc struct {
	Name  string           `yaml:"name"`
	Count int              `yaml:"count"`
	Wait  time.Duration    `yaml:"wait"`
	Is    *bool            `yaml:"is"`
	Part  part             `yaml:"part"`
	Free  map[string][]int `yaml:"free"`
	List  []map[string]int `yaml:"list"`
	Tree  map[string]struct {
		Leaf string `yaml:"leaf"`
	} `yaml:"tree"`
}

type part struct {
	Inner `yaml:",inline"`
}

type Inner struct {
	Deep int `yaml:"deep"`
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
		{"nome: x", "", `d.yaml:1:1: unknown field "nome": did you mean "name"?`},
		{"other: x", "", `d.yaml:1:1: unknown field "other": want one of count, free, is, list, name, part, tree, wait`},
		{"name: x\ncount: two", "", `d.yaml:2:8: count: want a whole number, not "two"`},
		{"count: \"2\"", "", ""},
		{"wait: 5 minutes", "", `d.yaml:1:7: wait: want a duration with its unit, as 90s, 5m or 6h, not "5 minutes"`},
		{"wait: 5", "", `d.yaml:1:7: wait: want a duration with its unit`},
		{"wait: 1h30m", "", ""},
		{"is: perhaps", "", `d.yaml:1:5: is: want true or false, not "perhaps"`},
		{"name: [1]", "", `d.yaml:1:7: name: want a word, not a list`},
		{"name: {a: b}", "", `d.yaml:1:7: name: want a word, not keys and values`},
		{"part: {deep: x}", "", `d.yaml:1:14: part.deep: want a whole number`},
		{"list: x", "", `d.yaml:1:7: list: want a list, not "x"`},
		{"list: [{a: x}]", "", `d.yaml:1:12: list[0].a: want a whole number, not "x"`},
		{"free: {x: [1, y]}", "", `d.yaml:1:15: free.x[1]: want a whole number, not "y"`},
		{"tree: {oak: {leef: x}}", "", `d.yaml:1:14: unknown field "leef": did you mean "leaf"?`},
		{"tree: [x]", "", `d.yaml:1:7: tree: want keys and values, not a list`},
		{"- x", "", `d.yaml:1:1: want keys and values, not a list`},
		{"name: x\nname: y", "", "d.yaml:2:1: "},
		{"name: [", "", "d.yaml:1:"},
		{"name: [1]", "", "d.yaml:1:7: "},
		{"", "", "d.yaml: it is empty"},
		{"# nothing", "", "d.yaml: it is empty"},
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
