package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The files of a results folder that this package writes. Beside them stand
// the guests' consoles, journals and commands, which evidence points to.
const (
	ResultsFile = "results.json"
	JUnitFile   = "junit.xml"
	TAPFile     = "results.tap"
	PageFile    = "index.html"
)

// MaxResultsSize bounds what Read takes, in bytes: a run of a thousand cases
// with full evidence is a tenth of it.
const MaxResultsSize = 64 << 20

// FormatError means that what is at Path is no results this program can use.
type FormatError struct {
	Path string
	Err  error
}

func (e *FormatError) Error() string { return fmt.Sprintf("cannot read results %s: %v", e.Path, e.Err) }
func (e *FormatError) Unwrap() error { return e.Err }

// VersionError means that results were written in a later format than this
// program reads. A *FormatError wraps it.
type VersionError struct{ Got int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("they have format version %d and this program reads up to %d: use a newer assay", e.Got, FormatVersion)
}

// Write puts results.json, junit.xml, results.tap and index.html into dir,
// which it makes when it is missing. Each file appears whole or not at all,
// results.json first; a rendering that fails does not keep the others from
// being written. A run that does not Validate is refused.
//
// What is written has its counts taken anew, texts cut to their limits and no
// null lists. run itself only gets its Dir set.
func Write(dir string, run *Run) error {
	r := run.tidy()
	if err := r.Validate(); err != nil {
		return fmt.Errorf("cannot write results to %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the results folder: %w", err)
	}
	var b bytes.Buffer
	if err := EncodeJSON(&b, r); err != nil {
		return err
	}
	if b.Len() > MaxResultsSize {
		return fmt.Errorf("cannot write %s: %d bytes are more than the %d that any reader takes", ResultsFile, b.Len(), MaxResultsSize)
	}
	if err := writeFile(filepath.Join(dir, ResultsFile), b.Bytes()); err != nil {
		return err
	}
	run.Dir = dir
	return Render(dir, r)
}

// Render writes the files that follow from results.json, and not that one.
func Render(dir string, run *Run) error {
	r := run.tidy()
	var errs []error
	for _, f := range []struct {
		name   string
		encode func(io.Writer, *Run) error
	}{{JUnitFile, EncodeJUnit}, {TAPFile, EncodeTAP}, {PageFile, EncodePage}} {
		var b bytes.Buffer
		err := f.encode(&b, r)
		if err == nil {
			err = writeFile(filepath.Join(dir, f.name), b.Bytes())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// EncodeJSON writes run as results.json has it.
func EncodeJSON(w io.Writer, run *Run) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(run.tidy()); err != nil {
		return fmt.Errorf("cannot encode results: %w", err)
	}
	return nil
}

// Read takes a results folder or a results.json and checks it: its size, its
// version (a later one is a *VersionError), its words (see Validate). Fields
// that this version does not know are left out of what it returns and stay in
// the file. Counts are taken anew from the cases.
//
// What is there and is no usable results.json is a *FormatError; what cannot
// be opened is the file system's error.
func Read(path string) (*Run, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read results: %w", err)
	}
	if st.IsDir() {
		dir := path
		path = filepath.Join(dir, ResultsFile)
		if st, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, &FormatError{dir, errors.New("the folder holds no " + ResultsFile)}
		} else if err != nil {
			return nil, fmt.Errorf("cannot read results: %w", err)
		}
	}
	// A pipe or a device might never end, or never begin.
	if !st.Mode().IsRegular() {
		return nil, &FormatError{path, errors.New("it is not a regular file")}
	}
	if st.Size() > MaxResultsSize {
		return nil, &FormatError{path, errTooLarge}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read results: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxResultsSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read results: %w", err)
	}
	run, err := decode(data)
	if err != nil {
		return nil, &FormatError{path, err}
	}
	run.Dir = filepath.Dir(path)
	return run, nil
}

var errTooLarge = fmt.Errorf("the file is larger than %d bytes", MaxResultsSize)

func decode(data []byte) (*Run, error) {
	if len(data) > MaxResultsSize {
		return nil, errTooLarge // it grew while it was read
	}
	// The version first: a later format may differ anywhere else.
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, located(err, data)
	}
	switch {
	case head.Version == nil:
		return nil, errors.New("it has no version, so assay did not write it")
	case *head.Version > FormatVersion:
		return nil, &VersionError{Got: *head.Version}
	}
	var run Run
	if err := json.Unmarshal(data, &run); err != nil {
		return nil, located(err, data)
	}
	if err := run.Validate(); err != nil {
		return nil, err
	}
	return run.tidy(), nil
}

// located adds line and column to an error of encoding/json.
func located(err error, data []byte) error {
	var at int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	default:
		return err
	}
	before := data[:min(max(at, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}

// tidy returns a copy of r that is fit to be written: counted, with texts
// cut to their limits and lists that are not null.
func (r *Run) tidy() *Run {
	t := *r
	t.Suites = append(make([]Suite, 0, len(r.Suites)), r.Suites...)
	for i := range t.Suites {
		s := &t.Suites[i]
		s.Cases = append(make([]Case, 0, len(s.Cases)), s.Cases...)
		for j := range s.Cases {
			c := &s.Cases[j]
			c.Message = clip(c.Message, MessageLimit)
			c.Details = excerpt(c.Details, DetailsLimit)
			c.Evidence = slices.Clone(c.Evidence)
			for k := range c.Evidence {
				c.Evidence[k].Excerpt = Excerpt(c.Evidence[k].Excerpt)
			}
		}
	}
	t.Counts = Count(t.Suites)
	return &t
}

// writeFile puts data at path in one step: a reader sees the old file or the
// new one.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("cannot write %s: %w", path, err)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
