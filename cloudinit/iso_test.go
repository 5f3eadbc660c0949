package cloudinit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func unbase64(t *testing.T, b []byte) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(b), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestISORoundTrip(t *testing.T) {
	for _, f := range Formats() {
		t.Run(string(f), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "seed.iso")
			s := fullSeed(t)
			if err := s.WriteISO(path, f, false); err != nil {
				t.Fatal(err)
			}
			v, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			docs, err := s.Documents(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := sameVolume(v, f.Label(), docs); err != nil {
				t.Error(err)
			}
			if err := v.Check(); err != nil {
				t.Error(err)
			}
			if got, ok := v.Format(); !ok || got != f {
				t.Errorf("format %q, %v", got, ok)
			}
			st, err := os.Stat(path)
			if err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
			}
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".assay-seed-*"))
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestWriteISOKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed.iso")
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := minimalSeed().WriteISO(path, NoCloud, false); !errors.Is(err, ErrExists) {
		t.Fatalf("got %v, want ErrExists", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Fatalf("the file now holds %q", b)
	}
	if err := minimalSeed().WriteISO(path, NoCloud, true); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", st.Mode())
	}
}

// What is no file, and least of all a device, is not replaced.
func TestWriteISOReplacesFilesAlone(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo} {
		if err := minimalSeed().WriteISO(path, NoCloud, true); !errors.Is(err, ErrNotAFile) {
			t.Errorf("%s: %v, want ErrNotAFile", path, err)
		}
	}
	if st, err := os.Lstat(fifo); err != nil || st.Mode().IsRegular() {
		t.Errorf("the FIFO is gone: %v", err)
	}
	var in *InputError
	if _, err := Open(fifo); !errors.As(err, &in) {
		t.Errorf("a FIFO is read: %v", err)
	}
}

// liar writes something else than it was told to.
type liar struct {
	change func([]Document) (string, []Document)
}

func (l liar) write(w io.Writer, _ string, docs []Document) error {
	label, docs := l.change(append([]Document(nil), docs...))
	return kdomanskiWriter{}.write(w, label, docs)
}

type broken struct{}

func (broken) write(w io.Writer, _ string, _ []Document) error {
	_, err := w.Write(make([]byte, 40960))
	return err
}

func TestReadBackTellsOnTheWriter(t *testing.T) {
	docs, err := minimalSeed().Documents(NoCloud)
	if err != nil {
		t.Fatal(err)
	}
	writers := map[string]isoWriter{
		"no image": broken{},
		"other label": liar{func(d []Document) (string, []Document) {
			return "other", d
		}},
		"missing file": liar{func(d []Document) (string, []Document) {
			return "cidata", d[:1]
		}},
		"one byte": liar{func(d []Document) (string, []Document) {
			data := append([]byte(nil), d[0].Data...)
			data[0] ^= 1
			d[0].Data = data
			return "cidata", d
		}},
		"mangled name": liar{func(d []Document) (string, []Document) {
			d[0].Name = "meta.data.x"
			return "cidata", d
		}},
	}
	for name, w := range writers {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := writeISO(filepath.Join(dir, "seed.iso"), "cidata", docs, w, false)
			if err == nil || !strings.Contains(err.Error(), "reading it back") {
				t.Errorf("got %v, want it to be noticed when read back", err)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestLayoutRefusesWhatTheLibraryMangles(t *testing.T) {
	many := make([]Document, 0, 45)
	for i := range 45 {
		many = append(many, Document{Name: fmt.Sprintf("file%04d", i), Data: []byte{byte(i)}})
	}
	cases := map[string][]Document{
		"nothing":        nil,
		"empty name":     {{Name: ""}},
		"upper case":     {{Name: "User-Data"}},
		"many dots":      {{Name: "a.b.c"}},
		"long":           {{Name: strings.Repeat("a", 31)}},
		"long extension": {{Name: "a.abcdefghi"}},
		"dot dot":        {{Name: "../a"}},
		"absolute":       {{Name: "/a"}},
		"twice":          {{Name: "a"}, {Name: "a"}},
		"file as folder": {{Name: "a"}, {Name: "a/b"}},
		"too deep":       {{Name: "a/b/c/d/e/f/g/h/i"}},
		"full sector":    many,
		"too large":      {{Name: "a", Data: make([]byte, MaxDocument+1)}},
	}
	for name, docs := range cases {
		if err := checkLayout("cidata", docs); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := checkLayout("", many[:1]); err == nil {
		t.Error("an empty label is accepted")
	}
	if err := checkLayout("cidata", many[:40]); err != nil {
		t.Error(err)
	}
}

// TestManyFiles writes up to the limit that checkLayout sets, where the
// library's own fault begins.
func TestManyFiles(t *testing.T) {
	var docs []Document
	for i := 0; ; i++ {
		next := append(docs, Document{Name: fmt.Sprintf("file%04d", i), Data: []byte(fmt.Sprint(i))})
		if checkLayout("cidata", next) != nil {
			break
		}
		docs = next
	}
	if len(docs) < 40 {
		t.Fatalf("only %d files fit", len(docs))
	}
	if err := writeISO(filepath.Join(t.TempDir(), "x.iso"), "cidata", docs, kdomanskiWriter{}, false); err != nil {
		t.Fatalf("%d files: %v", len(docs), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.iso")
	if err := minimalSeed().WriteISO(good, NoCloud, false); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"empty": {},
		"text":  []byte("#cloud-config\n"),
		"short": image[:len(image)-4096],
		"zeros": make([]byte, 64<<10),
	}
	for name, data := range cases {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var ie *InputError
		if _, err := Open(path); !errors.As(err, &ie) || ie.File != path {
			t.Errorf("%s: got %v, want an InputError with the file", name, err)
		}
	}
	var ie *InputError
	if _, err := Open(dir); !errors.As(err, &ie) {
		t.Errorf("a folder: got %v", err)
	}
	if _, err := Open(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: got %v", err)
	}
}

func FuzzReadISO(f *testing.F) {
	for _, format := range Formats() {
		path := filepath.Join(f.TempDir(), "seed.iso")
		if err := fullSeed(f).WriteISO(path, format, false); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Read(strings.NewReader(string(data)), int64(len(data)))
		if err != nil {
			return
		}
		total := 0
		for _, d := range v.Documents {
			total += len(d.Data)
			_ = d.Describe()
		}
		if total > maxISOData {
			t.Errorf("%d bytes of documents", total)
		}
		_ = v.Check()
	})
}

func BenchmarkSeedISO(b *testing.B) {
	s := fullSeed(b)
	for _, f := range Formats() {
		b.Run(string(f), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "seed.iso")
			for b.Loop() {
				if err := s.WriteISO(path, f, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
