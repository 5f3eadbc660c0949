package machine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// pipeSize is how much is under way between the saved guest's page cache and
// QEMU; 1 MiB is what an ordinary user may ask for (fs.pipe-max-size).
const pipeSize = 1 << 20

// feeder gives libvirt a pipe that reads as a file would: a head of our own and
// then the rest of the saved guest. Nothing is written to a disk, and the
// saved guest's pages are handed over without a copy.
type feeder struct {
	path string
	pipe *os.File
	src  *os.File
	done chan struct{}
	err  error
	// stopping is set before the pipe is closed under feed's hands.
	stopping atomic.Bool
}

// startFeeder makes the pipe at path and feeds it until stop is called.
func startFeeder(path string, head []byte, saved string, from int64) (*feeder, error) {
	src, err := os.Open(saved)
	if err != nil {
		return nil, err
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		src.Close()
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	// Opened for both, a pipe opens without waiting for libvirt, and libvirt
	// does not wait for us.
	pipe, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		src.Close()
		return nil, errors.Join(fmt.Errorf("cannot open the pipe: %w", err), os.Remove(path))
	}
	f := &feeder{path: path, pipe: pipe, src: src, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		// An error after stop was called is stop's own doing.
		if err := f.feed(head, from); err != nil && !f.stopping.Load() {
			f.err = err
		}
	}()
	return f, nil
}

func (f *feeder) feed(head []byte, from int64) error {
	raw, err := f.pipe.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) {
		// A smaller pipe is slower and does as well.
		_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
	}); err != nil {
		return err
	}
	if _, err := f.pipe.Write(head); err != nil {
		return err
	}
	fed := int64(len(head))
	for {
		var n int64
		var serr error
		err := raw.Write(func(fd uintptr) bool {
			n, serr = unix.Splice(int(f.src.Fd()), &from, int(fd), nil, pipeSize, unix.SPLICE_F_NONBLOCK)
			return !errors.Is(serr, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return err
		case errors.Is(serr, unix.EINTR):
		case serr != nil:
			f.pipe.Close() // else QEMU waits for what will not come
			return fmt.Errorf("cannot feed the saved guest: %w", serr)
		case n == 0 && fed > pipeSize:
			// More than the pipe holds: somebody reads, who must see the end, or
			// QEMU waits for ever for what is missing from a damaged file.
			return f.pipe.Close()
		case n == 0:
			// Perhaps nobody reads yet, and a pipe's content goes with its last
			// descriptor. It stays open until stop.
			return nil
		}
		fed += n
	}
}

// stop ends the feeding and removes the pipe. What failed on our side is
// returned; that libvirt stopped reading is its own error to report.
func (f *feeder) stop() error {
	f.stopping.Store(true)
	f.pipe.Close() // it may be closed
	<-f.done
	f.src.Close()
	return errors.Join(f.err, removeIfThere(f.path))
}

// writeFork writes what a feeder would feed into a file, for a libvirt that
// does not restore from pipes. File systems that can share blocks do.
func writeFork(path string, head []byte, saved string, from int64) (err error) {
	src, err := os.Open(saved)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := dst.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(path)
		}
	}()
	if _, err := dst.Write(head); err != nil {
		return err
	}
	if _, err := src.Seek(from, io.SeekStart); err != nil {
		return err
	}
	// The first part up to a block's end by itself, so that the rest can be
	// shared (copy_file_range clones whole blocks only).
	if part := (blockSize - from%blockSize) % blockSize; part > 0 {
		if _, err := io.CopyN(dst, src, part); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	_, err = io.Copy(dst, src)
	return err
}
