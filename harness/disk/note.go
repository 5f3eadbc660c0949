package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"assay/artifact"
)

// noteVersion changes whenever notes of an older program must not be believed: other
// fields, or a check that was added.
const noteVersion = 1

// maxNote bounds a note's file, in bytes.
const maxNote = 64 << 10

// note is what the cache knows about the image of one digest. All of it follows
// from the image's content.
type note struct {
	Version     int                  `json:"version"`
	Digest      artifact.Digest      `json:"digest"`
	Size        int64                `json:"size"`
	Format      artifact.Format      `json:"format"`
	Compression artifact.Compression `json:"compression,omitempty"`
	Arch        artifact.Arch        `json:"arch,omitempty"`
	Firmwares   []artifact.Firmware  `json:"firmwares,omitempty"`
	Firmware    string               `json:"firmwareReason,omitempty"`
	SectorSize  int64                `json:"sectorSize"`
	Notes       []string             `json:"notes,omitempty"`
	// Disks has the disk that boots first; only a Vagrant box has more.
	Disks []noteDisk `json:"disks"`
}

// noteDisk is one disk of an image.
type noteDisk struct {
	Format      artifact.Format `json:"format"`
	VirtualSize int64           `json:"virtualSize"`
	// File is the unpacked file's name in the cache, empty when there is none: a plain image
	// is used where it lies.
	File string `json:"file,omitempty"`
	// Length and MtimeNs are of File as it was written, to notice when it was not left alone.
	Length  int64 `json:"length,omitempty"`
	MtimeNs int64 `json:"mtimeNs,omitempty"`
}

// stored reports that all disks lie in the cache as they were written.
func (n *note) stored(dir string) bool {
	for _, d := range n.Disks {
		if d.File == "" || !d.intact(dir) {
			return false
		}
	}
	return true
}

func (d noteDisk) intact(dir string) bool {
	fi, err := os.Lstat(filepath.Join(dir, d.File))
	return err == nil && fi.Mode().IsRegular() && fi.Size() == d.Length && fi.ModTime().UnixNano() == d.MtimeNs
}

// within holds an image that was accepted before to the limits of now.
func (n *note) within(opt Options) error {
	for _, d := range n.Disks {
		if d.VirtualSize > opt.MaxVirtual {
			return badInput("", "its virtual disk is %s; more than %s is refused", bytesText(d.VirtualSize), bytesText(opt.MaxVirtual))
		}
		if n.Compression != artifact.Uncompressed && d.Length > opt.MaxSize {
			return tooLarge(opt.MaxSize)
		}
	}
	return nil
}

// readNote returns what is known about a digest, nil when nothing is.
func (c *Cache) readNote(d artifact.Digest) *note {
	var n note
	if !readJSON(filepath.Join(c.dir, d.Hex()+".json"), &n) || n.Version != noteVersion || n.Digest != d || len(n.Disks) == 0 {
		return nil
	}
	for _, k := range n.Disks {
		if k.File != "" && !diskName.MatchString(k.File) {
			return nil
		}
	}
	return &n
}

func (c *Cache) writeNote(n *note) error {
	return c.writeJSON(filepath.Join(c.dir, n.Digest.Hex()+".json"), n)
}

// sight is the digest of one file in one state.
type sight struct {
	Version int             `json:"version"`
	ID      identity        `json:"id"`
	Digest  artifact.Digest `json:"digest"`
}

// digestOf returns the digest remembered for a file in this state, empty when none is.
func (c *Cache) digestOf(id identity) artifact.Digest {
	var s sight
	if !readJSON(filepath.Join(c.seen, id.key()+".json"), &s) || s.Version != noteVersion || s.ID != id {
		return ""
	}
	d, err := artifact.ParseDigest(string(s.Digest))
	if err != nil {
		return ""
	}
	return d
}

func (c *Cache) rememberDigest(id identity, d artifact.Digest) error {
	return c.writeJSON(filepath.Join(c.seen, id.key()+".json"), sight{noteVersion, id, d})
}

// readJSON reports whether v was read. Any other state of the file is like its
// absence: what it says can be found out again.
func readJSON(path string, v any) bool {
	fi, err := os.Lstat(path)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxNote {
		return false
	}
	b, err := os.ReadFile(path)
	return err == nil && json.Unmarshal(b, v) == nil
}

// writeJSON replaces the file as a whole.
func (c *Cache) writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot write a note: %w", err)
	}
	t, err := newTemp(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer t.discard()
	if _, err := t.Write(b); err != nil {
		return c.writeFailure(err)
	}
	return t.rename(path)
}

// writeFailure says of a failed write what the user can do about it.
func (c *Cache) writeFailure(err error) error {
	var we *writeError
	if errors.As(err, &we) {
		err = we.err
	}
	if !isFull(err) {
		return fmt.Errorf("cannot write to the image cache: %w", err)
	}
	free, ferr := c.free(c.dir)
	if ferr != nil {
		free = 0
	}
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &DiskFullError{Dir: c.dir, Free: free, Err: err}
}
