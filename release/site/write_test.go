package site_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/release/site"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteSwitchesAtOnce(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "download")
	put := func(f site.Files) string {
		t.Helper()
		if err := f.Write(dir); err != nil {
			t.Fatal(err)
		}
		to, err := os.Readlink(dir)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	one := put(site.Files{"index.html": []byte("one"), "a/b.html": []byte("one")})
	before, err := os.Stat(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	if put(site.Files{"index.html": []byte("one"), "a/b.html": []byte("one")}) != one {
		t.Error("the same content has another folder")
	}
	if after, err := os.Stat(filepath.Join(dir, "index.html")); err != nil || !os.SameFile(before, after) {
		t.Errorf("the same content was written again: %v", err)
	}
	put(site.Files{"index.html": []byte("two"), "a/b.html": []byte("two")})
	if read(t, dir+"/index.html")+read(t, dir+"/a/b.html") != "twotwo" || read(t, filepath.Join(parent, one, "index.html")) != "one" {
		t.Error("want the new content, and the old beside it")
	}
	put(site.Files{"index.html": []byte("three")})
	if _, err := os.Stat(filepath.Join(parent, one)); !os.IsNotExist(err) {
		t.Errorf("the content before the last is still there: %v", err)
	}
	if list, _ := os.ReadDir(parent); len(list) != 3 {
		t.Errorf("left: %v", list)
	}
}

func TestWriteAfterAKill(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "download")
	if err := (site.Files{"index.html": []byte("one")}).Write(dir); err != nil {
		t.Fatal(err)
	}
	// What a kill may leave: a half-made folder, a link that was not renamed.
	if err := os.MkdirAll(filepath.Join(parent, ".download.new/half"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(parent, ".download.link")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir+"/index.html"); got != "one" {
		t.Fatalf("readers see %q", got)
	}
	if err := (site.Files{"index.html": []byte("two")}).Write(dir); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir+"/index.html"); got != "two" {
		t.Fatalf("readers see %q", got)
	}
	if _, err := os.Stat(filepath.Join(parent, ".download.new")); !os.IsNotExist(err) {
		t.Error("the half-made folder is left")
	}
}

func TestWriteRefusesWhatItDidNotMake(t *testing.T) {
	parent := t.TempDir()
	f := site.Files{"index.html": []byte("x")}
	precious := filepath.Join(parent, "precious")
	if err := os.Mkdir(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(parent, "foreign")
	if err := os.Symlink("precious", foreign); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{precious: "something else is there", foreign: "which Write did not make", filepath.Join(parent, "no/where"): "no such file"} {
		if err := f.Write(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if err := (site.Files{"../evil": []byte("x")}).Write(filepath.Join(parent, "site")); err == nil {
		t.Error("a file beside the site was written")
	}
	if _, err := os.Stat(filepath.Join(parent, "evil")); err == nil {
		t.Error("a file beside the site is there")
	}
}
