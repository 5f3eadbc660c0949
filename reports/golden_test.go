package reports

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the goldens anew")

// TestGoldens holds every rendering of the sample runs against its golden;
// with -update it writes them, to be looked at in a browser before they are
// committed.
func TestGoldens(t *testing.T) {
	for name, run := range samples() {
		t.Run(name, func(t *testing.T) {
			golden := filepath.Join("testdata", name)
			dir := golden
			if !*update {
				dir = t.TempDir()
			}
			if err := Write(dir, run); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{ResultsFile, JUnitFile, TAPFile, PageFile} {
				got, err := os.ReadFile(filepath.Join(dir, f))
				if err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(filepath.Join(golden, f))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s differs from its golden at byte %d; look at it and run with -update", f, differs(got, want))
				}
			}
			run.Dir = "results"
			var b bytes.Buffer
			if err := Summary(&b, run, false); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(golden, "summary.txt")
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("the summary differs from its golden at byte %d", differs(b.Bytes(), want))
			}
		})
	}
}

func differs(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
