package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func junitOf(t *testing.T, run *Run) junitRoot {
	t.Helper()
	var b bytes.Buffer
	if err := EncodeJUnit(&b, run); err != nil {
		t.Fatal(err)
	}
	var root junitRoot
	if err := xml.Unmarshal(b.Bytes(), &root); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	return root
}

// TestRedExactlyWhenNotAccepted: the two formats that other programs read
// agree with the verdict, whatever is in the run.
func TestRedExactlyWhenNotAccepted(t *testing.T) {
	pass := blocking("a/pass", Passed, "")
	for name, suites := range map[string][]Suite{
		"accepted":         {suite("a", pass)},
		"advisory failure": {suite("a", pass, advisory("a/b", Failed, FaultImage), advisory("a/c", Errored, FaultInfra))},
		"known failure":    {suite("a", pass, knownCase("a/b", "https://t/1"))},
		"failure":          {suite("a", pass, blocking("a/b", Failed, FaultImage))},
		"error":            {suite("a", pass, blocking("a/b", Errored, FaultInfra))},
		"all skipped":      {suite("a", blocking("a/b", Skipped, ""))},
		"nothing ran":      {suite("a")},
		"nothing":          nil,
		"only known":       {suite("a", knownCase("a/b", "https://t/1"))},
	} {
		run := &Run{Suites: suites}
		run.Conclude()
		j := junitOf(t, run)
		if red := j.Failures+j.Errors > 0; red != (run.Verdict != Accepted) {
			t.Errorf("%s is %s: JUnit has %d failures and %d errors", name, run.Verdict, j.Failures, j.Errors)
		}
		var b bytes.Buffer
		if err := EncodeTAP(&b, run); err != nil {
			t.Fatal(err)
		}
		red := false
		for l := range strings.Lines(b.String()) {
			red = red || strings.HasPrefix(l, "not ok") && !strings.Contains(l, " # TODO")
		}
		if red != (run.Verdict != Accepted) {
			t.Errorf("%s is %s: TAP says otherwise:\n%s", name, run.Verdict, b.String())
		}
	}
}

func TestJUnitSums(t *testing.T) {
	for name, run := range samples() {
		j := junitOf(t, run)
		var tests, failures, errs, skipped int
		for _, s := range j.Suites {
			if s.Tests != len(s.Cases) {
				t.Errorf("%s/%s: %d tests and %d cases", name, s.Name, s.Tests, len(s.Cases))
			}
			for _, c := range s.Cases {
				tests++
				switch {
				case c.Failure != nil:
					failures++
				case c.Error != nil:
					errs++
				case c.Skipped != nil:
					skipped++
				}
			}
		}
		if tests != j.Tests || failures != j.Failures || errs != j.Errors || skipped != j.Skipped {
			t.Errorf("%s: the sums are %+v, the cases %d, %d, %d, %d", name, j.junitSums, tests, failures, errs, skipped)
		}
	}
	j := junitOf(t, sampleRejected())
	c := j.Suites[0].Cases[1]
	if c.Name != "base/failed-units" || c.Class != "base" || c.Failure == nil || c.Failure.Type != "image" ||
		!strings.Contains(c.Failure.Text, "2 units have failed") || c.Out == nil || !strings.Contains(c.Out.Text, "guests/fork-1/journal/chronyd.txt\n") {
		t.Errorf("the case is %+v", c)
	}
}

func TestJUnitCleansText(t *testing.T) {
	c := blocking("a/b", Failed, FaultImage)
	c.Message = "a\x00b\x1b[31mc\ufffe ]]> <x>&amp;"
	c.Details = "]]>\x01\r\nend"
	run := &Run{Suites: []Suite{suite("a", c)}}
	run.Conclude()
	f := junitOf(t, run).Suites[0].Cases[0].Failure
	if f.Message != `a\x00bc⟨U+FFFE⟩ ]]> <x>&amp;` || !strings.HasSuffix(f.Text, "]]>\\x01\nend") {
		t.Errorf("failure is %+v", f)
	}
}

// TestSampleJUnitShapes: what other programs write and read has the elements
// that we write; ours is read by the same reader as theirs.
func TestSampleJUnitShapes(t *testing.T) {
	files := sampleFiles(t, "reports/junit", ".xml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var root junitRoot
		if err := xml.Unmarshal(data, &root); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		if len(root.Suites) == 0 || len(root.Suites[0].Cases) == 0 || root.Suites[0].Cases[0].Name == "" {
			t.Errorf("%s: nothing in it was recognised", filepath.Base(file))
		}
	}
}

// sampleFiles lists the samples in a folder whose names end in ext, and skips
// the test when the samples are not there.
func sampleFiles(t *testing.T, folder, ext string) []string {
	t.Helper()
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "samples")
	}
	var files []string
	err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ext) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Skipf("0 samples in %s: set ASSAY_SAMPLES", filepath.Join(root, folder))
	}
	t.Logf("%d samples", len(files))
	return files
}

func TestTAP(t *testing.T) {
	c := blocking("a/b", Failed, FaultImage)
	c.Message, c.Details = "50 # 100\nlines", "one\n...\nnot ok 7\n"
	s := blocking("a/s", Skipped, "")
	s.Message = `no #docker \ here`
	run := &Run{Tool: Tool{"assay", "1"}, Image: Image{Name: "i"}, Suites: []Suite{{Name: "a", Criterion: "S0", Title: "t",
		Cases: []Case{blocking("a/a", Passed, ""), c, s, knownCase("a/k", "https://t/#1")}}}}
	run.Conclude()
	var b bytes.Buffer
	if err := EncodeTAP(&b, run); err != nil {
		t.Fatal(err)
	}
	want := `TAP version 14
# assay 1
# image i
# rejected: a/b failed: 50 # 100 lines
1..4
# S0 a: t
ok 1 - a/a
not ok 2 - a/b
  ---
  message: "50 # 100 lines"
  outcome: "failed"
  fault: "image"
  blocking: true
  duration_ms: 0
  details: "one\n...\nnot ok 7\n"
  ...
ok 3 - a/s # SKIP no \#docker \\ here
not ok 4 - a/k # TODO https://t/\#1
  ---
  message: "because"
  outcome: "failed"
  fault: "image"
  blocking: true
  duration_ms: 0
  tracker: "https://t/#1"
  expires: "2099-01-01"
  ...
`
	if got := b.String(); strings.ReplaceAll(got, "image i \n", "image i\n") != want {
		t.Errorf("TAP is\n%s\nwant\n%s", got, want)
	}
}

// TestTAPPlan: as many points as planned, numbered from one.
func TestTAPPlan(t *testing.T) {
	for name, run := range samples() {
		var b bytes.Buffer
		if err := EncodeTAP(&b, run); err != nil {
			t.Fatal(err)
		}
		n, planned := 0, 0
		for l := range strings.Lines(b.String()) {
			var got int
			if _, err := fmt.Sscanf(l, "1..%d", &planned); err == nil {
				continue
			}
			if _, err := fmt.Sscanf(strings.TrimPrefix(l, "not "), "ok %d - ", &got); err == nil {
				if n++; got != n {
					t.Errorf("%s: point %d is numbered %d", name, n, got)
				}
			}
		}
		if n == 0 || n != planned {
			t.Errorf("%s: %d points, %d planned", name, n, planned)
		}
	}
}
