package disk

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/artifact"
)

func contextOfChild() context.Context { return context.Background() }

func mustBase(t testing.TB, c *Cache, path string, opt Options) *Base {
	t.Helper()
	b, err := c.Base(t.Context(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// A file seen before is not read again, in place or unpacked.
func TestSecondLookIsFromCache(t *testing.T) {
	raw := fixtureDisk()
	for name, content := range map[string][]byte{"raw": raw, "gzip": gzipped(t, raw)} {
		c := openCache(t)
		path := write(t, name, content)
		settle(t, path)
		first := mustBase(t, c, path, Options{})
		silent := Options{Progress: func(_, _ int64) { t.Errorf("%s: the file was read again", name) }}
		second := mustBase(t, c, path, silent)
		if first.FromCache || !second.FromCache || second.Image != first.Image || second.Path != first.Path || len(second.Firmwares) != 2 {
			t.Errorf("%s: first = %+v\nsecond = %+v", name, first, second)
		}
		// Limits hold for what is known, too.
		var in *InputError
		if _, err := c.Base(t.Context(), path, Options{MaxVirtual: 1 << 20}); !errors.As(err, &in) || in.Path != path {
			t.Errorf("%s: limits were not held to: %v", name, err)
		}
		// Another state of the file is another file.
		changed := with(content, len(content)-1, content[len(content)-1]^1)
		write(t, path, changed)
		third, err := c.Base(t.Context(), path, Options{})
		if name == "gzip" {
			if err == nil {
				t.Error("gzip: a file that was damaged since is taken from the cache")
			}
			continue
		}
		if err != nil || third.FromCache || third.Image.Digest == first.Image.Digest {
			t.Errorf("raw: third = %+v, %v", third, err)
		}
	}
}

// A file whose clock tick is not over could change once more unnoticed.
func TestFreshFileIsNotRemembered(t *testing.T) {
	c := openCache(t)
	path := write(t, "x", fixtureDisk())
	c.now = func() time.Time {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return fi.ModTime().Add(time.Millisecond)
	}
	mustBase(t, c, path, Options{})
	if mustBase(t, c, path, Options{}).FromCache {
		t.Error("remembered")
	}
}

func TestVerify(t *testing.T) {
	raw := fixtureDisk()
	path := write(t, "x", raw)
	b := mustBase(t, openCache(t), path, Options{})
	if err := os.Chmod(path, 0o600); err != nil { // only ctime changes
		t.Fatal(err)
	}
	if err := b.Verify(); err != nil {
		t.Errorf("after chmod: %v", err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, with(raw, 3<<20, 1))
	if err := os.Chtimes(path, fi.ModTime(), fi.ModTime()); err != nil {
		t.Fatal(err)
	}
	var in *InputError
	if err := b.Verify(); !errors.As(err, &in) {
		t.Errorf("after a write with its time put back: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(); !errors.As(err, &in) {
		t.Errorf("after removal: %v", err)
	}
}

// A base that somebody changed or removed is made again; who uses it learns it from Verify.
func TestCacheHeals(t *testing.T) {
	raw := fixtureDisk()
	path := write(t, "x", gzipped(t, raw))
	settle(t, path)
	c := openCache(t)
	for _, harm := range []func(string) error{
		os.Remove,
		func(p string) error {
			if err := os.Chmod(p, 0o644); err != nil {
				return err
			}
			return os.WriteFile(p, raw[:1<<20], 0o644)
		},
		func(p string) error { return os.Truncate(filepath.Join(c.dir, noteName(t, c)), 10) },
		func(p string) error { return os.Remove(filepath.Join(c.dir, noteName(t, c))) },
	} {
		b := mustBase(t, c, path, Options{})
		if err := harm(b.Path); err != nil {
			t.Fatal(err)
		}
		again := mustBase(t, c, path, Options{})
		if again.FromCache || !bytes.Equal(read(t, again.Path), raw) {
			t.Errorf("not made again: %+v", again)
		}
	}
	b := mustBase(t, c, path, Options{})
	if err := os.Chmod(b.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(); err != nil {
		t.Errorf("after chmod: %v", err)
	}
	write(t, b.Path, raw[:1<<20])
	var in *InputError
	if err := b.Verify(); err == nil || errors.As(err, &in) {
		t.Errorf("after a write into the cache: %v; want an error that is not the image's", err)
	}
}

func noteName(t *testing.T, c *Cache) string {
	m, err := filepath.Glob(filepath.Join(c.dir, "*.json"))
	if err != nil || len(m) != 1 {
		t.Fatalf("notes: %v, %v", m, err)
	}
	return filepath.Base(m[0])
}

func TestOldNotesGo(t *testing.T) {
	c := openCache(t)
	path, packed := write(t, "x", fixtureDisk()), write(t, "y", gzipped(t, fixtureDisk()))
	settle(t, packed)
	mustBase(t, c, path, Options{})
	kept := mustBase(t, c, packed, Options{})
	later := time.Now().Add(forgetAfter + time.Hour)
	c.now = func() time.Time { return later }
	if err := c.sweep(); err != nil {
		t.Fatal(err)
	}
	if c.readNote(kept.Image.Digest) == nil || len(images(t, c)) != 1 {
		t.Error("an image or its note went")
	}
	if seen, _ := os.ReadDir(c.seen); len(seen) != 0 {
		t.Errorf("old notes stayed: %v", seen)
	}
	if noteName(t, c) != kept.Image.Digest.Hex()+".json" {
		t.Error("the wrong note stayed")
	}
}

func TestFoldersOfCache(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a", "b")
	c, err := OpenCache(root)
	if err != nil {
		t.Fatal(err)
	}
	for dir, mode := range map[string]os.FileMode{c.dir: 0o711, c.seen: 0o700} {
		if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", dir, fi.Mode(), err, mode)
		}
	}
	file := write(t, "x", nil)
	if _, err := OpenCache(file); err == nil {
		t.Error("a cache in a file was opened")
	}
}

func TestWaitingForLockEndsWithContext(t *testing.T) {
	c := openCache(t)
	path := write(t, "x", fixtureDisk())
	src, err := openSource(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	lock, err := tryLock(filepath.Join(c.seen, src.id.key()+".lock"), 2 /* LOCK_EX */)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.release()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Base(ctx, path, Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v; want the deadline", err)
	}
}

func BenchmarkBaseHit(b *testing.B) {
	for name, content := range map[string][]byte{"qcow2-in-place": qcow2Of(b, fixtureDisk()), "raw.gz": gzipped(b, fixtureDisk())} {
		b.Run(name, func(b *testing.B) {
			c, path := openCache(b), write(b, "x", content)
			settle(b, path)
			mustBase(b, c, path, Options{})
			for b.Loop() {
				base, err := c.Base(b.Context(), path, Options{})
				if err != nil || !base.FromCache {
					b.Fatal(base, err)
				}
				base.Close()
			}
		})
	}
}

func BenchmarkBaseMiss(b *testing.B) {
	raw := fixtureDisk()
	for name, content := range map[string][]byte{"qcow2-in-place": qcow2Of(b, raw), "raw.gz": gzipped(b, raw), "raw.xz": xzipped(b, raw), "raw.zst": zstded(b, raw)} {
		b.Run(name, func(b *testing.B) {
			path := write(b, "x", content)
			b.SetBytes(fixtureSize)
			for b.Loop() {
				b.StopTimer()
				c := openCache(b)
				b.StartTimer()
				base, err := c.Base(b.Context(), path, Options{})
				if err != nil || base.FromCache {
					b.Fatal(base, err)
				}
				base.Close()
			}
		})
	}
}

func BenchmarkOverlay(b *testing.B) {
	dir := b.TempDir()
	base := write(b, filepath.Join(dir, "base"), qcow2Of(b, fixtureDisk()))
	path := filepath.Join(dir, "over")
	for b.Loop() {
		if err := Overlay(b.Context(), path, base, artifact.QCOW2, 0); err != nil {
			b.Fatal(err)
		}
		os.Remove(path)
	}
}
