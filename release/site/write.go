package site

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Write makes the site of in at dir and switches all of it at once: dir is a
// symbolic link to a folder beside it, ".NAME.HASH", and a rename moves the link.
// A reader sees the old site or the new one, whatever line a kill hits. With
// nothing changed, nothing is written, and pages that are the same as before are
// links to those. The folder before is kept for readers who are in the middle of
// it; older ones are removed.
//
// It refuses a dir that is there and was not made by Write. One process writes to
// one dir.
func Write(dir string, in Input) error {
	files, err := Render(in)
	if err == nil {
		err = files.Write(dir)
	}
	return err
}

// Write puts files at dir, as the function Write does.
func (f Files) Write(dir string) error {
	if err := f.write(filepath.Clean(dir)); err != nil {
		return fmt.Errorf("cannot write the site at %s: %w", dir, err)
	}
	return nil
}

func (f Files) write(dir string) error {
	parent, prefix := filepath.Dir(dir), "."+filepath.Base(dir)+"."
	now, err := os.Readlink(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("something else is there; move it away or choose another place: %w", err)
	case filepath.Base(now) != now || !strings.HasPrefix(now, prefix):
		return fmt.Errorf("it is a link to %s, which Write did not make", now)
	}
	next := prefix + f.hash()
	if now == next {
		if _, err := os.Stat(filepath.Join(dir, "index.html")); err == nil {
			return nil
		}
	}
	whole := filepath.Join(parent, next)
	if err := f.fill(parent, prefix, now, whole); err != nil {
		return err
	}
	link := filepath.Join(parent, prefix+"link")
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(next, link); err != nil {
		return err
	}
	if err := os.Rename(link, dir); err != nil {
		return err
	}
	if err := syncFolder(parent); err != nil {
		return err
	}
	return removeOld(parent, prefix, now, next)
}

// fill writes a whole folder aside and gives it its name last. Nearly all pages
// of a site are those of the site before: what is on stable storage already is
// not written again.
func (f Files) fill(parent, prefix, before, whole string) error {
	tmp := filepath.Join(parent, prefix+"new")
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	folders := map[string]bool{tmp: true}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%q is no name of a file below it", name)
		}
		to := filepath.Join(tmp, name)
		folders[filepath.Dir(to)] = true
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if before != "" && isLinked(filepath.Join(parent, before, name), to, f[name]) {
			continue
		}
		if err := writeFile(to, f[name]); err != nil {
			return err
		}
	}
	for dir := range folders {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(whole); err != nil { // of a kill before the switch
		return err
	}
	return os.Rename(tmp, whole)
}

// isLinked makes to a link to old, if that has these bytes.
func isLinked(old, to string, b []byte) bool {
	was, err := os.ReadFile(old) //nolint:gosec // ours
	return err == nil && bytes.Equal(was, b) && os.Link(old, to) == nil
}

func writeFile(to string, b []byte) error {
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return errors.Join(err, w.Sync(), w.Close())
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func removeOld(parent, prefix string, keep ...string) error {
	list, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), prefix) && e.IsDir() && !slices.Contains(keep, e.Name()) {
			if err := os.RemoveAll(filepath.Join(parent, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// hash names the content.
func (f Files) hash() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(f)) {
		fmt.Fprintf(h, "%d %s %d ", len(name), name, len(f[name]))
		h.Write(f[name])
	}
	return fmt.Sprintf("%.16x", h.Sum(nil))
}
