package known

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"assay/artifact"
	"assay/reports"
)

const good = `# what we know of
- check: containers/*
  tracker: https://bugs.example/812
  reason: |
    the registry's certificate is
    from tomorrow
  expires: 2026-08-31
  scope:
    arch: x86_64
    version: [43.*, 44]
- {check: base/failed-units, tracker: "http://bugs.example/7", expires: "2027-01-01"}
- check: storage/driver
  tracker: https://bugs.example/9
  expires: 2026-01-01
`

func day(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParse(t *testing.T) {
	l, err := Parse("known.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Entries) != 3 {
		t.Fatalf("%d entries, want 3", len(l.Entries))
	}
	e := l.Entries[0]
	if e.Check != "containers/*" || e.Tracker != "https://bugs.example/812" || e.Line != 2 ||
		e.Reason != "the registry's certificate is\nfrom tomorrow" ||
		e.Expires.Format(time.DateOnly) != "2026-08-31" ||
		strings.Join(e.Scope.Version, "|") != "43.*|44" || strings.Join(e.Scope.Arch, "|") != "x86_64" {
		t.Errorf("entry 0 is %+v", e)
	}
	if l.Entries[1].Line != 11 || l.Entries[2].Line != 12 {
		t.Errorf("lines are %d and %d, want 11 and 12", l.Entries[1].Line, l.Entries[2].Line)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n", "[]"} {
		if l, err := Parse("k", []byte(empty)); err != nil || len(l.Entries) != 0 {
			t.Errorf("Parse(%q) = %v, %v; want an empty list", empty, l, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "- check: base/x\n  tracker: https://b.example/1\n"
	for _, c := range []struct {
		name, in, want string
		line, column   int
	}{
		{"no tracker", "- check: base/x\n  expires: 2026-01-01\n", "no tracker", 1, 3},
		{"no expiry", head, "no expires", 1, 3},
		{"only one key", "\n- check: base/x\n", "no tracker", 2, 3},
		{"date", head + "  expires: 2026-02-30\n", "YYYY-MM-DD", 3, 12},
		{"date with time", head + "  expires: 2026-02-03T10:00:00Z\n", "YYYY-MM-DD", 3, 12},
		{"unknown key", head + "  expire: 2026-02-03\n", `unknown key "expire"`, 3, 3},
		{"unknown scope", head + "  scope:\n    os: x\n", `unknown key "os"`, 4, 5},
		{"key twice", head + "  check: base/y\n", "", 3, 3},
		{"tracker", "- check: base/x\n  tracker: bug 12\n", "http", 2, 12},
		{"script tracker", "- check: base/x\n  tracker: javascript:alert(1)\n", "http", 2, 12},
		{"everything", "- check: '*/*'\n", "every failure", 1, 10},
		{"no criterion", "- check: failed-units\n", "criterion/check", 1, 10},
		{"bad glob", "- check: base/[\n", "glob", 1, 10},
		{"mapping", "check: base/x\n", "want a list", 1, 6},
		{"text", "hello\n", "want a list", 1, 1},
		{"entry is text", "- hello\n", "want a mapping", 1, 3},
		{"null", "- check:\n", "check", 1, 0},
		{"list for text", "- check: [a]\n", "wants text", 1, 10},
		{"bool", "- check: true\n", "wants text", 1, 10},
		{"alias", "- &a\n  check: base/x\n- *a\n", "want a mapping", 0, 0},
		{"two documents", "[]\n---\n- x\n", "second document", 3, 0},
		{"empty scope list", head + "  expires: 2026-01-01\n  scope: {arch: []}\n", "empty list", 4, 11},
		{"syntax", "- check: [base/x\n", "", 1, 0},
		{"tab", "- check: base/x\n\ttracker: y\n", "", 2, 0},
		{"huge", strings.Repeat("#", MaxSize+1), "larger", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Parse("known.yaml", []byte(c.in))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Parse = %v, %v; want an *Error", l, err)
			}
			if !strings.Contains(e.Message, c.want) || !strings.Contains(e.Error(), "known.yaml:") ||
				(c.line > 0 && e.Line != c.line) || (c.column > 0 && e.Column != c.column) {
				t.Errorf("got %v; want %d:%d with %q", e, c.line, c.column, c.want)
			}
		})
	}
}

func TestParseTellsEveryEntrysMistake(t *testing.T) {
	const wrong = "- {check: a/b, tracker: none, expires: 2026-01-01}\n"
	_, err := Parse("known.yaml", []byte(wrong+good[strings.Index(good, "- "):]+wrong))
	if err == nil || !strings.Contains(err.Error(), "known.yaml:1:25") || !strings.Contains(err.Error(), "known.yaml:15:25") || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v", err)
	}
	if _, err := Parse("known.yaml", []byte(strings.Repeat(wrong, 1000))); err == nil || strings.Count(err.Error(), "\n") != maxErrors-1 {
		t.Errorf("of a thousand mistakes: %v", err)
	}
}

func TestReadNeedsAFile(t *testing.T) {
	if _, err := Read(t.TempDir() + "/none.yaml"); err == nil || !strings.Contains(err.Error(), "cannot read known failures") {
		t.Errorf("got %v", err)
	}
}

// A FIFO that nobody writes to holds nobody up.
func TestReadOfAFIFO(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Read(fifo); err != nil || l == nil {
		t.Errorf("%v, %v", l, err)
	}
}

func failed(id reports.CaseID) reports.Case {
	return reports.Case{ID: id, Blocking: true, Outcome: reports.Failed, Fault: reports.FaultImage, Message: "m"}
}

func passed(id reports.CaseID) reports.Case {
	return reports.Case{ID: id, Blocking: true, Outcome: reports.Passed}
}

func runOf(img reports.Image, cases ...reports.Case) *reports.Run {
	return &reports.Run{Image: img, Suites: []reports.Suite{{Name: "s", Cases: cases}}}
}

func TestApply(t *testing.T) {
	l, err := Parse("known.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	now := day(t, "2026-08-31T23:59:59Z")
	img := reports.Image{Arch: artifact.X8664, OSTreeVersion: "43.20260801"}
	all := []reports.CaseID{"base/failed-units", "containers/pull", "storage/driver"}
	for i := range l.Entries[1:] { // what they are about is beside the point here
		l.Entries[i+1].Expires = now
	}

	t.Run("covers the image's failures only", func(t *testing.T) {
		infra := failed("containers/run")
		infra.Outcome, infra.Fault = reports.Errored, reports.FaultInfra
		run := runOf(img, failed("containers/pull"), infra, failed("base/other"), passed("base/ok"))
		l.Apply(run, all, now)
		c := run.Suites[0].Cases
		if c[0].Known == nil || c[0].Known.Tracker != "https://bugs.example/812" || c[0].Known.Expires != "2026-08-31" {
			t.Errorf("containers/pull: %+v", c[0].Known)
		}
		if c[1].Known != nil || c[2].Known != nil || c[3].Known != nil {
			t.Errorf("covered what it must not: %+v %+v %+v", c[1].Known, c[2].Known, c[3].Known)
		}
		if len(run.Notes) != 0 {
			t.Errorf("notes: %q", run.Notes)
		}
		if v, why := reports.Judge(run.Suites); v != reports.Rejected || !strings.Contains(why, "base/other") {
			t.Errorf("verdict %s: %s", v, why)
		}
	})
	t.Run("a day late it blocks again", func(t *testing.T) {
		run := runOf(img, failed("containers/pull"), passed("base/ok"))
		l.Apply(run, all, now)
		if v, _ := reports.Judge(run.Suites); v != reports.Accepted {
			t.Fatalf("on the last day: %s", v)
		}
		for range 2 {
			l.Apply(run, all, now.Add(time.Second))
		}
		if v, _ := reports.Judge(run.Suites); v != reports.Rejected {
			t.Errorf("a second past the last day: %s", v)
		}
		if len(run.Notes) != 1 || !strings.Contains(run.Notes[0], "expired on 2026-08-31") || !strings.Contains(run.Notes[0], "containers/pull") {
			t.Errorf("notes: %q", run.Notes)
		}
	})
	t.Run("no longer needed", func(t *testing.T) {
		skipped := passed("containers/build")
		run := runOf(img, passed("containers/pull"), skipped, passed("storage/driver"))
		l.Apply(run, all, now)
		if len(run.Notes) != 2 || !strings.Contains(run.Notes[0], "no longer needed") || !strings.Contains(run.Notes[1], "storage/driver") {
			t.Errorf("notes: %q", run.Notes)
		}
	})
	t.Run("needed while one of its checks fails or is skipped", func(t *testing.T) {
		skipped := passed("containers/build")
		skipped.Outcome = reports.Skipped
		for _, second := range []reports.Case{failed("containers/build"), skipped} {
			run := runOf(img, passed("containers/pull"), second)
			l.Apply(run, all, now)
			if len(run.Notes) != 0 {
				t.Errorf("notes: %q", run.Notes)
			}
		}
	})
	t.Run("expired, and nothing of it fails", func(t *testing.T) {
		old := &List{Name: "k", Entries: slices.Clone(l.Entries[2:])}
		old.Entries[0].Expires = now.AddDate(0, 0, -2)
		for _, run := range []*reports.Run{runOf(img, passed("storage/driver")), runOf(img, passed("base/other"))} {
			old.Apply(run, all, now)
			if len(run.Notes) != 1 || !strings.Contains(run.Notes[0], "expired on 2026-08-29 and can go") {
				t.Errorf("notes: %q", run.Notes)
			}
		}
	})
	t.Run("about no check that there is", func(t *testing.T) {
		run := runOf(img, passed("base/ok"))
		l.Apply(run, []reports.CaseID{"containers/pull", "base/failed-units"}, now)
		if len(run.Notes) != 1 || !strings.Contains(run.Notes[0], "storage/driver") || !strings.Contains(run.Notes[0], "no check that there is") {
			t.Errorf("notes: %q", run.Notes)
		}
		run = runOf(img, passed("storage/driver")) // of a folder that is not given now
		l.Apply(run, nil, now)
		if strings.Contains(strings.Join(run.Notes, "\n"), "storage/driver (https://bugs.example/9, line 12 of known.yaml) is about no check") {
			t.Errorf("notes: %q", run.Notes)
		}
	})
	t.Run("scope", func(t *testing.T) {
		for _, c := range []struct {
			img  reports.Image
			want bool
		}{
			{img, true},
			{reports.Image{Arch: artifact.X8664, OSVersion: "44"}, true},
			{reports.Image{Arch: artifact.X8664, OSVersion: "42"}, false},
			{reports.Image{Arch: artifact.AArch64, OSVersion: "44"}, false},
			{reports.Image{Arch: artifact.X8664}, false}, // it never came up
		} {
			run := runOf(c.img, failed("containers/pull"))
			l.Apply(run, all, now)
			if got := run.Suites[0].Cases[0].Known != nil; got != c.want {
				t.Errorf("%+v: covered %t, want %t", c.img, got, c.want)
			}
		}
	})
	t.Run("a star stays inside its criterion", func(t *testing.T) {
		run := runOf(img, failed("containers/pull/deep"))
		l.Apply(run, all, now)
		if run.Suites[0].Cases[0].Known != nil {
			t.Error("covered")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("- {check: a/b, tracker: http://x, expires: 2026-01-01, scope: {arch: [a, b]}}"))
	f.Add([]byte("- &a\n- *a\n- !!str x\n- ? a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse("f", data)
		if err != nil {
			return
		}
		for _, e := range l.Entries {
			if e.Check == "" || e.Tracker == "" || e.Expires.IsZero() || e.Line < 1 {
				t.Errorf("accepted %+v", e)
			}
		}
	})
}
