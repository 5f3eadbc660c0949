package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fileLock is a flock(2) on a file; the kernel gives it up when the process
// ends, however it ends.
type fileLock struct {
	file *os.File
	path string
}

// errLocked means that another holder has the lock.
var errLocked = errors.New("locked by another process")

// lockPoll is how often a taken lock is tried again: flock has no wait that a
// context could end.
const lockPoll = 20 * time.Millisecond

// acquire takes the lock on path, creating the file, and waits until ctx ends.
// how is unix.LOCK_SH or unix.LOCK_EX.
func acquire(ctx context.Context, path string, how int) (*fileLock, error) {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		l, err := tryLock(path, how)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot lock %s, held by another run: %w", path, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// tryLock takes the lock or returns errLocked at once.
func tryLock(path string, how int) (*fileLock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("cannot open lock file: %w", err)
		}
		ok, err := flockFile(f, how)
		if ok {
			return &fileLock{f, path}, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		// The sweep removed the file between open and lock: make a new one.
	}
}

// flockFile locks f without waiting. It reports false without an error when the file
// has lost its name meanwhile, so that nobody else would meet this lock.
func flockFile(f *os.File, how int) (bool, error) {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, errLocked
	}
	if err != nil {
		return false, fmt.Errorf("cannot lock %s: %w", f.Name(), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, fmt.Errorf("cannot look at %s: %w", f.Name(), err)
	}
	return st.Nlink > 0, nil
}

// release gives the lock up; twice is harmless.
func (l *fileLock) release() error {
	if l == nil || l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}

// remove gives an exclusive lock up and removes its file; who waits for it makes a new one.
func (l *fileLock) remove() {
	os.Remove(l.path)
	l.release()
}
