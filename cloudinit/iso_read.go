package cloudinit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"syscall"
)

// Bounds of an ISO that is read: a seed is kilobytes.
const (
	maxISOSize    = 64 << 20
	maxISOEntries = 4096
	maxISOData    = 16 << 20
)

// Volume is what an ISO image holds.
type Volume struct {
	// Label is the volume's name.
	Label string
	// Documents are all files, sorted by name.
	Documents []Document
}

// Open reads an ISO image whole. An image that is not one, is damaged or is
// larger than any seed is an InputError; a file that cannot be read is not.
func Open(path string) (*Volume, error) {
	// O_NONBLOCK: a FIFO is opened at once, and refused.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open seed: %w", err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot open seed: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, &InputError{File: path, Err: errors.New("is not a regular file")}
	}
	v, err := Read(f, st.Size())
	if err != nil {
		return nil, &InputError{File: path, Err: err}
	}
	return v, nil
}

// Read reads the ISO image of size bytes in r: the primary volume, with names
// from Rock Ridge where they are there, else in lower case without version, as
// Linux shows them. It is ours, and not the writing library's, because it has to
// tell on that library, and because that one panics on damaged images.
// Source: ECMA-119 (sections 8.4, 9.1); IEEE P1281 and P1282 for Rock Ridge.
func Read(r io.ReaderAt, size int64) (*Volume, error) {
	if size > maxISOSize {
		return nil, fmt.Errorf("is %d bytes, more than any seed (%d)", size, maxISOSize)
	}
	iso := &isoReader{r: r, size: size, seen: map[uint32]bool{}}
	pvd, err := iso.at(16*sectorSize, sectorSize)
	if err != nil || string(pvd[1:6]) != "CD001" {
		return nil, errors.New("is not an ISO 9660 image")
	}
	if pvd[0] != 1 {
		return nil, errors.New("has no primary volume descriptor in its first place")
	}
	if bs := binary.LittleEndian.Uint16(pvd[128:]); bs != sectorSize {
		return nil, fmt.Errorf("has blocks of %d bytes instead of %d", bs, sectorSize)
	}
	root, err := parseRecord(pvd[156 : 156+34])
	if err != nil {
		return nil, err
	}
	if err := iso.folder(root, "", 0); err != nil {
		return nil, err
	}
	sort.Slice(iso.docs, func(i, j int) bool { return iso.docs[i].Name < iso.docs[j].Name })
	for i := 1; i < len(iso.docs); i++ {
		if iso.docs[i].Name == iso.docs[i-1].Name {
			return nil, fmt.Errorf("holds two files called %.60q", iso.docs[i].Name)
		}
	}
	return &Volume{Label: strings.TrimRight(string(pvd[40:72]), " \x00"), Documents: iso.docs}, nil
}

type isoReader struct {
	r       io.ReaderAt
	size    int64
	seen    map[uint32]bool
	entries int
	bytes   int64
	docs    []Document
}

// at reads n bytes at off, within the image.
func (i *isoReader) at(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > i.size || n > i.size-off {
		return nil, errors.New("is cut short or damaged: it points behind its end")
	}
	if i.bytes += n; i.bytes > maxISOData {
		return nil, fmt.Errorf("holds more than %d bytes of data", maxISOData)
	}
	b := make([]byte, n)
	if _, err := i.r.ReadAt(b, off); err != nil && (err != io.EOF || n == 0) {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return b, nil
}

func (i *isoReader) folder(rec *isoRecord, name string, depth int) error {
	if depth > maxISODepth {
		return errors.New("nests folders too deep")
	}
	if i.seen[rec.extent] {
		return errors.New("is damaged: a folder lies within itself or twice")
	}
	i.seen[rec.extent] = true
	data, err := i.at(int64(rec.extent)*sectorSize, int64(rec.size))
	if err != nil {
		return err
	}
	for off := 0; off < len(data); {
		n := int(data[off])
		if n == 0 { // records do not cross sectors; the rest of this one is padding
			off = (off/sectorSize + 1) * sectorSize
			continue
		}
		if off+n > len(data) {
			return errors.New("is damaged: a directory record is cut off")
		}
		child, err := parseRecord(data[off : off+n])
		if err != nil {
			return err
		}
		off += n
		if child.name == "\x00" || child.name == "\x01" { // "." and ".."
			continue
		}
		if i.entries++; i.entries > maxISOEntries {
			return fmt.Errorf("holds more than %d files", maxISOEntries)
		}
		if err := i.entry(child, name, depth); err != nil {
			return err
		}
	}
	return nil
}

func (i *isoReader) entry(rec *isoRecord, parent string, depth int) error {
	if rec.name == "" || strings.ContainsAny(rec.name, "/\x00") {
		return fmt.Errorf("is damaged: %.40q is not a file name", rec.name)
	}
	full := parent + rec.name
	if rec.folder {
		return i.folder(rec, full+"/", depth+1)
	}
	data, err := i.at(int64(rec.extent)*sectorSize, int64(rec.size))
	if err != nil {
		return fmt.Errorf("%s: %w", full, err)
	}
	i.docs = append(i.docs, Document{Name: full, Data: data})
	return nil
}

// isoRecord is a directory record (ECMA-119, 9.1).
type isoRecord struct {
	name         string
	extent, size uint32
	folder       bool
}

func parseRecord(b []byte) (*isoRecord, error) {
	if len(b) < 34 || int(b[0]) > len(b) || 33+int(b[32]) > len(b) {
		return nil, errors.New("is damaged: a directory record is too short")
	}
	rec := &isoRecord{
		extent: binary.LittleEndian.Uint32(b[2:]),
		size:   binary.LittleEndian.Uint32(b[10:]),
		folder: b[25]&2 != 0,
	}
	if b[25]&0x80 != 0 || b[26] != 0 || b[27] != 0 {
		return nil, errors.New("holds a file in several pieces, which no seed needs")
	}
	id := string(b[33 : 33+int(b[32])])
	if id == "\x00" || id == "\x01" {
		rec.name = id
		return rec, nil
	}
	// The name is padded to an even length; what follows is the system use area.
	use := 33 + len(id) + (len(id)+1)%2
	if use < len(b) {
		rec.name = rockRidgeName(b[use:])
	}
	if rec.name == "" {
		base, _, _ := strings.Cut(id, ";")
		rec.name = strings.ToLower(strings.TrimSuffix(base, "."))
	}
	return rec, nil
}

// rockRidgeName joins the NM entries of a system use area; empty without any.
func rockRidgeName(b []byte) string {
	var name strings.Builder
	for len(b) >= 5 {
		n := int(b[2])
		if n < 5 || n > len(b) {
			break
		}
		if string(b[:2]) == "NM" {
			name.Write(b[5:n])
		}
		b = b[n:]
	}
	return name.String()
}
