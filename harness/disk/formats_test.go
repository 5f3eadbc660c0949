package disk

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"crypto/sha256"

	"assay/artifact"
)

const libvirtBox = `{"provider":"libvirt","format":"qcow2","virtual_size":1}`

// Every shipped form of one disk becomes a base with the disk's content.
func TestFormats(t *testing.T) {
	raw := fixtureDisk()
	q := qcow2Of(t, raw)
	box := tarOf(t, member{name: "./metadata.json", content: libvirtBox}, member{name: "./Vagrantfile", content: "x"}, member{name: "./box.img", content: string(q)})
	newBox := tarOf(t, member{name: "box_0.img", content: string(q)}, member{name: "box_1.img", content: string(q)}, member{name: "other.img", content: string(q)},
		member{name: "metadata.json", content: `{"provider":"libvirt","format":"qcow2","disks":[{"path":"box_0.img","format":"qcow2"},{"path":"box_1.img"}]}`})
	for _, tc := range []struct {
		name    string
		content []byte
		format  artifact.Format
		coding  artifact.Compression
		base    artifact.Format
		library bool // not the xz program
		copy    bool
		extra   int
	}{
		{name: "raw", content: raw, format: artifact.Raw, base: artifact.Raw},
		{name: "qcow2", content: q, format: artifact.QCOW2, base: artifact.QCOW2},
		{name: "qcow2 of version 2", content: qcow2Of(t, raw, "-o", "compat=0.10"), format: artifact.QCOW2, base: artifact.QCOW2},
		{name: "qcow2 with deflated clusters", content: qcow2Of(t, raw, "-c"), format: artifact.QCOW2, base: artifact.QCOW2},
		{name: "qcow2 with zstd clusters", content: qcow2Of(t, raw, "-c", "-o", "compression_type=zstd"), format: artifact.QCOW2, base: artifact.QCOW2},
		{name: "qcow2 with small clusters", content: qcow2Of(t, raw, "-o", "cluster_size=4096"), format: artifact.QCOW2, base: artifact.QCOW2},
		{name: "raw.xz", content: xzipped(t, raw), format: artifact.Raw, coding: artifact.XZ, base: artifact.Raw},
		{name: "raw.xz by library", content: xzipped(t, raw), format: artifact.Raw, coding: artifact.XZ, base: artifact.Raw, library: true},
		{name: "raw.gz", content: gzipped(t, raw), format: artifact.Raw, coding: artifact.Gzip, base: artifact.Raw},
		{name: "raw.zst", content: zstded(t, raw), format: artifact.Raw, coding: artifact.Zstd, base: artifact.Raw},
		{name: "raw.bz2", content: bzipped(t, raw), format: artifact.Raw, coding: artifact.Bzip2, base: artifact.Raw},
		{name: "qcow2.gz", content: gzipped(t, q), format: artifact.QCOW2, coding: artifact.Gzip, base: artifact.QCOW2},
		{name: "qcow2.xz", content: xzipped(t, q), format: artifact.QCOW2, coding: artifact.XZ, base: artifact.QCOW2},
		{name: "box", content: gzipped(t, box), format: artifact.VagrantLibvirt, coding: artifact.Gzip, base: artifact.QCOW2},
		{name: "box without compression", content: box, format: artifact.VagrantLibvirt, base: artifact.QCOW2},
		{name: "box with a list of disks", content: gzipped(t, newBox), format: artifact.VagrantLibvirt, coding: artifact.Gzip, base: artifact.QCOW2, extra: 1},
		{name: "copied raw", content: raw, format: artifact.Raw, base: artifact.Raw, copy: true},
		{name: "copied qcow2", content: q, format: artifact.QCOW2, base: artifact.QCOW2, copy: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			c := openCache(t)
			if tc.library {
				c.xz = ""
			} else if c.xz == "" && tc.coding == artifact.XZ {
				t.Fatal("the program xz is needed by this test: install xz-utils")
			}
			path := write(t, "misleading.txt", tc.content)
			var last, total int64
			opt := Options{Copy: tc.copy, Progress: func(d, n int64) { last, total = d, n }}
			b, err := c.Base(ctx, path, opt)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if last != int64(len(tc.content)) || total != last {
				t.Errorf("progress ended at %d of %d; want %d", last, total, len(tc.content))
			}
			want := artifact.Image{Path: path, Format: tc.format, Compression: tc.coding, Arch: artifact.X8664,
				Digest: artifact.DigestOf(sha256.Sum256(tc.content)), Size: int64(len(tc.content)), VirtualSize: fixtureSize}
			if b.Image != want {
				t.Errorf("image = %+v\nwant    %+v", b.Image, want)
			}
			if b.Format != tc.base || b.SectorSize != 512 || b.FromCache || len(b.Extra) != tc.extra || len(b.Notes) != 0 {
				t.Errorf("base = %+v", b)
			}
			if !slices.Equal(b.Firmwares, []artifact.Firmware{artifact.UEFI, artifact.BIOS}) {
				t.Errorf("firmwares = %v (%s)", b.Firmwares, b.FirmwareReason)
			}
			inPlace := tc.coding == "" && tc.format != artifact.VagrantLibvirt && !tc.copy
			if b.InPlace() != inPlace || (b.Path == path) != inPlace {
				t.Errorf("path = %s, in place = %v", b.Path, b.InPlace())
			}
			for _, d := range append([]Disk{{b.Path, b.Format, 0}}, b.Extra...) {
				if got := virtualDisk(t, d.Path, d.Format); !bytes.Equal(got, raw) {
					t.Errorf("%s does not hold the disk", d.Path)
				}
			}
			if fi, err := os.Stat(b.Path); err != nil || !inPlace && fi.Mode() != 0o444 {
				t.Errorf("mode of %s = %v, %v", b.Path, fi.Mode(), err)
			}
			if l := leftovers(t, c); len(l) > 0 {
				t.Errorf("left behind: %v", l)
			}
			if err := b.Verify(); err != nil {
				t.Error(err)
			}

			over := filepath.Join(t.TempDir(), "over")
			if err := b.Overlay(ctx, over, 8<<20); err != nil {
				t.Fatal(err)
			}
			if got := virtualDisk(t, over, artifact.QCOW2); len(got) != 8<<20 || !bytes.Equal(got[:fixtureSize], raw) {
				t.Errorf("the overlay does not read as the disk, grown to 8 MiB")
			}
			if err := b.Overlay(ctx, over, 0); !errors.Is(err, os.ErrExist) {
				t.Errorf("overlay over an existing file: %v", err)
			}

			again, err := c.Base(ctx, write(t, "same", tc.content), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if !inPlace && (!again.FromCache || again.Path != b.Path) {
				t.Errorf("the same bytes under another name were unpacked again: %+v", again)
			}
			if again.Image.Digest != b.Image.Digest || again.Image.VirtualSize != b.Image.VirtualSize {
				t.Errorf("image of the same bytes = %+v", again.Image)
			}
		})
	}
}

// virtualDisk is what a guest would read.
func virtualDisk(t testing.TB, path string, f artifact.Format) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	tool(t, "qemu-img", "convert", "-f", string(f), "-O", "raw", path, out)
	return read(t, out)
}

// The harness's own reader of a qcow2 sees what QEMU sees.
func TestQCOW2DiskReadsAsQEMU(t *testing.T) {
	raw := fixtureDisk()
	for _, args := range [][]string{nil, {"-c"}, {"-o", "cluster_size=512"}, {"-o", "cluster_size=2M"}, {"-c", "-o", "compression_type=zstd"}, {"-o", "compat=0.10"}} {
		b := qcow2Of(t, raw, args...)
		h, bad := parseQCOW2(b[:min(headSize, len(b))], DefaultMaxVirtual)
		if bad != nil {
			t.Fatalf("%v: %v", args, bad)
		}
		d, err := newQCOW2Disk(h, bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		got := make([]byte, len(raw))
		if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%v: content differs (%v)", args, err)
		}
		part := make([]byte, 100_000)
		if _, err := d.ReadAt(part, 2<<20-77); err != nil || !bytes.Equal(part, raw[2<<20-77:][:len(part)]) {
			t.Errorf("%v: a part in the middle differs (%v)", args, err)
		}
	}
}

func TestExtendedL2IsBootable(t *testing.T) {
	c := openCache(t)
	b, err := c.Base(t.Context(), write(t, "x", qcow2Of(t, fixtureDisk(), "-o", "extended_l2=on")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if len(b.Firmwares) != 0 || b.FirmwareReason == "" {
		t.Errorf("firmwares = %v, reason %q", b.Firmwares, b.FirmwareReason)
	}
}

func TestOverlayOfOverlay(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	raw := fixtureDisk()
	base := write(t, filepath.Join(dir, "base,with:odd chars"), raw)
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if err := Overlay(ctx, one, base, artifact.Raw, 0); err != nil {
		t.Fatal(err)
	}
	if err := Overlay(ctx, two, one, artifact.QCOW2, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(virtualDisk(t, two, artifact.QCOW2), raw) {
		t.Error("the second overlay does not read as the base")
	}
	if err := Overlay(ctx, filepath.Join(dir, "x"), filepath.Join(dir, "missing"), artifact.Raw, 0); err == nil {
		t.Error("an overlay on nothing was made")
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a failed overlay was left behind")
	}
	if err := Overlay(ctx, filepath.Join(dir, "x"), base, artifact.VagrantLibvirt, 0); err == nil {
		t.Error("an overlay on a box was made")
	}
}

// A raw disk that a guest could have written a qcow2 header into stays raw on the overlay.
func TestOverlayNeverProbes(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), bytes.Repeat([]byte("s"), 1<<20))
	evil := filepath.Join(dir, "evil")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", evil).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	over := filepath.Join(dir, "over")
	if err := Overlay(context.Background(), over, evil, artifact.Raw, 0); err != nil {
		t.Fatal(err)
	}
	if got := virtualDisk(t, over, artifact.QCOW2); !bytes.HasPrefix(got, []byte("QFI\xfb")) {
		t.Errorf("QEMU looked into the raw disk: it reads %q...", got[:8])
	}
}
