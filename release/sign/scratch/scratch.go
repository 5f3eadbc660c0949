// Package scratch gives out folders for a moment, below one that lasts. Whoever
// is killed leaves its folder there, and Sweep finds those that nobody holds any
// more: the kernel drops the lock of a process with its life. Nothing is put
// into the system's temporary folder.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// prefix begins the names of the folders that are given out.
	prefix = "moment-"
	// door is locked by who sweeps, and shared by who makes a folder, so that
	// none is swept before its owner holds it.
	door = ".door"
)

// Dir makes a folder below base, which is made when it is missing. The folder is
// its caller's until remove is called or the process ends.
func Dir(base string) (dir string, remove func(), err error) {
	fail := func(err error) (string, func(), error) {
		return "", nil, fmt.Errorf("cannot make a folder for a moment in %s: %w", base, err)
	}
	if !filepath.IsAbs(base) {
		return fail(errors.New("want an absolute path"))
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return fail(err)
	}
	open, err := locked(filepath.Join(base, door), os.O_RDWR|os.O_CREATE, syscall.LOCK_SH)
	if err != nil {
		return fail(err)
	}
	defer unlock(open)
	dir, err = os.MkdirTemp(base, prefix)
	if err != nil {
		return fail(err)
	}
	held, err := locked(dir, os.O_RDONLY, syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return fail(errors.Join(err, os.RemoveAll(dir)))
	}
	return dir, func() {
		_ = os.RemoveAll(dir) // else it is swept
		unlock(held)
	}, nil
}

// Sweep removes the folders below base that were left by processes that are no
// more. Those in use stay, and a base that is not there has none.
func Sweep(base string) error {
	if _, err := os.Stat(base); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	closed, err := locked(filepath.Join(base, door), os.O_RDWR|os.O_CREATE, syscall.LOCK_EX)
	if err != nil {
		return fmt.Errorf("cannot sweep %s: %w", base, err)
	}
	defer unlock(closed)
	all, err := os.ReadDir(base)
	if err != nil {
		return fmt.Errorf("cannot sweep %s: %w", base, err)
	}
	var errs []error
	for _, e := range all {
		dir := filepath.Join(base, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		held, err := locked(dir, os.O_RDONLY, syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		default:
			errs = append(errs, os.RemoveAll(dir))
			unlock(held)
		}
	}
	return errors.Join(errs...)
}

func locked(path string, flags, how int) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return f, nil
}

// unlock says so to the kernel: a child that was just forked may have the file
// open, too.
func unlock(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}
