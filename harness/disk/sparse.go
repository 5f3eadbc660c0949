package disk

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

const (
	// holeBlock is the granularity of holes: the default cluster of a qcow2.
	holeBlock = 64 << 10
	copyBlock = 1 << 20
	// roomEvery is how many bytes are written between looks at the free space.
	roomEvery = 64 << 20
)

var zeroBlock = make([]byte, holeBlock)

// sparseWriter writes a stream into a new file and leaves holes where it is zero, so that
// only what is not zero takes room on the disk.
type sparseWriter struct {
	file *os.File
	// room is asked before data is written, with the bytes about to be; its error ends the copy.
	room func(next int64) error

	total     int64 // bytes of the file so far, holes included
	unchecked int64 // bytes that room has allowed and that are not yet written
}

// copyFrom writes all of r; a read error is returned as it is, one of writing as *writeError.
func (w *sparseWriter) copyFrom(r io.Reader) error {
	buf := make([]byte, copyBlock)
	for {
		n, err := io.ReadFull(r, buf)
		if werr := w.write(buf[:n]); werr != nil {
			return werr
		}
		// By identity: ReadFull's own "ended inside the block". A decoder's is wrapped.
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := w.file.Truncate(w.total); err != nil {
		return &writeError{err}
	}
	return nil
}

// write writes the runs of blocks that are not all zero.
func (w *sparseWriter) write(p []byte) error {
	for from := 0; from < len(p); {
		to := from
		for to < len(p) && !isZero(p[to:min(to+holeBlock, len(p))]) {
			to = min(to+holeBlock, len(p))
		}
		if to > from {
			run := p[from:to]
			if err := w.reserve(int64(len(run))); err != nil {
				return err
			}
			if _, err := w.file.WriteAt(run, w.total+int64(from)); err != nil {
				return &writeError{err}
			}
		}
		from = min(to+holeBlock, len(p)) // past the zero block that ended the run
	}
	w.total += int64(len(p))
	return nil
}

func (w *sparseWriter) reserve(n int64) error {
	if w.unchecked < n {
		if err := w.room(roomEvery); err != nil {
			return err
		}
		w.unchecked = roomEvery
	}
	w.unchecked -= n
	return nil
}

func isZero(b []byte) bool { return bytes.Equal(b, zeroBlock[:len(b)]) }

// writeError is a failure to write into the cache.
type writeError struct{ err error }

func (e *writeError) Error() string { return fmt.Sprintf("cannot write to the cache: %v", e.err) }
func (e *writeError) Unwrap() error { return e.err }

// boundedReader returns beyond once more than left bytes have come.
type boundedReader struct {
	r      io.Reader
	left   int64
	beyond *InputError
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, b.beyond
	}
	return n, err
}

func tooLarge(limit int64) *InputError {
	return badInput("If it is a real image, allow more with --max-size.",
		"it unpacks to more than %s; it may be a decompression bomb", bytesText(limit))
}
