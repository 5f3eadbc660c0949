package keeper

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lockName is the file in a run's folder whose flock says that the run lives.
	lockName = "lock"
	// gateName is a file beside the runs' folders. Who makes a folder, and who looks
	// for dead ones, holds its flock meanwhile, so that nobody sees a folder
	// that has no lock yet.
	gateName = ".gate"
)

// RunDir is the folder of a living run.
type RunDir struct {
	// ID names the run: 12 lower-case letters and digits that sort by the second of
	// their making. Short, because unix socket paths hold 107 bytes.
	ID string
	// Path is <runs>/<ID>, absolute.
	Path string

	lock  *os.File
	close sync.Once
	err   error
}

// NewRun makes the folder of a new run, with its lock held. Others may pass
// through the folder (QEMU runs as another user) and not list it.
// uri is the libvirt whose guests the run makes, for who cleans up after it.
func NewRun(runsDir, uri string) (*RunDir, error) {
	r, err := newRun(runsDir, uri)
	if err != nil {
		return nil, fmt.Errorf("cannot make a folder for the run in %s: %w", runsDir, err)
	}
	return r, nil
}

func newRun(runsDir, uri string) (_ *RunDir, err error) {
	runsDir, err = filepath.Abs(runsDir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(runsDir, 0o755); err != nil {
		return nil, err
	}
	gate, err := lockFile(filepath.Join(runsDir, gateName), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	r := &RunDir{ID: newID(time.Now())}
	r.Path = filepath.Join(runsDir, r.ID)
	if err := os.Mkdir(r.Path, 0o711); err != nil {
		return nil, err
	}
	if r.lock, err = lockFile(filepath.Join(r.Path, lockName), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, os.Remove(r.Path))
	}
	// The lock outlives every other file of the folder, so it tells.
	if _, err := r.lock.WriteString(uri); err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.Path), r.lock.Close())
	}
	return r, nil
}

// Close lets go of the lock. The folder itself is the caller's to remove,
// before this: a folder left behind without its lock is taken for a dead run's.
// Closing twice is harmless.
func (r *RunDir) Close() error {
	r.close.Do(func() { r.err = r.lock.Close() })
	return r.err
}

// base32 with digits before letters keeps the order of what it encodes.
var idText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func newID(now time.Time) string {
	// 35 bits of seconds fill 7 letters and reach beyond the year 3000.
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(now.Unix())<<29)
	var r [4]byte
	_, _ = rand.Read(r[:]) // never fails
	return idText.EncodeToString(b[:])[:7] + idText.EncodeToString(r[:])[:5]
}

func isRunID(name string) bool {
	return len(name) == 12 && strings.Trim(name, "0123456789abcdefghijklmnopqrstuv") == ""
}

// lockFile opens a file, makes it if need be, and takes a flock on it. The file closes
// on exec, so no child keeps the lock.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			if err != nil {
				return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
			}
			return nil
		}
	}
}
