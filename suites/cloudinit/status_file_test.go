package cloudinit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// samples is where outputs of real systems are kept, and a skip without it.
func samples(t testing.TB, folder string) []string {
	t.Helper()
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	files, err := filepath.Glob(filepath.Join(root, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skipf("0 samples in %s of ASSAY_SAMPLES", folder)
	}
	return files
}

func TestParseAccountOfRealSystems(t *testing.T) {
	wanted := map[string]string{
		"unittest-on_errors.json": "error", "unittest-running_long_format.json": "running",
		"unittest-running_json_format.json": "running", "doc-status-20240221-l37.json": "not started", "unittest-running_json_format_with_errors.json": "error",
	}
	for _, folder := range []string{"cloud-init/run-status-json", "cloud-init/status-json"} {
		for _, f := range samples(t, folder) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			a, err := parseAccount(string(b))
			want := wanted[filepath.Base(f)]
			if want == "" {
				want = "done"
			}
			if err != nil || a.Status != want {
				t.Errorf("%s: %+v, %v; want %s", filepath.Base(f), a, err, want)
			}
			if strings.Contains(f, "degraded") && len(a.Warnings) != 1 {
				t.Errorf("%s: warnings %q", filepath.Base(f), a.Warnings)
			}
		}
	}
}

func FuzzParseAccount(f *testing.F) {
	f.Add(`{"v1":{"stage":null,"init":{"errors":["x"],"start":1.5,"finished":null}}}`)
	f.Add(`{"init":{"errors":null,"recoverable_errors":{"WARNING":["w"]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAccount(text)
		if err == nil && a.Status == "" {
			t.Errorf("an account without a status from %q", text)
		}
	})
}
