package usercheck

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/suites/check"
)

func TestFind(t *testing.T) {
	dir := folder(t, map[string]string{
		"plain.sh*": script(),
		"full.py*": "#!/usr/bin/python3\n## assay:\n##   name: answers\n##   title: the web server answers\n##   criterion: S4\n" +
			"##   blocking: false\n##   state: upgraded\n##   exclusive: false\n##   user: ordinary\n##   limit: 90s\n##   labels: [web, slow]\n" +
			"##   needs:\n##     packages: [nginx]\n##     commands: [curl]\n##     files: [/etc/nginx/nginx.conf]\n##     trees: true\n##     memory: 1024\n##\n## more words\n",
		"slashes*":      "// assay:\n//   title: a line of Go\n",
		"program*":      "\x7fELF\x00\x01",
		"program.assay": "title: a compiled program\n",
		"README.md":     "no check\n", "lib.sh": "no check\n", ".hidden*": "no check\n",
		"data/common": "x", "full.d/own": "y", "other/file": "z",
	})
	got, err := Find([]string{dir, dir + "/."}) // one folder, named twice
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range got {
		ids = append(ids, string(c.ID()))
	}
	if want := "user/plain user/program user/slashes user-s4/answers"; strings.Join(ids, " ") != want {
		t.Fatalf("found %q, want %s", ids, want)
	}
	if want := (Check{Folder: dir, File: "plain.sh", Name: "plain", Title: "the thing works", State: check.Booted, Limit: 5 * time.Minute}); !reflect.DeepEqual(got[0], want) {
		t.Errorf("%+v, want %+v", got[0], want)
	}
	if want := (Check{Folder: dir, File: "full.py", Name: "answers", Title: "the web server answers", Criterion: "S4", Advisory: true,
		State: check.Upgraded, Limit: 90 * time.Second, Labels: []string{"web", "slow"}, Shared: true, User: "ordinary",
		Needs: Needs{Packages: []string{"nginx"}, Commands: []string{"curl"}, Files: []string{"/etc/nginx/nginx.conf"}, Trees: true, Memory: 1024}}); !reflect.DeepEqual(got[3], want) {
		t.Errorf("%+v, want %+v", got[3], want)
	}
	r := got[3].Registered("")
	if r.ID() != "user-s4/answers" || r.Suite.Criterion != "S4" || !r.Advisory || r.Isolated || r.State != check.Upgraded || !r.NeedsTrees || r.Limit <= 90*time.Second {
		t.Errorf("registered as %+v", r)
	}
	if r := got[0].Registered(""); r.Suite.Criterion != "user" || r.Advisory || !r.Isolated {
		t.Errorf("registered as %+v", r)
	}
	if !IsOwn("user/plain") || !IsOwn("user-s4/answers") || IsOwn("base/reboot") || IsOwn("users/x") {
		t.Error("own checks are not told from ours")
	}
}

func TestFindRefuses(t *testing.T) {
	long := strings.Repeat("#   # words\n", 2000)
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"nothing":           {map[string]string{"README.md": "x"}, "holds no check"},
		"no header":         {map[string]string{"a.sh*": "#!/bin/sh\ntrue\n"}, "a.sh: it has no header"},
		"not executable":    {map[string]string{"a.sh": script()}, "chmod +x"},
		"unknown key":       {map[string]string{"a.sh*": script("tittle: x")}, `line 4: unknown field "tittle"`},
		"no YAML":           {map[string]string{"a.sh*": script("labels: [a")}, "a.sh: line 4: "},
		"a key twice":       {map[string]string{"a.sh*": script("user: root", "user: root")}, "line 5: "},
		"not a list":        {map[string]string{"a.sh*": script("labels: {a: b}")}, "a.sh: line 4"},
		"not indented":      {map[string]string{"a.sh*": "#!/bin/sh\n# assay:\n# title: x\n"}, "header in line 2 is empty"},
		"no title":          {map[string]string{"a.sh*": "# assay:\n#   name: a\n"}, "no title"},
		"long title":        {map[string]string{"a.sh*": script() + "", "b.sh*": "# assay:\n#   title: " + strings.Repeat("x", 300) + "\n"}, "at most 200"},
		"steering title":    {map[string]string{"a.sh*": "# assay:\n#   title: \"a\\e[31m\"\n"}, "can be shown"},
		"turned title":      {map[string]string{"a.sh*": "# assay:\n#   title: \"a\\u202eb\"\n"}, "can be shown"},
		"steering name":     {map[string]string{"a\x1b[31m.sh*": "true\n"}, `a\x1b[31m.sh"`},
		"endless":           {map[string]string{"a.sh*": "# assay:\n#   title: x\n" + long}, "does not end within"},
		"escapes":           {map[string]string{"a.sh*": script("name: ../../etc/x")}, `"../../etc/x" is not of the form`},
		"absolute":          {map[string]string{"a.sh*": script("name: /x")}, `"/x" is not of the form`},
		"upper case":        {map[string]string{"Check.sh*": script()}, "give it one with the key name"},
		"odd file":          {map[string]string{"a b.sh*": script("name: a")}, "the name of the file"},
		"criterion":         {map[string]string{"a.sh*": script("criterion: S 4")}, "criterion"},
		"state":             {map[string]string{"a.sh*": script("state: rebooted")}, `state is "rebooted"`},
		"user":              {map[string]string{"a.sh*": script("user: -x")}, "no user name"},
		"limit":             {map[string]string{"a.sh*": script("limit: soon")}, `"soon" is no time`},
		"long limit":        {map[string]string{"a.sh*": script("limit: 24h")}, "not between"},
		"memory":            {map[string]string{"a.sh*": script("needs: {memory: -1}")}, "-1 MiB"},
		"package":           {map[string]string{"a.sh*": script("needs: {packages: [--all]}")}, `"--all" in its list needs.packages`},
		"command":           {map[string]string{"a.sh*": script("needs: {commands: ['a;b']}")}, `"a;b"`},
		"file":              {map[string]string{"a.sh*": script("needs: {files: [etc/x]}")}, `"etc/x"`},
		"label":             {map[string]string{"a.sh*": script("labels: ['!slow']")}, `"!slow"`},
		"many":              {map[string]string{"a.sh*": script("labels: [" + strings.Repeat("a,", 60) + "a]")}, "more than 50"},
		"two of one name":   {map[string]string{"a.sh*": script("name: x"), "b.sh*": script("name: x")}, "both named user/x"},
		"too large":         {map[string]string{"a.sh*": script(), "a.d/big": strings.Repeat("x", sizeLimit)}, "too large"},
		"two headers":       {map[string]string{"a.sh*": script(), "a.sh.assay": "title: x\n"}, "two headers"},
		"header of nothing": {map[string]string{"a.sh*": script(), "b.assay": "title: x\n"}, "it is the header of b"},
		"large header":      {map[string]string{"b*": "\x7fELF", "b.assay": strings.Repeat("# x\n", 5000)}, "larger than"},
		"data of nothing":   {map[string]string{"a.sh*": script(), "b.d/": ""}, "no check here"},
		"not a header file": {map[string]string{"a*": script(), "a.assay/": ""}, "a.assay: it is no ordinary file"},
	} {
		_, err := Find([]string{folder(t, c.files)})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestFindRefusesFiles is for what only a file system can hold.
func TestFindRefusesFiles(t *testing.T) {
	outside := folder(t, map[string]string{"a.sh*": script(), "secret": "x"})
	for name, c := range map[string]struct {
		make func(dir string) error
		says string
	}{
		"a link out":      {func(d string) error { return os.Symlink(filepath.Join(outside, "a.sh"), filepath.Join(d, "b.sh")) }, "escapes"},
		"a link nowhere":  {func(d string) error { return os.Symlink("gone", filepath.Join(d, "b.sh")) }, "no such file"},
		"a pipe":          {func(d string) error { return syscall.Mkfifo(filepath.Join(d, "b.sh"), 0o755) }, "no ordinary file"},
		"data links out":  {func(d string) error { return os.Symlink(outside, filepath.Join(d, "data")) }, "escapes"},
		"a link in data":  {func(d string) error { return link(d, filepath.Join(outside, "secret")) }, "neither a file nor a folder"},
		"many data files": {manyFiles, "more than 1000"},
		"two folders":     {func(string) error { return nil }, "both named user/a"},
		"no folder":       {func(d string) error { return os.RemoveAll(d) }, "cannot read the folder"},
		"a file":          {func(d string) error { return errors.Join(os.RemoveAll(d), os.WriteFile(d, nil, 0o644)) }, "cannot read the folder"},
	} {
		dir := folder(t, map[string]string{"a.sh*": script()})
		if err := c.make(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Find([]string{dir, outside}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func link(dir, to string) error {
	return errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o755), os.Symlink(to, filepath.Join(dir, "data", "l")))
}

func manyFiles(dir string) error {
	err := os.Mkdir(filepath.Join(dir, "a.d"), 0o755)
	for n := range filesLimit + 1 {
		err = errors.Join(err, os.Mkdir(filepath.Join(dir, "a.d", strings.Repeat("x", n%99+1)+string(rune('a'+n/99))), 0o755))
	}
	return err
}

// FuzzHeader wants an error or a header that can be carried out, never a panic.
func FuzzHeader(f *testing.F) {
	f.Add(script("name: x", "needs: {packages: [a]}"))
	f.Add("// assay:\n//  title: &a x\n//  labels: [*a, *a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		body, line, err := headerText([]byte(text))
		if err != nil {
			return
		}
		h, err := parseHeader(body, line)
		if err != nil {
			return
		}
		c := Check{Name: "x"}
		if h.apply(&c) == nil && (c.valid() != nil || len(c.Labels) > listLimit) {
			t.Errorf("%+v", c)
		}
	})
}
