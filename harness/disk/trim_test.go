package disk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTrim(t *testing.T) {
	c := openCache(t)
	raw := fixtureDisk()
	clock := time.Now()
	c.now = func() time.Time { return clock }
	var bases []*Base
	for i := range 3 {
		clock = clock.Add(time.Minute)
		bases = append(bases, mustBase(t, c, write(t, "x", gzipped(t, with(raw, 3<<20, byte(i+1)))), Options{}))
	}
	plain := write(t, "plain", raw)
	mustBase(t, c, plain, Options{})
	if freed, err := c.Trim(0); err != nil || freed != 0 || len(images(t, c)) != 3 {
		t.Errorf("with all in use: freed %d, %v", freed, err)
	}
	one := c.onDisk(filepath.Base(bases[0].Path))
	bases[0].Close()
	bases[1].Close()
	if freed, err := c.Trim(2 * one); err != nil || freed != one {
		t.Errorf("freed %d, %v; want %d", freed, err, one)
	}
	if _, err := os.Stat(bases[0].Path); err == nil {
		t.Error("the longest unused stayed")
	}
	if freed, err := c.Trim(0); err != nil || freed != one {
		t.Errorf("freed %d, %v; want %d", freed, err, one)
	}
	if im := images(t, c); len(im) != 1 || im[0] != bases[2].Path {
		t.Errorf("images = %v; want the one in use", im)
	}
	if _, err := os.Stat(plain); err != nil {
		t.Errorf("the user's file: %v", err)
	}
}

func TestOrphansGo(t *testing.T) {
	root := t.TempDir()
	c, err := OpenCache(root)
	if err != nil {
		t.Fatal(err)
	}
	b := mustBase(t, c, write(t, "x", gzipped(t, fixtureDisk())), Options{})
	note := filepath.Join(c.dir, noteName(t, c))
	content := read(t, note)
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCache(root); err != nil || len(images(t, c)) != 1 {
		t.Errorf("an image in use went: %v", err)
	}
	b.Close()
	write(t, note, content)
	if _, err := OpenCache(root); err != nil || len(images(t, c)) != 1 {
		t.Errorf("an image with a note went: %v", err)
	}
	os.Remove(note)
	if _, err := OpenCache(root); err != nil || len(images(t, c)) != 0 {
		t.Errorf("an orphan stayed: %v", err)
	}
}

func TestReadableByOthers(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "x"), []byte("x"))
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := ReadableByOthers(path); err == nil || !strings.Contains(err.Error(), "read the file "+path) {
		t.Errorf("mode 0640: %v", err)
	}
	os.Chmod(path, 0o644)
	os.Chmod(dir, 0o750)
	if err := ReadableByOthers(path); err == nil || !strings.Contains(err.Error(), "enter the folder "+dir) {
		t.Errorf("in a folder of mode 0750: %v", err)
	}
	if err := ReadableByOthers("/etc/passwd"); err != nil {
		t.Error(err)
	}
}
