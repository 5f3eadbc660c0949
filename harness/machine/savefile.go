package machine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The layout of a file DomainSave writes (libvirt, src/qemu/qemu_saveimage.h):
// 16 bytes of magic, 19 words of 32 bits, then "data length" bytes that hold
// the domain's definition and, at "cookie offset", libvirt's own notes, each
// ended by a NUL; then QEMU's migration stream to the end of the file.
const (
	saveMagic        = "LibvirtQemudSave"
	savePartialMagic = "LibvirtQemudPart"
	saveHeaderSize   = 16 + 19*4
	saveVersion      = 2
	// maxSaveData is far above any definition (some ten KiB) and its padding.
	maxSaveData = 16 << 20
	// streamMagic opens QEMU's migration stream (migration/savevm.h).
	streamMagic = "QEVM"
)

// saveFile is the part of a saved guest before the migration stream.
type saveFile struct {
	order binary.ByteOrder
	words [19]uint32
	// xml is the definition and cookie libvirt's notes, without their NULs.
	xml, cookie string
	// streamAt is where the migration stream begins.
	streamAt int64
}

// Indices into saveFile.words; the rest is unused and kept as it is.
const (
	wordVersion = iota
	wordDataLength
	wordWasRunning
	wordCompressed
	wordCookieOffset
)

var errSaveFile = errors.New("not a usable saved guest")

// readSaveFile reads and checks the beginning of a saved guest of size bytes.
func readSaveFile(r io.ReaderAt, size int64) (*saveFile, error) {
	bad := func(format string, args ...any) (*saveFile, error) {
		return nil, fmt.Errorf("%w: %s", errSaveFile, fmt.Sprintf(format, args...))
	}
	head := make([]byte, saveHeaderSize)
	if size < saveHeaderSize {
		return bad("%d bytes are too few for a header", size)
	}
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read the header of a saved guest: %w", err)
	}
	switch magic := string(head[:16]); magic {
	case saveMagic:
	case savePartialMagic:
		return bad("libvirt did not finish writing it")
	default:
		return bad("it begins with %q", magic)
	}
	f := &saveFile{order: binary.LittleEndian}
	if binary.BigEndian.Uint32(head[16:]) == saveVersion {
		f.order = binary.BigEndian
	}
	for i := range f.words {
		f.words[i] = f.order.Uint32(head[16+4*i:])
	}
	length, cookieAt := f.words[wordDataLength], f.words[wordCookieOffset]
	switch {
	case f.words[wordVersion] != saveVersion:
		return bad("version %d, want %d", f.words[wordVersion], saveVersion)
	case f.words[wordCompressed] != 0:
		return bad("its stream has format %d: qemu.conf sets save_image_format to something else than raw", f.words[wordCompressed])
	case length == 0 || length > maxSaveData:
		return bad("a definition of %d bytes", length)
	case saveHeaderSize+int64(length)+int64(len(streamMagic)) > size:
		return bad("it ends after %d bytes, within the definition or before the stream", size)
	case cookieAt != 0 && cookieAt >= length:
		return bad("its notes begin at %d of %d bytes", cookieAt, length)
	}
	f.streamAt = saveHeaderSize + int64(length)
	data := make([]byte, int(length)+len(streamMagic))
	if _, err := r.ReadAt(data, saveHeaderSize); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read the definition of a saved guest: %w", err)
	}
	if got := string(data[length:]); got != streamMagic {
		return bad("its stream begins with %q", got)
	}
	data = data[:length]
	xml, _, ok := bytes.Cut(data, []byte{0})
	if !ok || len(xml) == 0 {
		return bad("no definition in it")
	}
	f.xml = string(xml)
	if cookieAt != 0 {
		if int(cookieAt) <= len(xml) {
			return bad("its notes begin within the definition")
		}
		cookie, _, ok := bytes.Cut(data[cookieAt:], []byte{0})
		if !ok {
			return bad("its notes have no end")
		}
		f.cookie = string(cookie)
	}
	return f, nil
}

// blockSize is the unit in which file systems share data between files.
const blockSize = 4096

// encodeFor returns what goes before the same stream for another definition.
// It is padded so that the stream's place within a block stays what it was,
// with which a copy can share its blocks.
func (f *saveFile) encodeFor(xml string) ([]byte, error) {
	size := saveHeaderSize + len(xml) + 1
	words := f.words
	if f.cookie != "" {
		words[wordCookieOffset] = uint32(len(xml) + 1)
		size += len(f.cookie) + 1
	}
	size += int((f.streamAt - int64(size)%blockSize + blockSize) % blockSize)
	if size-saveHeaderSize > maxSaveData {
		return nil, fmt.Errorf("cannot write a definition of %d bytes", len(xml))
	}
	words[wordDataLength] = uint32(size - saveHeaderSize)
	out := make([]byte, size)
	copy(out, saveMagic)
	for i, w := range words {
		f.order.PutUint32(out[16+4*i:], w)
	}
	n := saveHeaderSize + copy(out[saveHeaderSize:], xml) + 1
	copy(out[n:], f.cookie)
	return out, nil
}
