package disk

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// errNoXZIndex means that the sizes at the end of an xz file could not be read; unpacking
// will tell what is wrong with it.
var errNoXZIndex = errors.New("no readable xz index")

const (
	xzHeaderSize = 12
	xzFooterSize = 12
	// maxXZIndex bounds one stream's index: a record of a few bytes for each block, of 8 MiB or
	// more as the tools make them.
	maxXZIndex = 16 << 20
	// maxXZStreams bounds the streams put after each other in one file.
	maxXZStreams = 100_000
)

// xzUnpackedSize adds up the uncompressed sizes that the indexes at the ends of an
// xz file's streams state (xz file format 1.2.1, sections 2.1.2 and 4). The decoder holds
// each stream to its index, so a bomb that is honest in its index is known before a byte
// of it is unpacked; one that lies is caught by the bound on what comes out.
// It stops early once the sum is more than enough.
func xzUnpackedSize(r io.ReaderAt, size, enough int64) (int64, error) {
	var total int64
	for range maxXZStreams {
		// Stream padding: zeros in steps of four bytes.
		var word [4]byte
		for size >= 4 {
			if _, err := r.ReadAt(word[:], size-4); err != nil {
				return 0, errNoXZIndex
			}
			if word != [4]byte{} {
				break
			}
			size -= 4
		}
		if size == 0 {
			return total, nil
		}
		unpacked, start, err := xzLastStream(r, size)
		if err != nil {
			return 0, err
		}
		if total += unpacked; total < 0 || total > enough {
			return max(total, enough+1), nil
		}
		size = start
	}
	return 0, errNoXZIndex
}

// xzLastStream reads the index of the stream that ends at byte size, and returns
// its uncompressed length and where it starts.
func xzLastStream(r io.ReaderAt, size int64) (unpacked, start int64, err error) {
	var foot [xzFooterSize]byte
	if size < xzHeaderSize+xzFooterSize {
		return 0, 0, errNoXZIndex
	}
	if _, err := r.ReadAt(foot[:], size-xzFooterSize); err != nil || string(foot[10:]) != "YZ" ||
		crc32.ChecksumIEEE(foot[4:10]) != le32(foot[:]) {
		return 0, 0, errNoXZIndex
	}
	indexSize := (int64(le32(foot[4:])) + 1) * 4
	indexAt := size - xzFooterSize - indexSize
	if indexSize > maxXZIndex || indexAt < xzHeaderSize {
		return 0, 0, errNoXZIndex
	}
	index := make([]byte, indexSize)
	if _, err := r.ReadAt(index, indexAt); err != nil || index[0] != 0 {
		return 0, 0, errNoXZIndex
	}
	body := index[1 : len(index)-4]
	if crc32.ChecksumIEEE(index[:len(index)-4]) != le32(index[len(index)-4:]) {
		return 0, 0, errNoXZIndex
	}
	next := func() (int64, bool) {
		v, n := binary.Uvarint(body)
		if n <= 0 || v > 1<<62 {
			return 0, false
		}
		body = body[n:]
		return int64(v), true
	}
	records, ok := next()
	if !ok || records > indexSize {
		return 0, 0, errNoXZIndex
	}
	var packed int64
	for range records {
		p, ok1 := next()
		u, ok2 := next()
		if !ok1 || !ok2 {
			return 0, 0, errNoXZIndex
		}
		packed += (p + 3) &^ 3
		unpacked += u
		if packed < 0 || unpacked < 0 || packed > size {
			return 0, 0, errNoXZIndex
		}
	}
	if start = indexAt - packed - xzHeaderSize; start < 0 {
		return 0, 0, errNoXZIndex
	}
	return unpacked, start, nil
}
