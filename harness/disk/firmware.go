package disk

import (
	"io"

	"assay/artifact"
)

// start is how a disk can be started, as far as its first sectors tell.
type start struct {
	firmwares  []artifact.Firmware // best first; empty when nothing tells
	reason     string              // what was seen, one clause
	arch       artifact.Arch       // empty when nothing tells
	sectorSize int64
}

// archOfRoot maps the types that the Discoverable Partitions Specification gives to root
// and /usr partitions.
var archOfRoot = map[string]artifact.Arch{
	"4f68bce3-e8cd-4db1-96e7-fbcaf984b709": artifact.X8664,
	"8484680c-9521-48c6-9c11-b0720656f69e": artifact.X8664,
	"b921b045-1df0-41c3-af44-4c6f280d3fae": artifact.AArch64,
	"b0e01050-ee5f-4390-949a-9101b17104e9": artifact.AArch64,
	"c31c45e6-3f39-412e-80fb-4809c4980599": artifact.PPC64LE,
	"5eead9a9-fe09-4a1e-a1d7-520d00531306": artifact.S390X,
	typePReP:                               artifact.PPC64LE,
}

// startOf tells how the disk can be started. UEFI is put first when both are
// possible, as it is what new machines have.
func startOf(r io.ReaderAt, l layout) start {
	s := start{sectorSize: l.sectorSize}
	var esp, biosBoot bool
	for _, p := range l.partitions {
		switch {
		case p.isESP():
			esp = true
			if s.arch == "" {
				s.arch = archOfLoader(r, p)
			}
		case p.guid == typeBIOSBoot:
			biosBoot = true
		case p.guid == "" && p.id == mbrPReP:
			s.arch = artifact.PPC64LE
		}
		if a, ok := archOfRoot[p.guid]; ok && s.arch == "" {
			s.arch = a
		}
	}
	if esp {
		s.firmwares = append(s.firmwares, artifact.UEFI)
	}
	// A BIOS runs the first sector whatever the partitions are; a BIOS boot partition without
	// code there starts nothing. Only x86 has a BIOS.
	if l.bootCode && (s.arch == "" || s.arch == artifact.X8664) {
		s.firmwares = append(s.firmwares, artifact.BIOS)
	}
	switch {
	case esp && l.bootCode:
		s.reason = "an EFI system partition, and boot code in the first sector"
	case esp:
		s.reason = "an EFI system partition, and no boot code in the first sector"
	case l.bootCode:
		s.reason = "boot code in the first sector, and no EFI system partition"
	case biosBoot:
		s.reason = "a BIOS boot partition, but neither boot code in the first sector nor an EFI system partition"
	default:
		s.reason = "neither an EFI system partition nor boot code in the first sector"
	}
	if s.arch == "" && len(s.firmwares) == 1 && s.firmwares[0] == artifact.BIOS {
		s.arch = artifact.X8664
	}
	return s
}

// The loaders that firmware starts when it has no boot entry yet (UEFI 3.5.1.1), as FAT stores
// their names: 8 and 3 characters, padded.
var fallbackLoaders = map[string]artifact.Arch{
	"BOOTX64 EFI": artifact.X8664,
	"BOOTAA64EFI": artifact.AArch64,
}

// espScan is how much of an EFI system partition is searched: the folder of the
// loader is made before the files in it, so it lies near the start.
const espScan = 16 << 20

// archOfLoader looks for a fallback loader's directory entry in a FAT file system of any
// width. It searches instead of walking the file system: the answer is a hint, and
// 32-byte entries at 32-byte boundaries are the same in all of them.
func archOfLoader(r io.ReaderAt, p partition) artifact.Arch {
	const (
		entrySize = 32
		attribute = 11
		fileBits  = 0x08 | 0x10 // volume label, directory (a long name has both volume and others)
	)
	buf := make([]byte, 256<<10)
	for off := int64(0); off < min(p.length, espScan); off += int64(len(buf)) {
		n, err := r.ReadAt(buf, p.offset+off)
		for e := buf[:n]; len(e) >= entrySize; e = e[entrySize:] {
			if e[0] != 'B' || e[attribute]&fileBits != 0 {
				continue
			}
			if a, ok := fallbackLoaders[string(e[:attribute])]; ok {
				return a
			}
		}
		if err != nil {
			return ""
		}
	}
	return ""
}
