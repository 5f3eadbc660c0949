package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// qcow2Header is what the harness needs of a qcow2's header. The format is
// described in QEMU's docs/interop/qcow2.txt.
type qcow2Header struct {
	version        uint32
	clusterBits    uint32
	size           int64 // of the virtual disk, bytes
	l1Entries      int64
	l1Offset       int64
	refOffset      int64 // of the refcount table
	refClusters    int64
	snapshots      uint32
	snapshotOffset int64
	zstd           bool // compressed clusters are zstd, not deflate
	extendedL2     bool
	dirty          bool
}

// Bounds that QEMU itself has (block/qcow2.h): a header beyond them is not opened by it either.
const (
	minClusterBits    = 9
	maxClusterBits    = 21
	maxL1Bytes        = 32 << 20
	maxRefTableBytes  = 8 << 20
	maxSnapshots      = 65536
	qcow2HeaderV2     = 72
	qcow2HeaderV3     = 104
	maxQCOW2HeaderLen = 4096 // today's is 112
)

// Incompatible feature bits.
const (
	featDirty = 1 << iota
	featCorrupt
	featExternalData
	featCompression
	featExtendedL2
	featKnown = featDirty | featCorrupt | featExternalData | featCompression | featExtendedL2
)

// Header extensions that make an image depend on something outside of itself.
const (
	extBackingFormat = 0xe2792aca
	extExternalData  = 0x44415441
	extLUKS          = 0x0537be77
)

func (h *qcow2Header) clusterSize() int64 { return 1 << h.clusterBits }

// l2Entries is the number of clusters one L2 table maps.
func (h *qcow2Header) l2Entries() int64 {
	if h.extendedL2 {
		return h.clusterSize() / 16
	}
	return h.clusterSize() / 8
}

// parseQCOW2 reads the header from head, the first bytes of the file, and refuses what
// could reach beyond the file (backing file, external data), needs a key, or is
// beyond the bounds. maxVirtual bounds the virtual size. Where tables lie is
// checked by fits, once the length of the file is known.
func parseQCOW2(head []byte, maxVirtual int64) (*qcow2Header, *InputError) {
	damaged := func(format string, args ...any) (*qcow2Header, *InputError) {
		return nil, badInput("Fetch or build the image again.", "its qcow2 header is damaged: "+format, args...)
	}
	if len(head) < qcow2HeaderV2 || !at(head, 0, "QFI\xfb") {
		return nil, badInput("Fetch the image again.", "it is cut short inside the qcow2 header (%d bytes)", len(head))
	}
	h := &qcow2Header{version: be32(head[4:]), clusterBits: be32(head[20:]), snapshots: be32(head[60:])}
	headerLen := uint32(qcow2HeaderV2)
	var incompatible uint64
	switch h.version {
	case 2:
	case 3:
		if len(head) < qcow2HeaderV3 {
			return nil, badInput("Fetch the image again.", "it is cut short inside the qcow2 header (%d bytes)", len(head))
		}
		incompatible = be64(head[72:])
		if order := be32(head[96:]); order > 6 {
			return damaged("reference counts of 2^%d bits", order)
		}
		headerLen = be32(head[100:])
		if headerLen < qcow2HeaderV3 || headerLen > maxQCOW2HeaderLen || headerLen%8 != 0 || int(headerLen) > len(head) {
			return damaged("a header of %d bytes", headerLen)
		}
	default:
		return nil, badInput(convertNext, "it is a qcow2 of version %d; versions 2 and 3 are known", h.version)
	}
	if be64(head[8:]) != 0 || be32(head[16:]) != 0 {
		return nil, badInput("Merge it with its backing file: `qemu-img convert -O qcow2 IMAGE NEW`.",
			"it is an overlay that refers to a backing file, which is refused as it could name any file of the host")
	}
	if m := be32(head[32:]); m != 0 {
		return nil, badInput("Name an image that is not encrypted.", "it is encrypted (method %d)", m)
	}
	switch {
	case incompatible&featExternalData != 0:
		return nil, externalData()
	case incompatible&featCorrupt != 0:
		return nil, badInput("Fetch or build the image again.", "it is marked as corrupt")
	case incompatible&^featKnown != 0:
		return nil, badInput(convertNext, "it needs a qcow2 feature this program does not know (bit %d)", bits.TrailingZeros64(incompatible&^featKnown))
	}
	h.dirty, h.extendedL2 = incompatible&featDirty != 0, incompatible&featExtendedL2 != 0
	if h.clusterBits < minClusterBits || h.clusterBits > maxClusterBits {
		return damaged("clusters of 2^%d bytes", h.clusterBits)
	}
	if h.extendedL2 && h.clusterBits < 14 {
		return damaged("extended L2 entries with clusters of %s", bytesText(h.clusterSize()))
	}
	var codec byte
	if headerLen > qcow2HeaderV3 {
		codec = head[104]
	}
	if (incompatible&featCompression != 0) != (codec != 0) || codec > 1 {
		return damaged("compression type %d", codec)
	}
	h.zstd = codec == 1
	size := be64(head[24:])
	switch {
	case size == 0:
		return nil, badInput("", "its virtual disk has no bytes")
	case size > uint64(maxVirtual):
		return nil, badInput("", "its virtual disk is %s; more than %s is refused", hugeText(size), bytesText(maxVirtual))
	}
	h.size = int64(size)

	h.l1Entries = int64(be32(head[36:]))
	perL1 := h.clusterSize() * h.l2Entries()
	if need := (h.size + perL1 - 1) / perL1; h.l1Entries < need || h.l1Entries*8 > maxL1Bytes {
		return damaged("an L1 table of %d entries where the disk needs %d", h.l1Entries, need)
	}
	h.refClusters = int64(be32(head[56:]))
	if h.refClusters < 1 || h.refClusters*h.clusterSize() > maxRefTableBytes {
		return damaged("a refcount table of %d clusters", h.refClusters)
	}
	if h.snapshots > maxSnapshots {
		return damaged("%d snapshots", h.snapshots)
	}
	var ok [3]bool
	h.l1Offset, ok[0] = h.tableOffset(be64(head[40:]))
	h.refOffset, ok[1] = h.tableOffset(be64(head[48:]))
	h.snapshotOffset, ok[2] = 0, true
	if h.snapshots > 0 {
		h.snapshotOffset, ok[2] = h.tableOffset(be64(head[64:]))
	}
	if ok != [3]bool{true, true, true} {
		return damaged("a table lies at an impossible place")
	}
	if err := checkExtensions(head, int(headerLen), h); err != nil {
		return nil, err
	}
	return h, nil
}

func externalData() *InputError {
	return badInput("Convert it to one self-contained file: `qemu-img convert -O qcow2 IMAGE NEW`.",
		"it keeps its data in another file, which is refused as it could name any file of the host")
}

// tableOffset accepts offsets that are whole clusters, not the first, and leave room for sums.
func (h *qcow2Header) tableOffset(v uint64) (int64, bool) {
	return int64(v), v != 0 && v%uint64(h.clusterSize()) == 0 && v < 1<<56
}

// checkExtensions walks the header extensions; they end with type 0, or with the
// first cluster.
func checkExtensions(head []byte, off int, h *qcow2Header) *InputError {
	limit := min(int64(len(head)), h.clusterSize())
	for int64(off)+8 <= limit {
		typ, n := be32(head[off:]), int64(be32(head[off+4:]))
		switch typ {
		case 0:
			return nil
		case extExternalData:
			return externalData()
		case extLUKS:
			return badInput("Name an image that is not encrypted.", "it is encrypted (LUKS)")
		case extBackingFormat:
			// Harmless without a backing file; QEMU leaves it behind after a rebase.
		}
		if n > limit-int64(off)-8 {
			return badInput("Fetch or build the image again.", "its qcow2 header is damaged: an extension of %d bytes does not fit", n)
		}
		off += 8 + int(n+7)&^7
	}
	if int64(len(head)) < h.clusterSize() && len(head) >= headSize {
		return badInput("Fetch or build the image again.", "its qcow2 header is damaged: extensions longer than %s", bytesText(headSize))
	}
	return nil
}

// fits checks that the tables, and every L2 table the L1 table names, lie within
// the file's length: the cheap sign of a file that was cut short.
func (h *qcow2Header) fits(r io.ReaderAt, fileSize int64) error {
	need := max(h.l1Offset+h.l1Entries*8, h.refOffset+h.refClusters*h.clusterSize(), h.snapshotOffset)
	if need > fileSize {
		return cutShort(need, fileSize)
	}
	l1, err := h.readL1(r)
	if err != nil {
		return err
	}
	for _, e := range l1 {
		if off := int64(e & offsetMask); off != 0 && off+h.clusterSize() > fileSize {
			return cutShort(off+h.clusterSize(), fileSize)
		}
	}
	return nil
}

func cutShort(need, have int64) *InputError {
	return badInput("Fetch the image again and compare its checksum.",
		"it is cut short: its tables refer to byte %d, the file has %d (%s)", need, have, bytesText(have))
}

func (h *qcow2Header) readL1(r io.ReaderAt) ([]uint64, error) {
	raw := make([]byte, h.l1Entries*8)
	if _, err := r.ReadAt(raw, h.l1Offset); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, badInput("Fetch the image again.", "it is cut short inside its L1 table")
		}
		return nil, fmt.Errorf("cannot read the L1 table: %w", err)
	}
	table := make([]uint64, h.l1Entries)
	for i := range table {
		table[i] = binary.BigEndian.Uint64(raw[i*8:])
	}
	return table, nil
}

// hugeText writes sizes beyond int64 too.
func hugeText(n uint64) string {
	if n > 1<<62 {
		return fmt.Sprintf("%d bytes", n)
	}
	return bytesText(int64(n))
}
