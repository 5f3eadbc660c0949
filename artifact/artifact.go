// Package artifact names what a nightly build ships: an image, its format, its
// architecture and the digest that identifies its bytes. It holds vocabulary
// only: it opens no file and runs no program.
package artifact

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Arch is a machine architecture, spelled as `uname -m` spells it.
type Arch string

// The architectures a nightly may ship.
const (
	X8664   Arch = "x86_64"
	AArch64 Arch = "aarch64"
	PPC64LE Arch = "ppc64le"
	S390X   Arch = "s390x"
)

// Format is how a disk image lays out its sectors, once every compression
// around it is removed.
type Format string

// The disk formats the harness boots.
const (
	QCOW2 Format = "qcow2"
	Raw   Format = "raw"
	// VagrantLibvirt is a tar archive (mostly gzipped) that holds box.img (a
	// qcow2), metadata.json and a Vagrantfile.
	VagrantLibvirt Format = "vagrant-libvirt"
)

// Compression is the outermost coding of an image file.
type Compression string

// The codings the harness removes by itself.
const (
	Uncompressed Compression = ""
	XZ           Compression = "xz"
	Gzip         Compression = "gzip"
	Zstd         Compression = "zstd"
	Bzip2        Compression = "bzip2"
)

// Firmware is the program that starts the boot loader.
type Firmware string

// The firmwares a guest can start with.
const (
	UEFI Firmware = "uefi"
	BIOS Firmware = "bios"
)

// Digest is a SHA-256 in the form "sha256:<64 hexadecimal digits>", as OCI
// writes it.
type Digest string

const digestPrefix = "sha256:"

// ParseDigest accepts "sha256:HEX" or bare HEX and returns the canonical lower
// case form, or an error that names what is wrong with s.
func ParseDigest(s string) (Digest, error) {
	h := strings.ToLower(strings.TrimPrefix(s, digestPrefix))
	raw, err := hex.DecodeString(h)
	if err != nil || len(raw) != 32 {
		return "", fmt.Errorf("cannot read digest %.80q: want sha256: and 64 hexadecimal digits", s)
	}
	return Digest(digestPrefix + h), nil
}

// DigestOf wraps a raw SHA-256 sum.
func DigestOf(sum [32]byte) Digest {
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// Hex returns the digits without the "sha256:" prefix, for file names.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), digestPrefix) }

// Image is one file of a build, as found on disk.
type Image struct {
	// Path is where the file was found.
	Path string
	// Format is the disk format inside every compression.
	Format Format
	// Compression is the file's outer coding. A Vagrant box's own gzip counts.
	Compression Compression
	// Arch is what the image was built for; empty when nothing tells.
	Arch Arch
	// Digest is of the file's bytes as shipped (still compressed).
	Digest Digest
	// Size is the file's length in bytes, as shipped.
	Size int64
	// VirtualSize is the length in bytes of the disk a guest sees.
	VirtualSize int64
}
