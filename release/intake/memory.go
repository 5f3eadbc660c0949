package intake

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"assay/release"
)

// ran is what a schedule remembers.
type ran struct {
	// Day is the last that has had its turn; Packages the digest of the packages of
	// the last compose.
	Day      string `json:"day"`
	Packages string `json:"packages,omitempty"`
	// Begun is a day whose command has begun, with BegunPackages; it may have ended
	// since.
	Begun         string `json:"begun,omitempty"`
	BegunPackages string `json:"begun_packages,omitempty"`
	// Waits is a day that waits for the end of the command of another.
	Waits string `json:"waits,omitempty"`
	// Failures are what the history has not got yet.
	Failures []*release.BuildFailed `json:"failures,omitempty"`
}

// maxFailures bounds what is kept for a history that is away; the oldest go.
const maxFailures = 100

// memory is a file of what was run last. What cannot be written to it counts all
// the same, until the program ends.
type memory struct {
	dir   string
	held  ran
	dirty bool // held is not in the file
}

func (m *memory) path() string { return filepath.Join(m.dir, "last.json") }

// recall says what is remembered, nothing the first time. It fails where what
// happened since has not got into the file: nothing new may begin.
func (m *memory) recall() (r ran, err error) {
	if m.dirty {
		return m.held, m.keep(m.held)
	}
	raw, err := readSmall(m.path())
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	return r, err
}

// keep remembers, and puts it on stable storage.
func (m *memory) keep(r ran) error {
	r.Failures = r.Failures[max(0, len(r.Failures)-maxFailures):]
	m.held, m.dirty = r, true
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.Create(m.path() + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), m.path()); err != nil {
		return err
	}
	dir, err := os.Open(m.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return err
	}
	m.dirty = false
	return nil
}
