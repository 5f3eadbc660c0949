package accel

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// memory keeps one answer, valid until the host boots again, QEMU is another
// program, or another user asks.
type memory struct {
	dir, bootIDFile, qemu string
}

const memoryFile = "accel.json"

type answer struct {
	BootID string `json:"boot_id"`
	UID    int    `json:"uid"`
	QEMU   string `json:"qemu"`
	Kind   Kind   `json:"kind"`
	Reason string `json:"reason"`
}

var errNoMemory = errors.New("nowhere to keep the answer")

// key is an answer without what is answered.
func (m memory) key() (answer, error) {
	if m.dir == "" {
		return answer{}, errNoMemory
	}
	id, err := os.ReadFile(m.bootIDFile)
	if err != nil {
		return answer{}, err
	}
	return answer{BootID: strings.TrimSpace(string(id)), UID: os.Getuid(), QEMU: m.qemu}, nil
}

func (m memory) recall() (Kind, string, bool) {
	want, err := m.key()
	if err != nil {
		return "", "", false
	}
	b, err := os.ReadFile(filepath.Join(m.dir, memoryFile))
	if err != nil {
		return "", "", false
	}
	var got answer
	if err := json.Unmarshal(b, &got); err != nil {
		return "", "", false
	}
	if _, err := Parse(string(got.Kind)); err != nil {
		return "", "", false
	}
	want.Kind, want.Reason = got.Kind, got.Reason
	if got != want {
		return "", "", false
	}
	return got.Kind, got.Reason, true
}

func (m memory) keep(kind Kind, reason string) error {
	a, err := m.key()
	if err != nil {
		return err
	}
	a.Kind, a.Reason = kind, reason
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return err
	}
	// Written beside and renamed: two runs may ask at once.
	f, err := os.CreateTemp(m.dir, memoryFile+".*")
	if err != nil {
		return err
	}
	_, werr := f.Write(b)
	if err := errors.Join(werr, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), filepath.Join(m.dir, memoryFile)); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
