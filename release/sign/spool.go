package sign

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// write makes a file appear whole, on stable storage.
func write(path string, b []byte) error {
	tmp, err := stored(path, b)
	if err != nil {
		return err
	}
	return errors.Join(os.Rename(tmp, path), os.RemoveAll(tmp))
}

// writeOnce makes a file appear unless it is there, and returns what is there.
func writeOnce(path string, b []byte) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	tmp, err := stored(path, b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path) //nolint:gosec // our spool
}

// stored writes b beside path, under a name that begins with a dot.
func stored(path string, b []byte) (tmp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), err
}
