package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestImports reads the imports of every package of the module.
func TestImports(t *testing.T) {
	module := strings.TrimSpace(golist(t, "-m"))
	lookAtSources(t, strings.TrimSpace(golist(t, "-m", "-f", "{{.Dir}}")))
	// -e: a package that does not compile still has imports to check.
	dec := json.NewDecoder(strings.NewReader(golist(t, "-e", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")))
	seen := 0
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		for _, v := range violations(module, p) {
			t.Error(v)
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

// lookAtSources has go test see what this test depends on: it knows of files that
// a test looks at, not of those that its programs read, and would take the answer of
// an earlier run.
func lookAtSources(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		_, err = os.Stat(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func golist(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

func TestRulesForbidWhatTheyShould(t *testing.T) {
	for from, to := range map[string]string{
		"artifact":           "reports",
		"cloudinit":          "artifact",
		"reports":            "harness/console",
		"reports/known":      "harness",
		"harness/disk":       "harness/machine",
		"harness/guest":      "harness/machine",
		"harness/keeper":     "harness/machine",
		"harness/machine":    "harness",
		"harness":            "cmd/assay",
		"harness/plan":       "harness/guest/guesttest",
		"suites/base":        "harness/machine",
		"suites/check":       "harness",
		"suites/containers":  "release",
		"release/tracker":    "harness",
		"release":            "suites/base",
		"release/engine":     "release/scenario",
		"fixtures/refimage":  "harness",
		"cmd/assay":          "fixtures/refimage",
		"somewhere/unlisted": "artifact",
	} {
		if v := violations("m", pkg{ImportPath: "m/" + from, Imports: []string{"fmt", "m/" + to}}); len(v) != 1 {
			t.Errorf("%s may import %s: %q", from, to, v)
		}
	}
	for from, to := range map[string]string{
		"reports":                 "artifact",
		"reports/known":           "reports",
		"harness":                 "harness/machine",
		"harness/machine":         "harness/network",
		"suites/base":             "suites/check",
		"suites/host":             "harness/guest",
		"harness/guest/guesttest": "harness/guest",
		"cmd/assay":               "release/tracker",
		"fixtures/registry":       "fixtures/containers",
		"release/tracker":         "release",
	} {
		if v := violations("m", pkg{ImportPath: "m/" + from, Imports: []string{"m/" + to}}); len(v) != 0 {
			t.Errorf("%s may not import %s: %q", from, to, v)
		}
	}
	test := pkg{ImportPath: "m/harness", TestImports: []string{"m/harness/guest/guesttest"}, XTestImports: []string{"m/cmd/assay"}}
	if v := violations("m", test); len(v) != 1 || !strings.Contains(v[0], "cmd/assay") {
		t.Errorf("tests: %q", v)
	}
}
