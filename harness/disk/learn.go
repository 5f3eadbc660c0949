package disk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

const (
	// A compressed file may unpack to ratioFloor and ratio times its size: a disk of zeros
	// shrinks 1000 times under gzip and 7000 times under xz, but an image with an
	// operating system in it has tens of MiB that hardly shrink.
	ratioFloor = 4 << 30
	ratio      = 4096
)

func newMeter(ctx context.Context, src *source, progress func(done, total int64)) *meter {
	return &meter{ctx: ctx, file: io.NewSectionReader(src.file, 0, src.id.Size), hash: sha256.New(), total: src.id.Size, progress: progress}
}

func (m *meter) digest() artifact.Digest { return artifact.DigestOf([32]byte(m.hash.Sum(nil))) }

// learn reads the file, which the cache does not know in this state.
func (c *Cache) learn(ctx context.Context, src *source, opt Options) (*Base, error) {
	// One process at a time looks at one file; the others then find what it found.
	lock, err := acquire(ctx, filepath.Join(c.seen, src.id.key()+".lock"), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	if b, err := c.known(ctx, src, opt); b != nil || err != nil {
		return b, err
	}
	head, err := readHead(src.file)
	if err != nil {
		return nil, fmt.Errorf("cannot read image %s: %w", src.path, err)
	}
	k, bad := recognise(head)
	if bad != nil {
		return nil, bad
	}
	began := c.now()
	var b *Base
	if (k == kindQCOW2 || k == kindRaw) && !opt.Copy {
		b, err = c.adopt(ctx, src, artifact.Format(k), opt)
	} else {
		b, err = c.importFile(ctx, src, k, opt)
	}
	if err != nil {
		return nil, err
	}
	if src.id.settled(began) {
		err = c.rememberDigest(src.id, b.Image.Digest)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func readHead(r io.ReaderAt) ([]byte, error) {
	head := make([]byte, headSize)
	n, err := r.ReadAt(head, 0)
	if err == io.EOF {
		err = nil
	}
	return head[:n], err
}

// adopt takes a plain image where it lies.
func (c *Cache) adopt(ctx context.Context, src *source, f artifact.Format, opt Options) (*Base, error) {
	seen, err := inspect(ctx, src.path, src.file, f, opt)
	if err != nil {
		return nil, err
	}
	m := newMeter(ctx, src, opt.Progress)
	if err := m.drain(); err != nil {
		return nil, err
	}
	if err := src.unchanged(); err != nil {
		return nil, err
	}
	// What is known of the same bytes under another name may include a stored copy.
	n := c.readNote(m.digest())
	if n == nil {
		n = seen.note(m, f, artifact.Uncompressed)
		n.Disks = []noteDisk{{Format: f, VirtualSize: seen.virtualSize}}
		if err := c.writeNote(n); err != nil {
			return nil, err
		}
	}
	return c.baseOf(n, src, nil), nil
}

// importFile unpacks the file into the cache.
func (c *Cache) importFile(ctx context.Context, src *source, k kind, opt Options) (_ *Base, err error) {
	if b, err := c.sameBytes(ctx, src, opt); b != nil || err != nil {
		return b, err
	}
	imp := &importing{cache: c, src: src, opt: opt, limit: opt.MaxVirtual, meter: newMeter(ctx, src, opt.Progress)}
	defer imp.discard()
	if err := imp.room(0); err != nil {
		return nil, err
	}
	n, err := imp.unpack(ctx, k)
	if err != nil {
		return nil, imp.explain(err)
	}
	if err := src.unchanged(); err != nil {
		return nil, err
	}
	lock, err := c.lockImage(ctx, n.Digest)
	if err != nil {
		return nil, err
	}
	if n, err = imp.publish(ctx, n); err != nil {
		return nil, errors.Join(imp.explain(err), lock.release())
	}
	return c.baseOf(n, src, lock), nil
}

// sameBytes looks for an image imported from another file of the same length, and
// hashes this one if there is any: much less work than to unpack it again.
func (c *Cache) sameBytes(ctx context.Context, src *source, opt Options) (*Base, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list image cache: %w", err)
	}
	for _, e := range entries {
		hex, ok := strings.CutSuffix(e.Name(), ".json")
		d, err := artifact.ParseDigest(hex)
		if !ok || err != nil {
			continue
		}
		if n := c.readNote(d); n == nil || n.Size != src.id.Size || !n.stored(c.dir) {
			continue
		}
		m := newMeter(ctx, src, nil)
		if err := m.drain(); err != nil {
			return nil, err
		}
		return c.knownDigest(ctx, m.digest(), src, opt)
	}
	return nil, nil
}

// importing is one import under way.
type importing struct {
	cache *Cache
	src   *source
	opt   Options
	meter *meter
	limit int64 // on the length of what is unpacked
	temps []*tempFile
}

func (i *importing) discard() {
	for _, t := range i.temps {
		t.discard()
	}
}

// room is the sparseWriter's question whether next bytes may be written.
func (i *importing) room(next int64) error {
	free, err := i.cache.free(i.cache.dir)
	if err != nil {
		return err
	}
	if free-next < i.opt.Reserve {
		return &DiskFullError{Dir: i.cache.dir, Free: free, Reserve: i.opt.Reserve}
	}
	return nil
}

func (i *importing) explain(err error) error {
	var we *writeError
	if errors.As(err, &we) {
		return i.cache.writeFailure(err)
	}
	return err
}

// temp makes a file that is removed should the import fail.
func (i *importing) temp() (*tempFile, error) {
	t, err := newTemp(i.cache.dir)
	if err == nil {
		i.temps = append(i.temps, t)
	}
	return t, err
}

// save writes r into a new temporary file.
func (i *importing) save(r io.Reader) (*tempFile, error) {
	t, err := i.temp()
	if err != nil {
		return nil, err
	}
	w := &sparseWriter{file: t.File, room: i.room}
	return t, w.copyFrom(r)
}

// publish gives the temporary files their final names, unless the same image was
// published meanwhile, and returns the note that is then in force. The caller
// holds the image's lock.
func (i *importing) publish(ctx context.Context, n *note) (*note, error) {
	c := i.cache
	for k, t := range i.temps {
		if err := t.Chmod(0o444); err != nil {
			return nil, &writeError{err}
		}
		if err := t.Sync(); err != nil {
			return nil, &writeError{err}
		}
		fi, err := t.Stat()
		if err != nil {
			return nil, fmt.Errorf("cannot look at an image of the cache: %w", err)
		}
		d := &n.Disks[k]
		d.File, d.Length, d.MtimeNs = n.Digest.Hex()+"."+string(d.Format), fi.Size(), fi.ModTime().UnixNano()
		if k > 0 {
			d.File = fmt.Sprintf("%s-%d.%s", n.Digest.Hex(), k, d.Format)
		}
	}
	// Files and note change together, seen from other processes that publish.
	lock, err := acquire(ctx, filepath.Join(c.dir, "publish.lock"), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	if old := c.readNote(n.Digest); old != nil && old.stored(c.dir) {
		return old, nil
	}
	for k, t := range i.temps {
		if err := t.rename(filepath.Join(c.dir, n.Disks[k].File)); err != nil {
			return nil, err
		}
	}
	if err := syncDir(c.dir); err != nil {
		return nil, err
	}
	return n, c.writeNote(n)
}

// syncDir makes the names of a folder survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot open the image cache: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return &writeError{err}
	}
	return nil
}
