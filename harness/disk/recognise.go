package disk

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"

	"assay/artifact"
)

// kind is what the first bytes of a file say it is.
type kind string

const (
	kindQCOW2 kind = "qcow2"
	kindRaw   kind = "raw"
	kindTar   kind = "tar"
	kindXZ    kind = "xz"
	kindGzip  kind = "gzip"
	kindZstd  kind = "zstd"
	kindBzip2 kind = "bzip2"
	// kindOther is everything that is refused.
	kindOther kind = "other"
)

// compression is the coding a kind stands for, Uncompressed when none.
func (k kind) compression() artifact.Compression {
	switch k {
	case kindXZ:
		return artifact.XZ
	case kindGzip:
		return artifact.Gzip
	case kindZstd:
		return artifact.Zstd
	case kindBzip2:
		return artifact.Bzip2
	}
	return artifact.Uncompressed
}

// headSize is how many of a file's first bytes are looked at: past the volume
// descriptor of an ISO 9660 (at 32 KiB) and past the superblock of btrfs (at 64 KiB + 64).
const headSize = 68 << 10

// signature is a format known by fixed bytes at a fixed place.
type signature struct {
	offset int
	magic  string
	kind   kind
	// what and next are said of a kind that is refused.
	what, next string
}

const convertNext = "Convert it with `qemu-img convert -O qcow2`."

// signatures in the order they are tried; a disk's boot sector is looked for after
// all of them, as an ISO that also boots from a USB stick has one too.
var signatures = []signature{
	{0, "QFI\xfb\x00\x00\x00\x01", kindOther, "it is a qcow image of version 1", convertNext},
	{0, "QFI\xfb", kindQCOW2, "", ""},
	{0, "\xfd7zXZ\x00", kindXZ, "", ""},
	{0, "\x1f\x8b\x08", kindGzip, "", ""},
	{0, "\x28\xb5\x2f\xfd", kindZstd, "", ""},
	{0, "BZh", kindBzip2, "", ""},
	{0x8001, "CD001", kindOther, "it is an ISO 9660 image (an installer or live ISO), which is not supported yet", "Name the disk image of the build (qcow2, raw or Vagrant box)."},
	{0x8001, "BEA01", kindOther, "it is a UDF optical disc image", ""},
	{0, "\x7fELF", kindOther, "it is an ELF program, not a disk image", ""},
	{0, "MZ", kindOther, "it is a Windows or EFI program, not a disk image", ""},
	{0, "KDMV", kindOther, "it is a VMware disk (VMDK)", convertNext},
	{0, "COWD", kindOther, "it is a VMware disk (VMDK)", convertNext},
	{0, "# Disk DescriptorFile", kindOther, "it is the description of a VMware disk (VMDK), not the disk", convertNext},
	{64, "\x7f\x10\xda\xbe", kindOther, "it is a VirtualBox disk (VDI)", convertNext},
	{0, "vhdxfile", kindOther, "it is a Hyper-V disk (VHDX)", convertNext},
	{0, "conectix", kindOther, "it is a Virtual PC disk (VHD)", convertNext},
	{0, "QED\x00", kindOther, "it is a QED disk", convertNext},
	{0, "WithoutFreeSpace", kindOther, "it is a Parallels disk", convertNext},
	{0, "WithouFreSpacExt", kindOther, "it is a Parallels disk", convertNext},
	{0, "\x3a\xff\x26\xed", kindOther, "it is an Android sparse image", "Convert it with `simg2img`."},
	{0, "LibvirtQemudSave", kindOther, "it is a saved guest of libvirt, not a disk image", ""},
	{0, "PK\x03\x04", kindOther, "it is a zip archive", "Unpack it and name the image inside."},
	{0, "7z\xbc\xaf\x27\x1c", kindOther, "it is a 7-Zip archive", "Unpack it and name the image inside."},
	{0, "Rar!", kindOther, "it is a RAR archive", "Unpack it and name the image inside."},
	{0, "\x04\x22\x4d\x18", kindOther, "it is compressed with lz4", "Unpack it and name the image inside."},
	{0, "\x5d\x00\x00", kindOther, "it is compressed with the old lzma format", "Unpack it and name the image inside."},
	{0, "\xed\xab\xee\xdb", kindOther, "it is an RPM package", ""},
	{0, "!<arch>\n", kindOther, "it is a Debian package or an ar archive", ""},
	{0, "070701", kindOther, "it is a cpio archive (an initramfs?)", ""},
	{0, "LUKS\xba\xbe", kindOther, "it is an encrypted volume (LUKS), not a bootable disk", ""},
}

// filesystems are volumes without a partition table: no firmware starts them.
var filesystems = []signature{
	{0x438, "\x53\xef", kindOther, "ext4", ""},
	{0, "XFSB", kindOther, "XFS", ""},
	{0x10040, "_BHRfS_M", kindOther, "btrfs", ""},
	{0, "hsqs", kindOther, "squashfs", ""},
	{0x400, "\xe2\xe1\xf5\xe0", kindOther, "EROFS", ""},
}

// recognise tells from its first bytes what a file is. head is the first headSize
// bytes, or the whole of a shorter file. For kindOther the error says what it is instead.
func recognise(head []byte) (kind, *InputError) {
	for _, s := range signatures {
		if at(head, s.offset, s.magic) {
			if s.kind == kindOther {
				return kindOther, badInput(s.next, "%s", s.what)
			}
			if s.kind == kindBzip2 && (len(head) < 4 || head[3] < '1' || head[3] > '9') {
				continue
			}
			return s.kind, nil
		}
	}
	if isTar(head) {
		return kindTar, nil
	}
	if hasBootSector(head) {
		return kindRaw, nil
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return kindOther, badInput("", "its first %s are all zero: there is no boot sector and no partition table", bytesText(int64(len(head))))
	}
	for _, s := range filesystems {
		if at(head, s.offset, s.magic) {
			return kindOther, badInput("Name the image of the whole disk.", "it is a bare %s file system without a partition table or boot sector, so no firmware can start it", s.what)
		}
	}
	if text, ok := textStart(head); ok {
		return kindOther, textError(text)
	}
	return kindOther, badInput("Images are qcow2, raw (with a boot sector or partition table), either of them under xz, gzip, zstd or bzip2, or a Vagrant box for libvirt.",
		"its content is no image format this program knows (it begins with % x)", head[:min(8, len(head))])
}

func at(head []byte, offset int, magic string) bool {
	return len(head) >= offset+len(magic) && string(head[offset:offset+len(magic)]) == magic
}

// hasBootSector tells a disk that a firmware could start: the signature of a boot
// sector with something in it, or a GPT (behind a first sector of 512 or 4096 bytes).
func hasBootSector(head []byte) bool {
	if at(head, 512, gptMagic) || at(head, 4096, gptMagic) {
		return true
	}
	return at(head, 510, "\x55\xaa") && len(bytes.Trim(head[:510], "\x00")) > 0
}

// isTar checks the sum over the first header, as every tar since 1979 has it
// and a member's name alone proves nothing.
func isTar(head []byte) bool {
	if len(head) < 512 || head[0] == 0 {
		return false
	}
	field := strings.Trim(string(head[148:156]), " \x00")
	want, err := strconv.ParseUint(field, 8, 32)
	if err != nil {
		return false
	}
	var sum uint64
	for i, b := range head[:512] {
		if i >= 148 && i < 156 {
			b = ' '
		}
		sum += uint64(b)
	}
	return sum == want
}

// textStart returns the first line when head reads as text.
func textStart(head []byte) (string, bool) {
	sample := head[:min(512, len(head))]
	if bytes.HasPrefix(sample, []byte("\xff\xfe")) || bytes.HasPrefix(sample, []byte("\xfe\xff")) {
		return "(UTF-16)", true
	}
	for s := sample; len(s) > 0; {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 && len(s) >= utf8.UTFMax {
			return "", false
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != '\x1b' {
			return "", false
		}
		s = s[n:]
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(sample)), "\n")
	if len(line) > 60 {
		line = line[:60] + "..."
	}
	return strings.ToValidUTF8(line, "?"), true
}

func textError(line string) *InputError {
	const download = "Fetch the image again."
	low := strings.ToLower(line)
	switch {
	case strings.HasPrefix(low, "version https://git-lfs"):
		return badInput("Run `git lfs pull`.", "it is a Git LFS pointer, not the image itself")
	case strings.HasPrefix(low, "<!doctype html"), strings.HasPrefix(low, "<html"), strings.HasPrefix(low, "<?xml"):
		return badInput(download, "it is a web page or XML text (a failed download?), not a disk image; it begins with %q", line)
	}
	return badInput(download, "it is a text file, not a disk image; it begins with %q", line)
}

// be32 and be64 read big-endian numbers, as qcow2 has them.
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
