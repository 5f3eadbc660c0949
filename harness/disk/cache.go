package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// Cache is a folder of unpacked images and of what is known about images seen before. Any
// number of processes may use the same folder. Its methods may be called at the
// same time.
//
//	images/<sha256>.qcow2, .raw    read-only bases, named by the digest of the file as shipped
//	images/<sha256>.json           what the image is
//	images/seen/<key>.json         the digest of a file in a certain state
//	images/*.lock, tmp-*           in use, or left by a killed run
type Cache struct {
	dir  string
	seen string

	// Seams for tests.
	now  func() time.Time
	free func(dir string) (int64, error)
	xz   string // path of the xz program, empty for the library
}

// forgetAfter is when notes about a file that has not been looked at go; the
// images themselves stay.
const forgetAfter = 90 * 24 * time.Hour

// OpenCache opens the cache under root, making folders as needed, and removes
// what killed runs have left there. Nothing has to be closed.
//
// The folder of images can be entered by all users, as QEMU may run as another
// one, and listed by its owner only.
func OpenCache(root string) (*Cache, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("cannot open image cache %s: %w", root, err)
	}
	c := &Cache{dir: filepath.Join(root, "images"), now: time.Now, free: freeBytes, xz: findXZ()}
	c.seen = filepath.Join(c.dir, "seen")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("cannot open image cache: %w", err)
	}
	for dir, mode := range map[string]fs.FileMode{c.dir: 0o711, c.seen: 0o700} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return nil, fmt.Errorf("cannot open image cache: %w", err)
		}
		// Past a umask; a folder of somebody else stays as it is.
		if err := os.Chmod(dir, mode); err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("cannot open image cache: %w", err)
		}
	}
	if err := c.sweep(); err != nil {
		return nil, fmt.Errorf("cannot clean image cache %s: %w; set ASSAY_CACHE to a folder that is yours", c.dir, err)
	}
	return c, nil
}

// Dir is the folder that holds the images.
func (c *Cache) Dir() string { return c.dir }

// sweep removes temporary files and lock files that nobody holds, images that
// nothing is known of, and old notes.
func (c *Cache) sweep() error {
	for _, dir := range []string{c.dir, c.seen} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			switch {
			case !e.Type().IsRegular():
			case strings.HasPrefix(e.Name(), tempPrefix), strings.HasSuffix(e.Name(), ".lock"):
				if err := removeIfFree(path); err != nil {
					return err
				}
			case dir == c.dir && imageName.MatchString(e.Name()):
				if err := c.removeOrphan(e.Name()); err != nil {
					return err
				}
			case strings.HasSuffix(e.Name(), ".json"):
				if fi, err := e.Info(); err == nil && c.now().Sub(fi.ModTime()) > forgetAfter && !c.describesImage(path) {
					os.Remove(path)
				}
			}
		}
	}
	return nil
}

// imageName matches the unpacked images; its first group is the digest's digits.
var imageName = regexp.MustCompile(`^([0-9a-f]{64})(-[0-9]+)?\.(qcow2|raw)$`)

// removeOrphan removes an image without a note: its import was killed between the two.
func (c *Cache) removeOrphan(name string) error {
	d, err := artifact.ParseDigest(imageName.FindStringSubmatch(name)[1])
	if err != nil || c.readNote(d) != nil {
		return err
	}
	// Whoever publishes or uses the image holds its lock.
	lock, err := tryLock(c.imageLock(d), unix.LOCK_EX)
	if errors.Is(err, errLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.remove()
	if c.readNote(d) != nil {
		return nil
	}
	if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (c *Cache) imageLock(d artifact.Digest) string { return filepath.Join(c.dir, d.Hex()+".lock") }

// describesImage reports that the note belongs to an unpacked image.
func (c *Cache) describesImage(note string) bool {
	stem := strings.TrimSuffix(note, ".json")
	for _, ext := range []string{".qcow2", ".raw"} {
		if _, err := os.Lstat(stem + ext); err == nil {
			return true
		}
	}
	return false
}

// removeIfFree removes the file when no process holds its lock.
func removeIfFree(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	ok, err := flockFile(f, unix.LOCK_EX)
	if errors.Is(err, errLocked) || err == nil && !ok {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// freeBytes is what an ordinary user can still write to the file system of dir.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("cannot ask %s for its free space: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
