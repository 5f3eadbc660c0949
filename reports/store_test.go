package reports

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestWriteThenRead(t *testing.T) {
	for name, run := range samples() {
		dir := filepath.Join(t.TempDir(), "a", "b")
		if err := Write(dir, run); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{dir, filepath.Join(dir, ResultsFile)} {
			got, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, run) {
				t.Errorf("%s: what was read differs from what was written", name)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 4 {
			t.Errorf("%s: the folder holds %v, want four files", name, entries)
		}
	}
}

func TestWriteReplacesWholeFiles(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, sampleRejected()); err != nil {
		t.Fatal(err)
	}
	// A reader that has the old file open keeps it: the new one is another.
	old, err := os.Open(filepath.Join(dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := Write(dir, sampleUndecided()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(old); err != nil || !strings.Contains(b.String(), `"rejected"`) {
		t.Errorf("the old file changed under its reader: %v", err)
	}
	run, err := Read(dir)
	if err != nil || run.Verdict != Undecided {
		t.Errorf("Read = %v, %v", run, err)
	}
}

func TestWriteIntoAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, sampleAccepted()); err == nil || !strings.Contains(err.Error(), "results folder") {
		t.Errorf("Write = %v", err)
	}
}

// TestWriteRefusesAnUnearnedAcceptance: whoever fills in the verdict, cases
// that do not bear it out are not written down as accepted.
func TestWriteRefusesAnUnearnedAcceptance(t *testing.T) {
	run := sampleUndecided()
	run.Verdict = Accepted
	dir := t.TempDir()
	if err := Write(dir, run); err == nil || !strings.Contains(err.Error(), "by its cases the run is undecided") {
		t.Errorf("Write = %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it wrote %v", entries)
	}
	run = sampleAccepted()
	run.Verdict = Undecided // interrupted, say
	if err := Write(dir, run); err != nil {
		t.Errorf("a harsher verdict: %v", err)
	}
}

func TestWriteBoundsTexts(t *testing.T) {
	run := sampleRejected()
	c := find(run, "base/failed-units")
	c.Message, c.Details = strings.Repeat("m", 1<<20), strings.Repeat("d\n", 1<<20)
	c.Evidence[0].Excerpt = strings.Repeat("é", 1<<20)
	dir := t.TempDir()
	if err := Write(dir, run); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := find(got, "base/failed-units")
	if len(g.Message) > MessageLimit || len(g.Details) > DetailsLimit || len(g.Evidence[0].Excerpt) > ExcerptLimit {
		t.Errorf("%d, %d, %d bytes", len(g.Message), len(g.Details), len(g.Evidence[0].Excerpt))
	}
	if len(c.Message) != 1<<20 {
		t.Error("the caller's run was changed")
	}
}

func TestReadRefuses(t *testing.T) {
	var good bytes.Buffer
	if err := EncodeJSON(&good, sampleRejected()); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		s := strings.Replace(good.String(), old, new, 1)
		if s == good.String() {
			t.Fatalf("no %q to replace", old)
		}
		return s
	}
	for name, c := range map[string]struct{ in, want string }{
		"empty":            {"", "unexpected end"},
		"not JSON":         {"<html>", "line 1, column 1"},
		"array":            {"[]", "cannot unmarshal array"},
		"other JSON":       {`{"name": "x"}`, "no version"},
		"later":            {`{"version": 2, "verdict": {"new": "shape"}}`, "use a newer assay"},
		"version 0":        {replace(`"version": 1`, `"version": 0`), "version is 0"},
		"text version":     {`{"version": "1"}`, "line 1, column"},
		"cut off":          {good.String()[:good.Len()/2], "line "},
		"trailing":         {good.String() + "{}", "after top-level value"},
		"verdict":          {replace(`"verdict": "rejected"`, `"verdict": "maybe"`), `verdict is "maybe"`},
		"unearned verdict": {replace(`"verdict": "rejected"`, `"verdict": "accepted"`), "by its cases the run is rejected"},
		"outcome":          {replace(`"outcome": "failed"`, `"outcome": "fine"`), `suites[0].cases[1].outcome is "fine"`},
		"path":             {replace(`"guests/boot/console.log"`, `"../../etc/shadow"`), "inside the results folder"},
		"number for text":  {replace(`"accelerator": "tcg"`, `"accelerator": 7`), "line "},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "r.json")
			if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			var f *FormatError
			if !errors.As(err, &f) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Read = %v; want %q in it", err, c.want)
			}
			var v *VersionError
			if errors.As(err, &v) != (name == "later") {
				t.Errorf("VersionError: %v", err)
			}
		})
	}
}

func TestReadKeepsToRegularFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing path: %v", err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "holds no results.json") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := Read(os.DevNull); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a device: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, ResultsFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a folder named results.json was read")
	}
}

func TestReadBoundsSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(MaxResultsSize + 1); err != nil { // sparse: costs no disk
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("Read = %v", err)
	}
}

// TestReadIgnoresWhatItDoesNotKnow: a later minor addition is no obstacle.
func TestReadIgnoresWhatItDoesNotKnow(t *testing.T) {
	var b bytes.Buffer
	if err := EncodeJSON(&b, sampleAccepted()); err != nil {
		t.Fatal(err)
	}
	run, err := decode([]byte(strings.Replace(b.String(), `"version": 1,`, `"version": 1, "weather": {"rain": true},`, 1)))
	if err != nil || run.Verdict != Accepted {
		t.Errorf("decode = %v, %v", run, err)
	}
}

// FuzzDecode: whatever is taken for results can be rendered.
func FuzzDecode(f *testing.F) {
	for _, run := range samples() {
		var b bytes.Buffer
		if err := EncodeJSON(&b, run); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(`{"version":1,"verdict":"undecided","suites":[{"name":"a","cases":[{"id":"a/b","outcome":"failed","fault":"image","duration_ns":-5}]}],"timeline":[{"kind":"boot","start_ns":-9,"end_ns":-99}],"boots":[{"kind":"cold","kernel_ns":-1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := decode(data)
		if err != nil {
			return
		}
		var b bytes.Buffer
		for name, err := range map[string]error{"json": EncodeJSON(&b, run), "junit": EncodeJUnit(&b, run), "tap": EncodeTAP(&b, run),
			"page": EncodePage(&b, run), "summary": Summary(&b, run, true), "compare": Compare(run, run).Text(&b, true)} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
