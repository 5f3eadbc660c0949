package sign

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"assay/release/sign/scratch"
)

// tmp is where files of the spool are written before they have their name, and
// where programs get folders for a moment. No stream has such a name.
func (s *Signer) tmp() string { return filepath.Join(s.spool, ".tmp") }

// write makes a file of the spool appear whole, on stable storage.
func (s *Signer) write(path string, b []byte) error {
	return s.stored(b, func(tmp string) error { return os.Rename(tmp, path) })
}

// writeOnce makes a file of the spool appear unless it is there, and returns
// what is there.
func (s *Signer) writeOnce(path string, b []byte) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := s.stored(b, func(tmp string) error { return os.Link(tmp, path) }); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path) //nolint:gosec // our spool
}

// stored writes b to stable storage and has put give it a name.
func (s *Signer) stored(b []byte, put func(tmp string) error) error {
	dir, remove, err := scratch.Dir(s.tmp())
	if err != nil {
		return err
	}
	defer remove()
	f, err := os.Create(filepath.Join(dir, "new")) //nolint:gosec // our spool
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return put(f.Name())
}
