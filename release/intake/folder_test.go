package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/release"
)

const drop = `{"compose": "Test-1-20261121.n.0", "created": "2026-11-21T03:00:00Z", "artifacts": [{"id": "qcow2/x86_64", "file": "os.qcow2", "sha256": %q}],
 "commits": [{"arch": "x86_64", "ref": "fedora/43/x86_64/host", "checksum": "` + "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd" + `"}]}`

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// watched is a folder and whoever looks at it.
func watched(t *testing.T, b *bench, dir string) *Folder {
	t.Helper()
	f, err := NewFolder("drop", FolderConfig{Path: dir, Stream: stream}, Options{Policies: []*release.Policy{b.Policy}, Record: b,
		Tell: func(format string, args ...any) { b.told = append(b.told, fmt.Sprintf(format, args...)) }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func look(t *testing.T, f *Folder, times int) {
	t.Helper()
	for range times {
		if err := f.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFolderTakesWholeBuilds once, and nothing of one that is still written.
func TestFolderTakesWholeBuilds(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	f := watched(t, b, dir)
	events := func(want uint64, what string) {
		t.Helper()
		if n := b.State.Head().Seq; n != want {
			t.Fatalf("%s: %d events, want %d; told %q", what, n, want, b.told)
		}
	}
	at := func(name string) string { return filepath.Join(dir, "one", name) }
	put(t, at("os.qcow2"), "half of")
	look(t, f, 3)
	events(1, "without build.json")
	if err := os.Remove(at("os.qcow2")); err != nil {
		t.Fatal(err)
	}
	put(t, at(BuildFile), fmt.Sprintf(drop, sum("the image")))
	look(t, f, 3)
	events(1, "without the image")
	put(t, at("os.qcow2"), "the i")
	look(t, f, 1)
	put(t, at("os.qcow2"), "the image")
	look(t, f, 1)
	events(1, "while it grows")
	put(t, filepath.Join(dir, ".new-two", BuildFile), fmt.Sprintf(drop, ""))
	put(t, filepath.Join(dir, "file"), "no folder")
	look(t, f, 1)
	events(2, "whole, and the same at two looks")
	x := b.State.Line(stream).ByCompose("Test-1-20261121.n.0")
	if x == nil || x.ID != "20261121_01" || len(x.Artifacts) != 1 || x.Artifacts[0].Digest.Hex() != sum("the image") || x.Artifacts[0].Location != at("os.qcow2") || len(x.Commits) != 1 || x.By[0].Name != "drop" {
		t.Errorf("%+v", x)
	}
	look(t, f, 3)
	look(t, watched(t, b, dir), 3) // a start again
	events(2, "seen before")
	if n := strings.Count(strings.Join(b.told, "\n"), "build.seen"); n != 1 || len(b.told) != 1 {
		t.Errorf("told %q", b.told)
	}
	// Other bytes under the same name are found out.
	put(t, at("os.qcow2"), "another image")
	look(t, f, 3)
	if !strings.Contains(b.told[len(b.told)-1], "cannot be taken: os.qcow2 has SHA-256") {
		t.Errorf("told %q", b.told)
	}
}

func TestFolderRefuses(t *testing.T) {
	for what, c := range map[string]struct{ text, says string }{
		"no JSON":          {"{", "cannot be read"},
		"a typo":           {`{"compse": "x"}`, "unknown field"},
		"nothing":          {`{"compose": "x", "created": "2026-11-21T03:00:00Z"}`, "want compose"},
		"outside":          {`{"compose": "x", "created": "2026-11-21T03:00:00Z", "artifacts": [{"id": "qcow2/x86_64", "file": "../os.qcow2"}]}`, "no file beside it"},
		"no time":          {`{"compose": "x", "artifacts": [{"id": "qcow2/x86_64", "file": "os.qcow2"}]}`, "no time of creation"},
		"a day to come":    {`{"compose": "x", "created": "2999-11-21T03:00:00Z", "artifacts": [{"id": "qcow2/x86_64", "file": "os.qcow2"}]}`, "correct the clock"},
		"wrong digest":     {fmt.Sprintf(drop, sum("other")), "build.json says"},
		"a link":           {`{"compose": "x", "created": "2026-11-21T03:00:00Z", "artifacts": [{"id": "qcow2/x86_64", "file": "link"}]}`, "no regular file"},
		"no kind of image": {`{"compose": "x", "created": "2026-11-21T03:00:00Z", "artifacts": [{"id": "\u001b[2J", "file": "os.qcow2"}]}`, "artifact"},
		"much":             {strings.Repeat(" ", maxBody+1), "at most"},
	} {
		b := newBench(t)
		dir := t.TempDir()
		put(t, filepath.Join(dir, "one", "os.qcow2"), "the image")
		put(t, filepath.Join(dir, "one", BuildFile), c.text)
		if err := os.Symlink("/etc/hostname", filepath.Join(dir, "one", "link")); err != nil {
			t.Fatal(err)
		}
		look(t, watched(t, b, dir), 4)
		if len(b.told) != 1 || !strings.Contains(b.told[0], c.says) || strings.Contains(b.told[0], "\x1b") || b.State.Head().Seq != 1 {
			t.Errorf("%s: told %q", what, b.told)
		}
	}
	b := newBench(t)
	for _, c := range []FolderConfig{{Path: "here", Stream: stream}, {Path: t.TempDir(), Stream: "other"}, {Path: t.TempDir(), Stream: stream, Poll: -time.Second}, {Path: t.TempDir(), Stream: stream, Poll: time.Millisecond}} {
		if _, err := NewFolder("drop", c, Options{Policies: []*release.Policy{b.Policy}, Record: b}); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if f, err := NewFolder("drop", FolderConfig{Path: "/none", Stream: stream}, Options{Policies: []*release.Policy{b.Policy}, Record: b}); err != nil || f.IsThere() == nil {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestFolderReadsNothingTwice: what is refused, or cannot be recorded, is not
// hashed again at each look.
func TestFolderReadsNothingTwice(t *testing.T) {
	for _, digest := range []string{sum("other"), sum("the image")} {
		b := newBench(t)
		dir := t.TempDir()
		image := filepath.Join(dir, "one", "os.qcow2")
		put(t, image, "the image")
		put(t, filepath.Join(dir, "one", BuildFile), fmt.Sprintf(drop, digest))
		st, err := os.Stat(image)
		if err != nil {
			t.Fatal(err)
		}
		f := watched(t, b, dir)
		b.fails = errors.New("no history")
		look(t, f, 3)
		// Whoever read it again would see other bytes.
		put(t, image, "THE IMAGE")
		if err := os.Chtimes(image, time.Time{}, st.ModTime()); err != nil {
			t.Fatal(err)
		}
		look(t, f, 3)
		b.fails = nil
		look(t, f, 3)
		x := b.State.Line(stream).ByCompose("Test-1-20261121.n.0")
		if told := strings.Join(b.told, "\n"); strings.Count(told, "cannot be taken") != 1 || strings.Contains(told, sum("THE IMAGE")) || (x == nil) != (digest == sum("other")) {
			t.Errorf("%v, told %s", x, told)
		}
	}
}

// TestFolderForgets what was said of builds that are gone, and of itself.
func TestFolderForgets(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	f := watched(t, b, dir)
	put(t, filepath.Join(dir, "one", BuildFile), "{")
	f.say("", "cannot look into it")
	look(t, f, 2)
	if len(f.told) != 1 || len(b.told) != 2 {
		t.Errorf("%q, told %q", f.told, b.told)
	}
	if err := os.RemoveAll(filepath.Join(dir, "one")); err != nil {
		t.Fatal(err)
	}
	look(t, f, 1)
	if len(f.told)+len(f.looks)+len(f.hashed) > 0 {
		t.Errorf("%q", f.told)
	}
}

// TestFolderOpensFilesAlone: no link, and no pipe that nobody writes to.
func TestFolderOpensFilesAlone(t *testing.T) {
	dir := t.TempDir()
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink("/etc/hostname", link), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe, dir} {
		if _, err := hashFile(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
