package cloudinit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kdomanski/iso9660"
)

// ErrExists means that WriteISO was to make a file that is there already.
var ErrExists = errors.New("the file is there already")

// ErrNotAFile means that WriteISO was to replace what is no file: a folder, a
// device.
var ErrNotAFile = errors.New("what is there is no regular file, and is not replaced")

// WriteISO writes the seed as an ISO image of mode 0600 at path. Without
// replace an existing file is left alone and the error is ErrExists; with it the
// file is replaced in one step, and what is no regular file is ErrNotAFile. The image is read back and compared before it
// gets its name, so that whatever stands at path is whole.
func (s *Seed) WriteISO(path string, f Format, replace bool) error {
	docs, err := s.Documents(f)
	if err != nil {
		return err
	}
	return writeISO(path, f.Label(), docs, kdomanskiWriter{}, replace)
}

// isoWriter lays documents out as an ISO 9660 volume. What it writes is not
// trusted: see writeISO.
type isoWriter interface {
	write(w io.Writer, label string, docs []Document) error
}

func writeISO(path, label string, docs []Document, iso isoWriter, replace bool) (err error) {
	if err := checkLayout(label, docs); err != nil {
		return err
	}
	fail := func(cause error) error { return fmt.Errorf("cannot write seed %s: %w", path, cause) }
	// A rename would put the image in the place of a device, too.
	if st, err := os.Stat(path); replace && err == nil && !st.Mode().IsRegular() {
		return fail(ErrNotAFile)
	}
	if !replace {
		// The name is taken first: of two writers one gets it.
		hold, openErr := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(openErr, os.ErrExist) {
			return fail(ErrExists)
		}
		if openErr != nil {
			return fail(openErr)
		}
		defer func() {
			if err != nil {
				_ = os.Remove(path)
			}
		}()
		if err := hold.Close(); err != nil {
			return fail(err)
		}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".assay-seed-*")
	if err != nil {
		return fail(err)
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
	}()
	if err := iso.write(tmp, label, docs); err != nil {
		return fail(err)
	}
	size, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return fail(err)
	}
	got, err := Read(tmp, size)
	if err != nil {
		return fail(fmt.Errorf("reading it back: %w", err))
	}
	if err := sameVolume(got, label, docs); err != nil {
		return fail(fmt.Errorf("reading it back: %w", err))
	}
	if err := tmp.Close(); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fail(err)
	}
	return nil
}

func sameVolume(got *Volume, label string, want []Document) error {
	if got.Label != label {
		return fmt.Errorf("the volume is called %q instead of %q", got.Label, label)
	}
	if len(got.Documents) != len(want) {
		return fmt.Errorf("%d files instead of %d", len(got.Documents), len(want))
	}
	have := map[string][]byte{}
	for _, d := range got.Documents {
		have[d.Name] = d.Data
	}
	for _, d := range want {
		data, ok := have[d.Name]
		if !ok {
			return fmt.Errorf("%s is missing", d.Name)
		}
		if !bytes.Equal(data, d.Data) {
			return fmt.Errorf("%s has other content", d.Name)
		}
	}
	return nil
}

// What the ISO library carries without changing it: it lower-cases, mangles and
// cuts other names, and two that end up equal overwrite each other silently.
var (
	reISOFolder = regexp.MustCompile(`^[a-z0-9_-]{1,31}$`)
	reISOFile   = regexp.MustCompile(`^[a-z0-9_-]{1,16}(\.[a-z0-9]{1,8})?$`)
	reISOLabel  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
)

const (
	sectorSize  = 2048
	maxISODepth = 8
)

// checkLayout refuses what the library would write wrongly.
func checkLayout(label string, docs []Document) error {
	if !reISOLabel.MatchString(label) {
		return fmt.Errorf("cannot write an ISO: %.40q is not a volume name", label)
	}
	if len(docs) == 0 {
		return errors.New("cannot write an ISO: it has no files")
	}
	files, folders := map[string]bool{}, map[string]bool{}
	// used counts the bytes of each folder's directory records, "." and ".." first.
	used := map[string]int{}
	enter := func(dir, name string) error {
		if used[dir] == 0 {
			used[dir] = 2 * 34
		}
		used[dir] += 33 + len(name) + (len(name)+1)%2
		// Records that exactly fill a sector, and those after them, come out wrong.
		if used[dir] >= sectorSize {
			return fmt.Errorf("cannot write an ISO: too many files in folder %q", dir)
		}
		return nil
	}
	for _, d := range docs {
		parts := strings.Split(d.Name, "/")
		if len(parts) > maxISODepth {
			return fmt.Errorf("cannot write an ISO: %.60q lies too deep", d.Name)
		}
		dir := ""
		for _, p := range parts[:len(parts)-1] {
			if !reISOFolder.MatchString(p) {
				return fmt.Errorf("cannot write an ISO: %.60q is not a folder name it can hold", p)
			}
			parent := dir
			dir += p + "/"
			if !folders[dir] {
				folders[dir] = true
				if err := enter(parent, p); err != nil {
					return err
				}
			}
		}
		name := parts[len(parts)-1]
		if !reISOFile.MatchString(name) {
			return fmt.Errorf("cannot write an ISO: %.60q is not a file name it can hold", name)
		}
		if files[d.Name] {
			return fmt.Errorf("cannot write an ISO: %s is there twice", d.Name)
		}
		files[d.Name] = true
		if len(d.Data) > MaxDocument {
			return fmt.Errorf("cannot write an ISO: %s is %d bytes, more than %d", d.Name, len(d.Data), MaxDocument)
		}
		if err := enter(dir, name+";1"); err != nil {
			return err
		}
	}
	for f := range files {
		if folders[f+"/"] {
			return fmt.Errorf("cannot write an ISO: %s is a file and a folder", f)
		}
	}
	return nil
}

// kdomanskiWriter is github.com/kdomanski/iso9660.
type kdomanskiWriter struct{}

func (kdomanskiWriter) write(w io.Writer, label string, docs []Document) (err error) {
	iso, err := iso9660.NewWriter()
	if err != nil {
		return err
	}
	// The library stages the documents, private keys among them, on disk.
	defer func() { err = errors.Join(err, iso.Cleanup()) }()
	for _, d := range docs {
		if err := iso.AddFile(bytes.NewReader(d.Data), d.Name); err != nil {
			return err
		}
	}
	return iso.WriteTo(w, label)
}
