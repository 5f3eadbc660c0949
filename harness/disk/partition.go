package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

const gptMagic = "EFI PART"

// Partition types that tell how a disk starts. GUIDs are of the UEFI
// specification, section 5.3.3, and of the Discoverable Partitions Specification.
const (
	typeESP      = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	typeBIOSBoot = "21686148-6449-6e6f-744e-656564454649"
	typePReP     = "9e1a2d38-c612-4316-aa26-8b49521e5a8b"

	mbrProtective = 0xee
	mbrESP        = 0xef
	mbrPReP       = 0x41
)

// layout is what a disk's first sectors say.
type layout struct {
	gpt        bool
	sectorSize int64 // 512, or 4096 for a GPT of such a disk
	bootCode   bool  // the first sector holds code for a BIOS
	partitions []partition
	// end is the byte after the last one the table refers to; past the end of a disk
	// that was cut short.
	end int64
}

// partition is one entry of a partition table.
type partition struct {
	guid   string // of its type, lower case; GPT only
	id     byte   // of its type; MBR only
	offset int64  // bytes
	length int64  // bytes
}

func (p partition) isESP() bool { return p.guid == typeESP || p.guid == "" && p.id == mbrESP }

// Bounds on a GPT: 128 entries of 128 bytes are the rule.
const (
	maxGPTEntries   = 1024
	maxGPTEntrySize = 4096
	minGPT          = 34 * 512 // first sector, header and 128 entries
)

// readLayout reads the partition table of a disk of size bytes. A disk whose first sector
// has no boot signature has an empty layout. Only errors of r are returned.
func readLayout(r io.ReaderAt, size int64) (layout, error) {
	l := layout{sectorSize: 512}
	mbr := make([]byte, 512)
	if _, err := r.ReadAt(mbr, 0); err != nil {
		return l, fmt.Errorf("cannot read the first sector: %w", err)
	}
	if !at(mbr, 510, "\x55\xaa") {
		return l, nil
	}
	// Bytes 440 to 445 are the disk's signature, not code.
	l.bootCode = len(bytes.Trim(mbr[:440], "\x00")) > 0
	for _, sector := range []int64{512, 4096} {
		// The backup header in the last sector counts too: firmware uses it when the first is damaged.
		for _, lba := range []int64{1, size/sector - 1} {
			if g, ok := readGPT(r, sector, lba, size); ok {
				g.bootCode = l.bootCode
				return g, nil
			}
		}
	}
	for i := range 4 {
		e := mbr[446+16*i:]
		first, count := int64(le32(e[8:])), int64(le32(e[12:]))
		if e[4] == mbrProtective {
			l.end = max(l.end, minGPT) // a GPT was there, and none is found
			continue
		}
		if e[4] == 0 || count == 0 {
			continue
		}
		l.partitions = append(l.partitions, partition{id: e[4], offset: first * 512, length: count * 512})
		// A file system in the first sector leaves text where the table would be; its entries
		// are no entries (their status byte says so).
		if e[0]&0x7f == 0 {
			l.end = max(l.end, (first+count)*512)
		}
	}
	return l, nil
}

// readGPT reads the table whose header is in sector lba, when its checksums are right.
func readGPT(r io.ReaderAt, sector, lba, size int64) (layout, bool) {
	l := layout{gpt: true, sectorSize: sector}
	hdr := make([]byte, 512)
	if lba < 1 || lba*sector+512 > size {
		return l, false
	}
	if _, err := r.ReadAt(hdr, lba*sector); err != nil || !at(hdr, 0, gptMagic) {
		return l, false
	}
	hdrLen := le32(hdr[12:])
	if hdrLen < 92 || hdrLen > 512 || le64(hdr[24:]) != uint64(lba) {
		return l, false
	}
	sum := le32(hdr[16:])
	clear(hdr[16:20])
	if crc32.ChecksumIEEE(hdr[:hdrLen]) != sum {
		return l, false
	}
	entriesAt, n, entrySize := le64(hdr[72:]), int64(le32(hdr[80:])), int64(le32(hdr[84:]))
	if n > maxGPTEntries || entrySize < 128 || entrySize > maxGPTEntrySize || entriesAt > uint64(size/sector) {
		return l, false
	}
	table := make([]byte, n*entrySize)
	if _, err := r.ReadAt(table, int64(entriesAt)*sector); err != nil || crc32.ChecksumIEEE(table) != le32(hdr[88:]) {
		return l, false
	}
	// No disk has sectors beyond this; sums and products below stay in range.
	maxLBA := uint64(1) << 50
	if alt := le64(hdr[32:]); alt < maxLBA {
		l.end = max(lba+1, int64(alt)+1) * sector
	}
	for ; len(table) > 0; table = table[entrySize:] {
		first, last := le64(table[32:]), le64(table[40:])
		guid := guidText(table[:16])
		if strings.Trim(guid, "0-") == "" || first > last || last >= maxLBA {
			continue
		}
		p := partition{guid: guid, offset: int64(first) * sector, length: int64(last-first+1) * sector}
		l.partitions = append(l.partitions, p)
		l.end = max(l.end, p.offset+p.length)
	}
	return l, true
}

// guidText writes the mixed-endian 16 bytes of a GUID in its usual form.
func guidText(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%s-%s", le32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]),
		hex.EncodeToString(b[8:10]), hex.EncodeToString(b[10:16]))
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
