package disk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"assay/artifact"
)

func mbrDisk(code bool, entries ...partition) []byte {
	d := make([]byte, 4<<20)
	d[510], d[511] = 0x55, 0xaa
	if code {
		copy(d, "\xfa\xb8\x00\x10")
	}
	for i, p := range entries {
		e := d[446+16*i:]
		e[4] = p.id
		binary.LittleEndian.PutUint32(e[8:], uint32(p.offset/512))
		binary.LittleEndian.PutUint32(e[12:], uint32(p.length/512))
	}
	return d
}

func gptDisk(code bool, sector int, types ...string) []byte {
	d := mbrDisk(code, partition{id: mbrProtective, offset: 512, length: 512})
	var parts []partition
	for i, g := range types {
		parts = append(parts, partition{guid: g, offset: int64(i+1) << 19, length: 1 << 19})
	}
	putGPT(d, sector, parts)
	return d
}

func TestFirmwares(t *testing.T) {
	uefi, bios := artifact.UEFI, artifact.BIOS
	const linux, rootARM, rootX86 = "0fc63daf-8483-4772-8e79-3d69d8477de4", "b921b045-1df0-41c3-af44-4c6f280d3fae", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
	loader := func(d []byte, name string) []byte {
		copy(d[1<<19+4096:], name+"\x20")
		return d
	}
	both := loader(gptDisk(true, 512, typeESP, typeBIOSBoot), "BOOTX64 EFI")
	backupOnly := gptDisk(true, 512, typeESP)
	// The last sector's header names itself; its table is the first one's.
	hdr := bytes.Clone(backupOnly[512:1024])
	last := uint64(len(backupOnly)/512 - 1)
	binary.LittleEndian.PutUint64(hdr[24:], last)
	binary.LittleEndian.PutUint64(hdr[32:], 1)
	putCRC(hdr)
	copy(backupOnly[last*512:], hdr)
	backupOnly[512+20] = 1
	for name, tc := range map[string]struct {
		disk   []byte
		want   []artifact.Firmware
		arch   artifact.Arch
		sector int64
	}{
		"gpt, both":              {both, []artifact.Firmware{uefi, bios}, artifact.X8664, 512},
		"gpt, uefi only":         {gptDisk(false, 512, typeESP, linux), []artifact.Firmware{uefi}, "", 512},
		"gpt, uefi by arm":       {loader(gptDisk(false, 512, typeESP), "BOOTAA64EFI"), []artifact.Firmware{uefi}, artifact.AArch64, 512},
		"gpt, root tells":        {gptDisk(false, 512, typeESP, rootARM), []artifact.Firmware{uefi}, artifact.AArch64, 512},
		"gpt, root of x86":       {gptDisk(true, 512, typeESP, rootX86), []artifact.Firmware{uefi, bios}, artifact.X8664, 512},
		"gpt, bios only":         {gptDisk(true, 512, typeBIOSBoot, linux), []artifact.Firmware{bios}, artifact.X8664, 512},
		"gpt, code missing":      {gptDisk(false, 512, typeBIOSBoot, linux), nil, "", 512},
		"gpt, power":             {gptDisk(true, 512, typePReP), nil, artifact.PPC64LE, 512},
		"gpt, sectors of 4096":   {gptDisk(false, 4096, typeESP), []artifact.Firmware{uefi}, "", 4096},
		"gpt, backup only":       {backupOnly, []artifact.Firmware{uefi, bios}, "", 512},
		"gpt, damaged":           {with(both, 512+20, 1), []artifact.Firmware{bios}, artifact.X8664, 512},
		"mbr, bios":              {mbrDisk(true, partition{id: 0x83, offset: 1 << 20, length: 1 << 20}), []artifact.Firmware{bios}, artifact.X8664, 512},
		"mbr, esp":               {mbrDisk(false, partition{id: mbrESP, offset: 1 << 20, length: 1 << 20}), []artifact.Firmware{uefi}, "", 512},
		"mbr, both":              {mbrDisk(true, partition{id: mbrESP, offset: 1 << 20, length: 1 << 20}), []artifact.Firmware{uefi, bios}, "", 512},
		"mbr, power":             {mbrDisk(false, partition{id: mbrPReP, offset: 1 << 20, length: 1 << 20}), nil, artifact.PPC64LE, 512},
		"mbr, nothing":           {mbrDisk(false, partition{id: 0x83, offset: 1 << 20, length: 1 << 20}), nil, "", 512},
		"no signature":           {make([]byte, 1<<20), nil, "", 512},
		"a long name is no file": {loader(gptDisk(false, 512, typeESP), "BOOTX64 EFI\x0f"), []artifact.Firmware{uefi}, "", 512},
	} {
		l, err := readLayout(bytes.NewReader(tc.disk), int64(len(tc.disk)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := startOf(bytes.NewReader(tc.disk), l)
		if !slices.Equal(s.firmwares, tc.want) || s.arch != tc.arch || s.sectorSize != tc.sector || s.reason == "" {
			t.Errorf("%s: %+v; want %v, arch %q, sectors of %d", name, s, tc.want, tc.arch, tc.sector)
		}
		if l.end > int64(len(tc.disk)) {
			t.Errorf("%s: the table ends at %d, past the disk", name, l.end)
		}
	}
}

// putCRC makes the header's checksum right again.
func putCRC(h []byte) {
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
}

func TestLayoutTellsEndOfDisk(t *testing.T) {
	cutMBR := mbrDisk(true, partition{id: 0x83, offset: 1 << 20, length: 8 << 20})
	l, err := readLayout(bytes.NewReader(cutMBR), int64(len(cutMBR)))
	if err != nil || l.end != 9<<20 {
		t.Errorf("end = %d, %v; want %d", l.end, err, 9<<20)
	}
	whole := gptDisk(false, 512, typeESP)
	l, err = readLayout(bytes.NewReader(whole[:1<<20]), 1<<20)
	if err != nil || l.end != int64(len(whole)) {
		t.Errorf("end = %d, %v; want %d", l.end, err, len(whole))
	}
}
