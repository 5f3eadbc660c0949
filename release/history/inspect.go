package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/minio/highwayhash"
)

// fault is a place in the event store's files that does not look right.
type fault struct {
	// File is relative to the folder of the stream.
	File string `json:"file"`
	// At is where the record begins, in bytes.
	At int `json:"at"`
	// Event is the number of the event that should stand there, as far as the
	// records before it tell.
	Event uint64 `json:"event"`
	What  string `json:"what"`
	// Head is the beginning of what stands there, in hexadecimal digits: it
	// tells this damage from other damage at the same place.
	Head string `json:"head"`
}

func (f fault) String() string {
	if f.At == 0 && f.Event == 0 {
		return fmt.Sprintf("%s %s", f.File, f.What)
	}
	return fmt.Sprintf("%s, byte %d: %s", f.File, f.At, f.What)
}

// storeOf is where the embedded server keeps a stream.
func storeOf(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", stream)
}

const metaFile = "meta.inf"

// inspect reads the files of the embedded store before the server does, which
// cuts off what it cannot read. It changes nothing. anchored is the last event
// that was acknowledged: what a power cut left of a later one is no fault.
//
// The layout is that of the server's file store, a message block being records
// of a header, subject, headers, content and checksum. Were it to change, every
// file would look wrong, and a test of this package fail.
func inspect(store, stream string, anchored uint64) (faults []fault, err error) {
	if _, err := os.Stat(store); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if f := inspectMeta(store, stream); f != nil {
		faults = append(faults, *f)
	}
	blocks, err := blocksOf(store)
	if err != nil {
		return nil, err
	}
	last := uint64(0)
	for i, n := range blocks {
		name := filepath.Join("msgs", fmt.Sprintf("%d.blk", n))
		raw, err := os.ReadFile(filepath.Join(store, name))
		if err != nil {
			faults = append(faults, fault{File: name, What: "cannot be read: " + err.Error()})
			continue
		}
		at, what := 0, ""
		if at, last, what, err = scanBlock(raw, stream, n, last); err != nil {
			return nil, err
		}
		if what == "" || i == len(blocks)-1 && last >= anchored {
			continue
		}
		faults = append(faults, fault{File: name, At: at, Event: last + 1, What: what, Head: hex.EncodeToString(raw[at:min(at+recordHead, len(raw))])})
	}
	return faults, nil
}

// blocksOf lists the message blocks of a store by number.
func blocksOf(store string) (out []int, err error) {
	names, err := os.ReadDir(filepath.Join(store, "msgs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(name.Name(), "%d.blk", &n); err == nil && name.Name() == fmt.Sprintf("%d.blk", n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// inspectMeta checks the stream's own description. Where it is damaged, the
// server does not know the stream, and would begin another in its place.
func inspectMeta(store, stream string) *fault {
	meta, err := os.ReadFile(filepath.Join(store, metaFile))
	sum, serr := os.ReadFile(filepath.Join(store, "meta.sum"))
	if err := errors.Join(err, serr); err != nil {
		return &fault{File: metaFile, What: "cannot be read: " + err.Error()}
	}
	got, err := checksum(stream, meta)
	if err != nil || hex.EncodeToString(got) != string(sum) {
		return &fault{File: metaFile, What: "has another checksum than meta.sum says", Head: hex.EncodeToString(got)}
	}
	return nil
}

// checksum is the server's: a highway hash with a key made of a name.
func checksum(key string, parts ...[]byte) ([]byte, error) {
	k := sha256.Sum256([]byte(key))
	h, err := highwayhash.NewDigest64(k[:])
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		_, _ = h.Write(p) // which cannot fail
	}
	return h.Sum(nil), nil
}

// A record is a head (length, sequence, time and length of the subject), the
// subject, headers with their length before them if the length's first bit says
// so, content, and a checksum of all of it but the lengths.
const (
	recordHead = 22
	recordSum  = 8
	hasHeaders = 1 << 31
	// Sequences carry two bits: the event was erased, or the record is but the
	// grave of one.
	erased, grave = 1 << 63, 1 << 62
)

// scanBlock returns where the first record begins that is not right, and what is
// wrong with it; what is empty for a block without fault. last is the highest
// sequence up to there.
func scanBlock(raw []byte, stream string, block int, before uint64) (at int, last uint64, what string, err error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, block))
	h, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return 0, before, "", err
	}
	le := binary.LittleEndian
	for last = before; at < len(raw); {
		rest := raw[at:]
		if len(rest) < recordHead {
			return at, last, "a record is cut off", nil
		}
		length, subject := le.Uint32(rest), int(le.Uint16(rest[20:]))
		size := int(length &^ hasHeaders)
		body := subject
		if length&hasHeaders != 0 {
			body += 4
		}
		switch {
		case size < recordHead+body+recordSum:
			return at, last, "the lengths in a record make no sense", nil
		case size > len(rest):
			return at, last, "a record is cut off, or its length is wrong", nil
		}
		h.Reset()
		for _, part := range [][]byte{rest[4:20], rest[recordHead : recordHead+subject], rest[recordHead+body : size-recordSum]} {
			_, _ = h.Write(part) // which cannot fail
		}
		var sum [recordSum]byte
		if !bytes.Equal(h.Sum(sum[:0]), rest[size-recordSum:size]) {
			return at, last, "the checksum of a record is wrong", nil
		}
		if seq := le.Uint64(rest[4:]); seq&(erased|grave) == 0 {
			last = max(last, seq)
		}
		at += size
	}
	return at, last, "", nil
}
