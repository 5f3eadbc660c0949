package disk

import (
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// qcow2Disk reads the virtual disk of a qcow2 that stands alone. It exists to look at the
// partition table and the EFI system partition of a foreign image in this
// process, with every offset checked; guests' data goes through QEMU.
type qcow2Disk struct {
	h        *qcow2Header
	file     io.ReaderAt
	fileSize int64
	l1       []uint64

	l2        []byte // the L2 table at l2At
	l2At      int64
	cluster   []byte // the unpacked cluster at virtual cluster number clusterAt
	clusterAt int64
}

// Masks of L1 and standard L2 entries.
const (
	offsetMask     = 0x00fffffffffffe00
	l2Compressed   = 1 << 62
	l2ReadsAsZeros = 1
)

var errExtendedL2 = errors.New("the harness does not read extended L2 entries")

func newQCOW2Disk(h *qcow2Header, file io.ReaderAt, fileSize int64) (*qcow2Disk, error) {
	if h.extendedL2 {
		return nil, errExtendedL2
	}
	l1, err := h.readL1(file)
	if err != nil {
		return nil, err
	}
	return &qcow2Disk{h: h, file: file, fileSize: fileSize, l1: l1, clusterAt: -1}, nil
}

// ReadAt implements io.ReaderAt, but for one caller at a time.
func (d *qcow2Disk) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n := 0
	for n < len(p) {
		if off >= d.h.size {
			return n, io.EOF
		}
		in := off % d.h.clusterSize()
		part := p[n:min(int64(len(p)), int64(n)+d.h.clusterSize()-in)]
		part = part[:min(int64(len(part)), d.h.size-off)]
		if err := d.readCluster(part, off/d.h.clusterSize(), in); err != nil {
			return n, err
		}
		n += len(part)
		off += int64(len(part))
	}
	return n, nil
}

// readCluster fills p from byte in of virtual cluster number c.
func (d *qcow2Disk) readCluster(p []byte, c, in int64) error {
	entry, err := d.entry(c)
	if err != nil {
		return err
	}
	switch {
	case entry&l2Compressed != 0:
		return d.readCompressed(p, c, in, entry)
	case entry&offsetMask == 0, d.h.version >= 3 && entry&l2ReadsAsZeros != 0:
		clear(p)
		return nil
	}
	at := int64(entry & offsetMask)
	if at%d.h.clusterSize() != 0 || at+in+int64(len(p)) > d.fileSize {
		return fmt.Errorf("cluster %d lies at byte %d, the file has %d", c, at, d.fileSize)
	}
	_, err = d.file.ReadAt(p, at+in)
	return err
}

// entry is the L2 entry of virtual cluster c, 0 when nothing is allocated.
func (d *qcow2Disk) entry(c int64) (uint64, error) {
	per := d.h.l2Entries()
	at := int64(d.l1[c/per] & offsetMask)
	if at == 0 {
		return 0, nil
	}
	if at != d.l2At {
		if at%d.h.clusterSize() != 0 || at+d.h.clusterSize() > d.fileSize {
			return 0, fmt.Errorf("an L2 table lies at byte %d, the file has %d", at, d.fileSize)
		}
		if d.l2 == nil {
			d.l2 = make([]byte, d.h.clusterSize())
		}
		d.l2At = 0
		if _, err := d.file.ReadAt(d.l2, at); err != nil {
			return 0, fmt.Errorf("cannot read the L2 table at byte %d: %w", at, err)
		}
		d.l2At = at
	}
	return be64(d.l2[c%per*8:]), nil
}

// readCompressed unpacks a compressed cluster: the entry's low bits are the byte
// offset, the bits above the number of further 512-byte sectors it touches.
func (d *qcow2Disk) readCompressed(p []byte, c, in int64, entry uint64) error {
	if c != d.clusterAt {
		x := 62 - (d.h.clusterBits - 8)
		at := int64(entry & (1<<x - 1))
		sectors := int64(entry&(l2Compressed-1)>>x) + 1
		length := min(sectors*512-at%512, d.fileSize-at)
		if at == 0 || length <= 0 {
			return fmt.Errorf("compressed cluster %d lies at byte %d, the file has %d", c, at, d.fileSize)
		}
		if d.cluster == nil {
			d.cluster = make([]byte, d.h.clusterSize())
		}
		d.clusterAt = -1
		if err := d.unpack(io.NewSectionReader(d.file, at, length)); err != nil {
			return fmt.Errorf("cannot unpack cluster %d: %w", c, err)
		}
		d.clusterAt = c
	}
	copy(p, d.cluster[in:])
	return nil
}

func (d *qcow2Disk) unpack(r io.Reader) error {
	if !d.h.zstd {
		_, err := io.ReadFull(flate.NewReader(r), d.cluster)
		return err
	}
	dec, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return err
	}
	defer dec.Close()
	_, err = io.ReadFull(dec, d.cluster)
	return err
}
