package publish

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"assay/artifact"
)

// digestOf hashes a file and counts its bytes.
func digestOf(ctx context.Context, file string) (artifact.Digest, int64, error) {
	f, err := os.Open(file) //nolint:gosec // spool or target
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return digestFrom(ctx, f)
}

// buffers are for hashing: images are read in large pieces, and pages are many.
var buffers = sync.Pool{New: func() any { return new([1 << 20]byte) }}

func digestFrom(ctx context.Context, r io.Reader) (artifact.Digest, int64, error) {
	h := sha256.New()
	buffer := buffers.Get().(*[1 << 20]byte)
	defer buffers.Put(buffer)
	n, err := io.CopyBuffer(h, bound{ctx, r}, buffer[:])
	return artifact.DigestOf([32]byte(h.Sum(nil))), n, err
}

// bound is a reader that ends with its context.
type bound struct {
	ctx context.Context
	r   io.Reader
}

func (b bound) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, context.Cause(b.ctx)
	}
	return b.r.Read(p)
}

// checkFile compares a file with what it has to be.
func checkFile(ctx context.Context, file string, it item) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s", errMissing, file)
	case err != nil:
		return err
	case info.Size() != it.size:
		return fmt.Errorf("%w: %s has %d bytes, want %d", errDigest, file, info.Size(), it.size)
	case it.digest == "":
		return nil
	}
	d, _, err := digestOf(ctx, file)
	if err == nil && d != it.digest {
		err = fmt.Errorf("%w: %s has %s, want %s", errDigest, file, d, it.digest)
	}
	return err
}

// reflink clones a file, where the file system can: a copy that shares its
// blocks until one of the two changes.
func reflink(from, to string) error {
	src, err := os.Open(from) //nolint:gosec // see callers
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // published
	if err != nil {
		return err
	}
	err = unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
	err = errors.Join(err, dst.Close())
	if err != nil {
		_ = os.Remove(to)
	}
	return err
}

// copyFile writes a new file from r, on stable storage.
func copyFile(ctx context.Context, to string, r io.Reader) error {
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // published
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{dst}, bound{ctx, r}, make([]byte, 1<<20))
	err = errors.Join(err, dst.Sync(), dst.Close())
	if err != nil {
		_ = os.Remove(to)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // spool or target
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeFile makes a file appear whole, written through a temporary one in tmp.
func writeFile(tmp, to string, b []byte) error {
	f, err := os.CreateTemp(tmp, "new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}
