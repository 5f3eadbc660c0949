package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// Trim removes unpacked images, the longest unused first, until those that
// remain take no more than keep bytes of the disk. Images in use by any process are left. It
// returns how many bytes it freed; files of the user are never touched.
func (c *Cache) Trim(keep int64) (freed int64, err error) {
	type stored struct {
		note *note
		used time.Time
		size int64
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return 0, fmt.Errorf("cannot list image cache: %w", err)
	}
	var all []stored
	var total int64
	for _, e := range entries {
		hex, isNote := strings.CutSuffix(e.Name(), ".json")
		d, err := artifact.ParseDigest(hex)
		if !isNote || err != nil {
			continue
		}
		fi, err := e.Info()
		n := c.readNote(d)
		if err != nil || n == nil {
			continue // removed meanwhile
		}
		s := stored{n, fi.ModTime(), 0}
		for _, k := range n.Disks {
			s.size += c.onDisk(k.File)
		}
		if s.size > 0 {
			all = append(all, s)
			total += s.size
		}
	}
	slices.SortFunc(all, func(a, b stored) int { return a.used.Compare(b.used) })
	for _, s := range all {
		if total <= keep {
			break
		}
		gone, err := c.forget(s.note)
		if err != nil {
			return freed, err
		}
		if gone {
			freed += s.size
			total -= s.size
		}
	}
	return freed, nil
}

// onDisk is what a file of the cache takes, holes not counted.
func (c *Cache) onDisk(name string) int64 {
	var st unix.Stat_t
	if name == "" || unix.Lstat(filepath.Join(c.dir, name), &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

// forget removes an image and its note; false when it is in use.
func (c *Cache) forget(n *note) (bool, error) {
	lock, err := tryLock(c.imageLock(n.Digest), unix.LOCK_EX)
	if errors.Is(err, errLocked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.remove()
	names := []string{n.Digest.Hex() + ".json"} // first: files without a note are swept
	for _, d := range n.Disks {
		if d.File != "" {
			names = append(names, d.File)
		}
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("cannot trim image cache: %w", err)
		}
	}
	return true, nil
}
