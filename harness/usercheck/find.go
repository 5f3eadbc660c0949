package usercheck

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is copied into a guest.
const (
	// sizeLimit is for a check with all its data, in bytes.
	sizeLimit = 32 << 20
	// filesLimit is how many data files a check may have.
	filesLimit = 1000
	// checksLimit is how many checks there may be in all folders.
	checksLimit = 500
)

const (
	// sharedData is the folder of data for all checks beside it.
	sharedData = "data"
	// ownData ends the name of one check's own folder of data.
	ownData = ".d"
	// headerFile ends the name of the file that holds the header of a program
	// that has no comments.
	headerFile = ".assay"
)

// fileShape keeps names of files fit for any shell and any file system.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// Error is everything that is wrong with the folders of checks.
type Error struct{ Problems []error }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("cannot use your own checks:")
	if len(e.Problems) == 1 {
		return b.String() + " " + e.Problems[0].Error()
	}
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() []error { return e.Problems }

// Find returns the checks in the folders, ordered by suite and name. The error is an *Error
// with everything that is wrong. A file without a header that is not executable
// is no check and is left alone, and so is one whose name begins with a dot.
func Find(folders []string) ([]Check, error) {
	var all []Check
	var wrong []error
	var seen []string
	for _, folder := range folders {
		abs, err := filepath.Abs(folder)
		if err != nil {
			return nil, err
		}
		if slices.Contains(seen, abs) {
			continue
		}
		seen = append(seen, abs)
		found, problems := findIn(abs)
		all, wrong = append(all, found...), append(wrong, problems...)
	}
	slices.SortStableFunc(all, func(a, b Check) int {
		return cmp.Or(strings.Compare(a.Suite().Name, b.Suite().Name), strings.Compare(a.Name, b.Name))
	})
	for n := 1; n < len(all); n++ {
		if a, b := all[n-1], all[n]; a.ID() == b.ID() {
			wrong = append(wrong, fmt.Errorf("%s and %s are both named %s", filepath.Join(a.Folder, a.File), filepath.Join(b.Folder, b.File), a.ID()))
		}
	}
	if len(all) > checksLimit {
		wrong = append(wrong, fmt.Errorf("there are %d, more than %d", len(all), checksLimit))
	}
	if len(wrong) > 0 {
		return nil, &Error{wrong}
	}
	return all, nil
}

// findIn reads one folder. What leads out of it is refused.
func findIn(folder string) (found []Check, wrong []error) {
	bad := func(file string, err error) {
		name := filepath.Join(folder, file)
		if !strconv.CanBackquote(name) { // it could steer a terminal, or pass for another line
			name = strconv.Quote(name)
		}
		wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
	}
	// Opening a FIFO would wait for whoever writes to it.
	if st, err := os.Stat(folder); err == nil && !st.IsDir() {
		return nil, []error{fmt.Errorf("cannot read the folder %s: it is no folder", folder)}
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, []error{fmt.Errorf("cannot read the folder %s: %w", folder, cause(err))}
	}
	defer func() { _ = root.Close() }() // only read from
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, []error{fmt.Errorf("cannot read the folder %s: %w", folder, cause(err))}
	}
	stems := map[string]bool{sharedData: true}
	var data []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, "."), strings.HasSuffix(name, headerFile):
			continue
		case e.IsDir():
			data = append(data, name)
			continue
		}
		c, err := readCheck(root, name)
		if err != nil {
			bad(name, err)
			continue
		}
		if c != nil {
			c.Folder = folder
			found = append(found, *c)
			stems[stem(name)+ownData] = true
		}
	}
	for _, e := range entries {
		if of, ok := strings.CutSuffix(e.Name(), headerFile); ok && of != "" && !slices.ContainsFunc(found, func(c Check) bool { return c.File == of }) {
			if _, err := root.Stat(of); errors.Is(err, fs.ErrNotExist) {
				bad(e.Name(), fmt.Errorf("it is the header of %s, which is not there", of))
			}
		}
	}
	for _, name := range data {
		if strings.HasSuffix(name, ownData) && !stems[name] && len(wrong) == 0 {
			bad(name, errors.New("it holds the data of no check here"))
		}
	}
	if len(found) == 0 && len(wrong) == 0 {
		wrong = append(wrong, fmt.Errorf("the folder %s holds no check: no executable file with a header", folder))
	}
	return found, wrong
}

// readCheck reads one file; nil when it is no check.
func readCheck(root *os.Root, name string) (*Check, error) {
	st, err := root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("cannot look at it: %w", cause(err))
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("it is no ordinary file")
	}
	text, line, err := findHeader(root, name)
	executable := st.Mode()&0o111 != 0
	switch {
	case errors.Is(err, errNoHeader) && !executable:
		return nil, nil
	case err != nil:
		return nil, err
	case !executable:
		return nil, fmt.Errorf("it has a header and is not executable; chmod +x makes it a check")
	case !fileName.MatchString(name):
		return nil, fmt.Errorf("the name of the file is not of the form %s", fileName)
	}
	h, err := parseHeader(text, line)
	if err != nil {
		return nil, err
	}
	c := &Check{File: name, Name: stem(name)}
	if err := h.apply(c); err != nil {
		return nil, err
	}
	_, err = c.contents(root)
	return c, err
}

// findHeader returns the header in the file, or in the file that holds it.
func findHeader(root *os.Root, name string) (text string, line int, err error) {
	start, err := readStart(root, name)
	if err != nil {
		return "", 0, err
	}
	text, line, err = headerText(start)
	beside, besideErr := readStart(root, name+headerFile)
	switch {
	case errors.Is(besideErr, fs.ErrNotExist):
		return text, line, err
	case besideErr != nil:
		return "", 0, fmt.Errorf("%s: %w", name+headerFile, besideErr)
	case !errors.Is(err, errNoHeader):
		return "", 0, fmt.Errorf("it has two headers, one in it and one in %s", name+headerFile)
	case len(beside) == headerReach:
		return "", 0, fmt.Errorf("%s is larger than %d bytes", name+headerFile, headerReach-1)
	}
	return string(beside), 0, nil
}

// readStart reads the part of a file in which a header can stand.
func readStart(root *os.Root, name string) ([]byte, error) {
	st, err := root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("cannot look at it: %w", cause(err))
	}
	if !st.Mode().IsRegular() { // opening a pipe would wait
		return nil, errors.New("it is no ordinary file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", cause(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, headerReach))
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", cause(err))
	}
	// A compiled program has no lines worth looking at.
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	return b, nil
}

// stem is a file's name without its extension: the default name of a check, and
// the name of its data.
func stem(name string) string {
	if s := strings.TrimSuffix(name, filepath.Ext(name)); s != "" {
		return s
	}
	return name
}

// cause is the error of a file operation without its path, which the caller names.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
