package disk

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tempPrefix begins the names of files that are being made.
const tempPrefix = "tmp-"

// tempFile is a file in the making. It is locked as long as its maker lives, which is
// how the sweep tells it from what a killed run has left.
type tempFile struct {
	*os.File
	gone bool
}

func newTemp(dir string) (*tempFile, error) {
	for {
		f, err := os.CreateTemp(dir, tempPrefix)
		if err != nil {
			return nil, fmt.Errorf("cannot create a file in the cache: %w", err)
		}
		ok, err := flockFile(f, unix.LOCK_EX)
		if ok {
			return &tempFile{File: f}, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, errLocked) {
			os.Remove(f.Name())
			return nil, err
		}
		// The sweep met the file before it was locked, and removes it.
	}
}

// discard closes and removes the file, unless it was renamed; twice is harmless.
func (t *tempFile) discard() {
	if t.gone {
		return
	}
	t.gone = true
	os.Remove(t.Name())
	t.Close()
}

// rename gives the file its final name, replacing what is there, and closes it.
func (t *tempFile) rename(to string) error {
	if err := os.Rename(t.Name(), to); err != nil {
		return fmt.Errorf("cannot rename a file of the cache: %w", err)
	}
	t.gone = true
	return t.Close()
}
