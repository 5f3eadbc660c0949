package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// source is the file the user named, opened.
type source struct {
	// path is absolute and free of symbolic links, so that a link that is
	// pointed elsewhere during the run changes nothing.
	path string
	file *os.File
	id   identity
}

// identity tells one state of a file from another without reading it: a write
// to the file or a new file in its place changes at least one field.
type identity struct {
	Dev, Ino               uint64
	Size, MtimeNs, CtimeNs int64
}

func identityOf(fi fs.FileInfo) identity {
	st := fi.Sys().(*syscall.Stat_t)
	return identity{
		Dev: uint64(st.Dev), Ino: st.Ino, Size: st.Size,
		MtimeNs: st.Mtim.Nano(), CtimeNs: st.Ctim.Nano(),
	}
}

// key names what is remembered about the file in this state.
func (id identity) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d %d", id.Dev, id.Ino, id.Size, id.MtimeNs, id.CtimeNs))
	return hex.EncodeToString(sum[:16])
}

// clockGrain is a bound on how coarse the clock behind ctime is (one scheduler tick,
// 10 ms at most, with a margin).
const clockGrain = 100 * time.Millisecond

// settled reports that any write after t shows in the identity. A file changed
// within a tick of t could change once more without a new ctime.
func (id identity) settled(t time.Time) bool {
	return t.Sub(time.Unix(0, id.CtimeNs)) > clockGrain
}

// Find looks whether an image is there, without reading it: a name that is not
// that of a file is an InputError.
func Find(path string) error {
	refuse := func(err error, next, format string, args ...any) error {
		return &InputError{Path: path, Problem: fmt.Sprintf(format, args...), Next: next, Err: err}
	}
	const check = "Check the name."
	if path == "" {
		return refuse(nil, "Name an image file.", "the path is empty")
	}
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if to, lerr := os.Readlink(path); lerr == nil {
			return refuse(err, check, "it is a symbolic link to %s, which does not exist", shown(to))
		}
		return refuse(err, check, "there is no such file")
	case errors.Is(err, syscall.ELOOP):
		return refuse(err, check, "it is a symbolic link that leads back to itself")
	case errors.Is(err, fs.ErrPermission):
		return unreadable(path, err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EINVAL):
		return refuse(err, check, "it is not the path of a file: %v", errors.Unwrap(err))
	case err != nil:
		return fmt.Errorf("cannot look at image %s: %w", path, err)
	}
	if err := regular(fi); err != nil {
		return named(err, path)
	}
	return nil
}

func unreadable(path string, err error) error {
	return &InputError{Path: path, Problem: "it cannot be read: permission denied", Next: "Make it readable for the user who runs this.", Err: err}
}

// openSource opens path, or returns an *InputError when it names anything but a
// readable, non-empty regular file. Symbolic links are followed. A FIFO or a
// device is never opened, as opening can block or have effects.
func openSource(path string) (*source, error) {
	if err := Find(path); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve image path %s: %w", path, err)
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, fmt.Errorf("cannot resolve image path %s: %w", path, err)
	}
	// O_NONBLOCK: should a FIFO have taken the file's place since, the open returns.
	f, err := os.OpenFile(abs, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, unreadable(path, err)
		}
		return nil, fmt.Errorf("cannot open image %s: %w", path, err)
	}
	fi, err := f.Stat()
	if err == nil {
		err = regular(fi)
	}
	if err != nil {
		f.Close()
		return nil, named(err, path)
	}
	return &source{path: abs, file: f, id: identityOf(fi)}, nil
}

// regular refuses what is not a regular file with something in it.
func regular(fi fs.FileInfo) error {
	const next = "Name an image file."
	switch m := fi.Mode(); {
	case m.IsDir():
		return badInput(next, "it is a directory")
	case m&fs.ModeNamedPipe != 0:
		return badInput("Write the image to a file and name that.", "it is a named pipe (FIFO)")
	case m&fs.ModeSocket != 0:
		return badInput(next, "it is a socket")
	case m&fs.ModeDevice != 0:
		return badInput("Copy the device to a file and name that.", "it is a device")
	case !m.IsRegular():
		return badInput(next, "it is not a regular file")
	case fi.Size() == 0:
		return badInput("", "it is empty (0 bytes)")
	}
	return nil
}

// unchanged returns an *InputError when the file was written to since it was opened.
func (s *source) unchanged() error {
	fi, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("cannot look at image %s: %w", s.path, err)
	}
	if identityOf(fi) != s.id {
		return badInput("Wait until it is complete, then try again.", "it changed while it was read")
	}
	return nil
}

func (s *source) Close() error { return s.file.Close() }
