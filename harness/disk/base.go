package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// Options bound and steer an import. The zero value has the defaults.
type Options struct {
	// MaxSize bounds what a compressed file may unpack to, in bytes, holes included;
	// 0 is DefaultMaxSize, and no more than a healthy disk shrinks by.
	MaxSize int64
	// MaxVirtual bounds the disk a guest would see, in bytes; 0 is DefaultMaxVirtual.
	MaxVirtual int64
	// Reserve is what must stay free on the cache's file system, in bytes; 0 is
	// DefaultReserve.
	Reserve int64
	// Copy imports a plain qcow2 or raw file too (by reflink where the file system
	// can), for when the user that QEMU runs as cannot read it where it lies.
	Copy bool
	// Progress, when set, is called as the shipped file is read: bytes done of total, at most
	// ten times a second and at its end; not at the same time by two goroutines. It
	// is not called when the cache answers.
	Progress func(done, total int64)

	allowed bool // MaxSize was asked for: it holds however little the file is
}

// Defaults of Options.
const (
	DefaultMaxSize    = 64 << 30
	DefaultMaxVirtual = 1 << 40
	DefaultReserve    = 1 << 30
)

func (o Options) withDefaults() Options {
	o.allowed = o.allowed || o.MaxSize > 0
	for _, d := range []struct {
		v   *int64
		def int64
	}{{&o.MaxSize, DefaultMaxSize}, {&o.MaxVirtual, DefaultMaxVirtual}, {&o.Reserve, DefaultReserve}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return o
}

// Base is a read-only disk image, ready to be the backing file of overlays. As long as it is not
// closed, no other process trims it from the cache.
type Base struct {
	// Image identifies the file as it was shipped.
	Image artifact.Image
	// Path is the absolute path of the disk to boot, Format what it is: QCOW2 or Raw.
	// Nobody may write to it.
	Path   string
	Format artifact.Format
	// Firmwares are those the disk can start with, as far as its first sectors tell, best first.
	// Empty when they tell nothing; FirmwareReason says what was seen.
	Firmwares      []artifact.Firmware
	FirmwareReason string
	// SectorSize is the logical sector size, in bytes, that the partition table was made for: 512,
	// or 4096, and then the guest's disk must have that too.
	SectorSize int64
	// Extra are the further disks of a Vagrant box, in its order; mostly none.
	Extra []Disk
	// Notes are oddities that did not keep the image from being used, a sentence each.
	Notes []string
	// FromCache means that nothing had to be read or unpacked.
	FromCache bool
	// Took is how long Cache.Base took.
	Took time.Duration

	cache *Cache
	// id is the state in which a file used in place was hashed.
	id   identity
	note *note
	lock *fileLock
}

// Disk is a further read-only disk beside the one that boots.
type Disk struct {
	Path        string
	Format      artifact.Format
	VirtualSize int64
}

// InPlace reports that Path is the user's own file, not one of the cache.
func (b *Base) InPlace() bool { return b.lock == nil }

// Overlay makes a qcow2 at path that reads what it lacks from the base. Its virtual size is
// size, in bytes, or the base's when that is more. An existing path is an error.
func (b *Base) Overlay(ctx context.Context, path string, size int64) error {
	return Overlay(ctx, path, b.Path, b.Format, max(size, b.Image.VirtualSize))
}

// Verify returns an error when the base is no longer what was hashed: an
// *InputError when the user's own file, used in place, was written to. It costs a
// look at the file's times; only when ownership or mode has changed (libvirt does that) the
// bytes are read once more.
func (b *Base) Verify() error {
	if !b.InPlace() {
		if !b.note.stored(b.cache.dir) {
			return fmt.Errorf("cannot trust image %s in the cache: it was changed while it was in use", b.Path)
		}
		return nil
	}
	changed := &InputError{Path: b.Image.Path, Problem: "it changed while it was in use, so the results are of no certain image", Next: "Run again when nothing writes to it."}
	src, err := openSource(b.Path)
	if err != nil {
		changed.Err = err
		return changed
	}
	defer src.Close()
	if src.id == b.id {
		return nil
	}
	was, is := b.id, src.id
	was.CtimeNs, is.CtimeNs = 0, 0
	if was != is {
		return changed
	}
	began := b.cache.now()
	m := newMeter(context.Background(), src, nil)
	if err := m.drain(); err != nil {
		return err
	}
	if m.digest() != b.Image.Digest {
		return changed
	}
	if src.id.settled(began) {
		return b.cache.rememberDigest(src.id, b.Image.Digest)
	}
	return nil
}

// Close gives up the base; overlays on it must not be used any more. Twice is
// harmless.
func (b *Base) Close() error { return b.lock.release() }

// Base identifies the image at path, checks it, and imports it into the cache unless it can be
// used in place or was imported before. An *InputError means that the file is no image that can
// be used; any other error is the host's. It blocks while another process imports
// the same file, until ctx ends. The caller closes the Base.
func (c *Cache) Base(ctx context.Context, path string, opt Options) (_ *Base, err error) {
	began := c.now()
	defer func() { err = named(err, path) }()
	opt = opt.withDefaults()
	src, err := openSource(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()

	b, err := c.known(ctx, src, opt)
	if err != nil {
		return nil, err
	}
	if b == nil {
		if b, err = c.learn(ctx, src, opt); err != nil {
			return nil, err
		}
	}
	b.Image.Path = path
	b.Took = c.now().Sub(began)
	return b, nil
}

// known answers from the cache; nil without an error when it cannot.
func (c *Cache) known(ctx context.Context, src *source, opt Options) (*Base, error) {
	d := c.digestOf(src.id)
	if d == "" {
		return nil, nil
	}
	return c.knownDigest(ctx, d, src, opt)
}

func (c *Cache) knownDigest(ctx context.Context, d artifact.Digest, src *source, opt Options) (*Base, error) {
	n := c.readNote(d)
	if n == nil || n.Size != src.id.Size {
		return nil, nil
	}
	if err := n.within(opt); err != nil {
		return nil, err
	}
	var lock *fileLock
	if n.mustBeStored(opt) {
		var err error
		if lock, err = c.lockImage(ctx, d); err != nil {
			return nil, err
		}
		if !n.stored(c.dir) {
			return nil, lock.release()
		}
	}
	b := c.baseOf(n, src, lock)
	b.FromCache = true
	return b, nil
}

// lockImage keeps the images of a digest from being trimmed while they are in use.
func (c *Cache) lockImage(ctx context.Context, d artifact.Digest) (*fileLock, error) {
	return acquire(ctx, c.imageLock(d), unix.LOCK_SH)
}

func (n *note) mustBeStored(opt Options) bool {
	return opt.Copy || n.Compression != artifact.Uncompressed || n.Format == artifact.VagrantLibvirt
}

// baseOf makes a Base of what is known. A lock means that the files of the cache are used,
// none that the user's own is.
func (c *Cache) baseOf(n *note, src *source, lock *fileLock) *Base {
	first := n.Disks[0]
	b := &Base{
		Image: artifact.Image{
			Path: src.path, Format: n.Format, Compression: n.Compression, Arch: n.Arch,
			Digest: n.Digest, Size: n.Size, VirtualSize: first.VirtualSize,
		},
		Path: src.path, Format: first.Format,
		Firmwares: n.Firmwares, FirmwareReason: n.Firmware, SectorSize: n.SectorSize, Notes: n.Notes,
		cache: c, id: src.id, note: n, lock: lock,
	}
	if lock == nil {
		return b
	}
	b.Path = filepath.Join(c.dir, first.File)
	// A sign of use, for trimming the longest unused first.
	now := c.now()
	if err := os.Chtimes(filepath.Join(c.dir, n.Digest.Hex()+".json"), now, now); err != nil && !errors.Is(err, os.ErrPermission) {
		b.Notes = append(b.Notes[:len(b.Notes):len(b.Notes)], fmt.Sprintf("the cache could not note this use: %v", err))
	}
	for _, d := range n.Disks[1:] {
		b.Extra = append(b.Extra, Disk{Path: filepath.Join(c.dir, d.File), Format: d.Format, VirtualSize: d.VirtualSize})
	}
	return b
}
