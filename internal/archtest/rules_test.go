package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestImports reads the imports of every package of the module.
func TestImports(t *testing.T) {
	module := strings.TrimSpace(golist(t, "-m"))
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
