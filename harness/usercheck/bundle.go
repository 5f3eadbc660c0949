package usercheck

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// content is one file or folder of a check, by its path in the check's folder.
type content struct {
	path string
	dir  bool
	exec bool
	size int64
}

// contents lists a check's own file and its data, within the bounds.
func (c Check) contents(root *os.Root) ([]content, error) {
	st, err := root.Stat(c.File)
	if err != nil {
		return nil, fmt.Errorf("cannot look at it: %w", cause(err))
	}
	all := []content{{path: c.File, exec: true, size: st.Size()}}
	total := st.Size()
	for _, dir := range []string{sharedData, stem(c.File) + ownData} {
		err := fs.WalkDir(root.FS(), dir, func(path string, e fs.DirEntry, err error) error {
			if path == dir && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("cannot read its data %s: %w", path, cause(err))
			}
			switch st, err := e.Info(); {
			case err != nil:
				return fmt.Errorf("cannot read its data %s: %w", path, cause(err))
			case e.IsDir():
				all = append(all, content{path: path, dir: true})
			case !e.Type().IsRegular():
				return fmt.Errorf("its data %s is neither a file nor a folder", path)
			default:
				total += st.Size()
				all = append(all, content{path: path, exec: st.Mode()&0o111 != 0, size: st.Size()})
			}
			if len(all) > filesLimit {
				return fmt.Errorf("it has more than %d data files", filesLimit)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if total > sizeLimit {
		return nil, fmt.Errorf("it is too large: %d MiB with its data, at most %d are copied into a guest", total>>20, sizeLimit>>20)
	}
	return all, nil
}

// Pack writes the check, its data and the programs for reboots to a tar
// archive, which becomes its Bundle.
func (c *Check) Pack(bundle string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot pack the check %s: %w", filepath.Join(c.Folder, c.File), err)
		}
	}()
	root, err := os.OpenRoot(c.Folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read from
	all, err := c.contents(root)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(bundle, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	for _, e := range all {
		if err := add(w, root, e); err != nil {
			return err
		}
	}
	for _, p := range []struct{ name, text string }{{rebootProgram, rebootScript}, {prepareProgram, prepareScript}} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: p.name, Mode: 0o755, Size: int64(len(p.text)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		if _, err := io.WriteString(w, p.text); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	c.Bundle = bundle
	return nil
}

// add writes one file or folder, readable for all and nobody's but root's.
func add(w *tar.Writer, root *os.Root, e content) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(e.path), Mode: 0o644, Size: e.size, Format: tar.FormatPAX}
	switch {
	case e.dir:
		h.Typeflag, h.Name, h.Mode, h.Size = tar.TypeDir, h.Name+"/", 0o755, 0
		return w.WriteHeader(h)
	case e.exec:
		h.Mode = 0o755
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	f, err := root.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	// A file that grew since it was looked at ends the archive's patience, one
	// that shrank does too.
	if n, err := io.Copy(w, f); err != nil || n != e.size {
		return fmt.Errorf("%s changed while it was read (%d of %d bytes): %w", e.path, n, e.size, errors.Join(err, errChanged))
	}
	return nil
}

var errChanged = errors.New("try again")
