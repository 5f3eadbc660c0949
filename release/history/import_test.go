package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"assay/release"
)

// exported is a history of n events as an export has it, line by line: the last
// is the end of the export.
func exported(t *testing.T, n int) [][]byte {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, n)
	h := open(t, dir)
	defer h.Close()
	var b bytes.Buffer
	if got, err := Export(t.Context(), h, &b); err != nil || got != uint64(n) {
		t.Fatalf("%d events, %v", got, err)
	}
	lines := bytes.SplitAfter(b.Bytes(), []byte("\n"))
	return lines[:len(lines)-1]
}

func importInto(t *testing.T, dir string, data []byte) (uint64, error) {
	t.Helper()
	return Import(t.Context(), Options{Dir: dir, Log: t.Logf}, bytes.NewReader(data))
}

func TestExportAndImport(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 30)
	h := open(t, dir)
	// An event from the future, with a field nobody knows.
	s, err := release.Load(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	future := fmt.Appendf(nil, `{"seq":31,"id":"x","type":"moon.phase","version":7,"time":"2026-11-02T03:00:00Z","actor":{"kind":"service","name":"later"},"prev":%q,"data":{"phase": 3},"extra":[1, 2]}`, s.Head().Hash)
	if err := h.publish(t.Context(), s.Head(), future, "x"); err != nil {
		t.Fatal(err)
	}
	var first bytes.Buffer
	if n, err := Export(t.Context(), h, &first); n != 31 || err != nil {
		t.Fatalf("%d events, %v", n, err)
	}
	if !strings.HasSuffix(first.String(), fmt.Sprintf("\n{\"end\":{\"seq\":31,\"hash\":%q}}\n", release.HashOf(future))) {
		t.Errorf("its last line: %s", first.Bytes()[first.Len()-200:])
	}
	isUnknown := func(what string, r Report, err error) {
		t.Helper()
		if err != nil || r.Events != 31 || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Text, `does not know events "moon.phase" of version 7`) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	r, err := VerifyExport(bytes.NewReader(first.Bytes()))
	isUnknown("the export", r, err)
	dir = t.TempDir()
	if n, err := importInto(t, dir, first.Bytes()); n != 31 || err != nil {
		t.Fatalf("%d events, %v", n, err)
	}
	h2 := open(t, dir)
	var second bytes.Buffer
	if _, err := Export(t.Context(), h2, &second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("the export of the import differs: %v", err)
	}
	isUnknown("the import", verify(t, h2), nil)
	h2.Close()
	if _, err := importInto(t, dir, first.Bytes()); err == nil || !strings.Contains(err.Error(), "use an empty folder") {
		t.Errorf("importing twice: %v", err)
	}
	isUnknown("importing twice", verify(t, open(t, dir)), nil)
}

func TestDamagedExportIsRefused(t *testing.T) {
	lines := exported(t, 12)
	whole := bytes.Join(lines, nil)
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	last := lines[len(lines)-1]
	bad := map[string][]byte{
		"a line is lost":          join(append(append([][]byte{}, lines[:5]...), lines[6:]...)...),
		"two are exchanged":       join(append([][]byte{lines[0], lines[2], lines[1]}, lines[3:]...)...),
		"the start is lost":       join(lines[3:]...),
		"cut in a line":           whole[:len(whole)-len(last)-3],
		"cut in the end":          whole[:len(whole)-3],
		"an empty line":           join(lines[0], []byte("\n"), join(lines[1:]...)),
		"carriage returns":        bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")),
		"not JSON":                join(lines[0], []byte("hello\n")),
		"too long":                join(lines[0], bytes.Repeat([]byte("x"), release.MaxEvent+10), []byte("\n")),
		"one byte of line 3":      join(lines[0], lines[1], bytes.Replace(lines[2], []byte(`"reason":"2"`), []byte(`"reason":"3"`), 1), join(lines[3:]...)),
		"the last event is lost":  join(append(append([][]byte{}, lines[:11]...), last)...),
		"the end is another's":    join(append(append([][]byte{}, lines[:12]...), bytes.Replace(last, []byte(`"seq":12`), []byte(`"seq":13`), 1))...),
		"the end is of later":     join(append(append([][]byte{}, lines[:12]...), bytes.Replace(last, []byte(`}}`), []byte(`},"more":1}`), 1))...),
		"something follows":       join(whole, lines[11]),
		"two exports":             join(whole, whole),
		"nothing but the end":     []byte(`{"end":{"seq":0}}` + "\n"),
		"nothing":                 nil,
		"the end is in the midst": join(append([][]byte{lines[0], last}, lines[1:]...)...),
	}
	for name, data := range bad {
		t.Run(name, func(t *testing.T) {
			if r, err := VerifyExport(bytes.NewReader(data)); err == nil || !strings.Contains(err.Error(), "line ") {
				t.Errorf("verified: %+v, %v", r, err)
			}
			dir := t.TempDir()
			if n, err := importInto(t, dir, data); err == nil || !strings.Contains(err.Error(), "line ") {
				t.Errorf("%d lines, %v", n, err)
			}
			if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrHalfImport) {
				t.Errorf("it opens: %v", err)
			}
		})
	}
}

// TestCutExport cuts an export after each line: neither the export nor what was
// imported of it looks healthy, and the whole one is imported over it.
func TestCutExport(t *testing.T) {
	lines := exported(t, 8)
	for n := range len(lines) {
		cut := bytes.Join(lines[:n], nil)
		if r, err := VerifyExport(bytes.NewReader(cut)); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("cut after line %d: %+v, %v", n, r, err)
		}
		dir := t.TempDir()
		if got, err := importInto(t, dir, cut); err == nil || got != uint64(n) {
			t.Errorf("cut after line %d: imported %d, %v", n, got, err)
		}
		beganAnew(t, dir, lines)
	}
}

// beganAnew finds a broken import in dir, and does it again.
func beganAnew(t *testing.T, dir string, lines [][]byte) {
	t.Helper()
	if !HalfImported(dir) {
		t.Error("the anchor says nothing of an import")
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrHalfImport) {
		t.Errorf("it opens: %v", err)
	}
	if n, err := importInto(t, dir, bytes.Join(lines, nil)); err != nil || int(n) != len(lines)-1 {
		t.Fatalf("begun anew: %d events, %v", n, err)
	}
	h := open(t, dir)
	defer h.Close()
	if r := verify(t, h); int(r.Events) != len(lines)-1 || len(r.Findings) > 0 || HalfImported(dir) {
		t.Errorf("after the import: %+v", r)
	}
}

const (
	importDir  = "ASSAY_TEST_HISTORY_IMPORT"
	importDies = "ASSAY_TEST_HISTORY_IMPORT_DIES"
)

// importAndDie imports standard input and is killed when it asks for line n+1.
func importAndDie(dir string) {
	n, err := strconv.Atoi(os.Getenv(importDies))
	if err == nil {
		_, err = Import(context.Background(), Options{Dir: dir}, &lastReader{lines: bytes.SplitAfter(must(os.ReadFile(filepath.Join(dir, "..", "export"))), []byte("\n")), left: n})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

// lastReader hands out a line at a time, and ends the process without warning.
type lastReader struct {
	lines [][]byte
	left  int
}

func (r *lastReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	n := copy(p, r.lines[0])
	r.lines, r.left = r.lines[1:], r.left-1
	return n, nil
}

// TestKilledImport kills an import before each line, and after the last.
func TestKilledImport(t *testing.T) {
	lines := exported(t, 6)
	for n := range len(lines) + 1 {
		top := t.TempDir()
		dir := filepath.Join(top, "history")
		if err := os.WriteFile(filepath.Join(top, "export"), bytes.Join(lines, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), importDir+"="+dir, importDies+"="+strconv.Itoa(n))
		out, err := cmd.CombinedOutput()
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || ws.Signal() != syscall.SIGKILL {
			t.Fatalf("before line %d it ended with %s: %s", n+1, cmd.ProcessState, out)
		}
		beganAnew(t, dir, lines)
	}
}

// TestImportLeavesAHistoryAlone that has lost its events: what the anchor
// remembers is damage to look at.
func TestImportLeavesAHistoryAlone(t *testing.T) {
	lines := exported(t, 3)
	dir := t.TempDir()
	fill(t, dir, 5)
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	if n, err := importInto(t, dir, bytes.Join(lines, nil)); err == nil || !strings.Contains(err.Error(), "its end is lost: import into an empty folder") {
		t.Errorf("%d events, %v", n, err)
	}
}
