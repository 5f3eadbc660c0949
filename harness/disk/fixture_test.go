package disk

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// A disk for tests: boot code, a GPT with an EFI system partition that holds a
// fallback loader's directory entry, a BIOS boot partition and a root partition.
const (
	fixtureSize = 4 << 20
	fixtureESP  = 1 << 20 // offset in bytes
)

func fixtureDisk() []byte {
	d := make([]byte, fixtureSize)
	copy(d, "\xeb\x63\x90 boot code")
	d[510], d[511] = 0x55, 0xaa
	d[446+4] = mbrProtective
	binary.LittleEndian.PutUint32(d[446+8:], 1)
	binary.LittleEndian.PutUint32(d[446+12:], 0xffffffff)
	putGPT(d, 512, []partition{
		{guid: typeESP, offset: fixtureESP, length: 512 << 10},
		{guid: typeBIOSBoot, offset: 1536 << 10, length: 512 << 10},
		{guid: "0fc63daf-8483-4772-8e79-3d69d8477de4", offset: 2 << 20, length: 2<<20 - 64<<10},
	})
	copy(d[fixtureESP+64<<10:], "BOOTX64 EFI\x20")
	r := rand.New(rand.NewPCG(1, 2))
	for i := 2 << 20; i < 2<<20+384<<10; i += 8 {
		binary.LittleEndian.PutUint64(d[i:], r.Uint64())
	}
	return d
}

// putGPT writes a primary table into the first sectors of d, for a disk as long as d.
func putGPT(d []byte, sector int, parts []partition) {
	table := make([]byte, 128*128)
	for i, p := range parts {
		e := table[i*128:]
		copy(e, guidBytes(p.guid))
		e[16] = byte(i + 1)
		binary.LittleEndian.PutUint64(e[32:], uint64(p.offset)/uint64(sector))
		binary.LittleEndian.PutUint64(e[40:], uint64(p.offset+p.length)/uint64(sector)-1)
	}
	copy(d[2*sector:], table)
	h := d[sector : sector+92]
	copy(h, gptMagic+"\x00\x00\x01\x00\x5c\x00\x00\x00")
	binary.LittleEndian.PutUint64(h[24:], 1)
	binary.LittleEndian.PutUint64(h[32:], uint64(len(d)/sector)-1)
	binary.LittleEndian.PutUint64(h[72:], 2)
	binary.LittleEndian.PutUint32(h[80:], 128)
	binary.LittleEndian.PutUint32(h[84:], 128)
	binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(table))
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}

func guidBytes(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil {
		panic(err)
	}
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5], b[6], b[7] = b[5], b[4], b[7], b[6]
	return b
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tool runs a program that this package declares as needed; without it the test fails.
func tool(t testing.TB, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("the program %s is needed by this test: install qemu-utils, xz-utils and bzip2", name)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// qcow2Of makes a qcow2 with the content.
func qcow2Of(t testing.TB, disk []byte, convertArgs ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	raw := write(t, filepath.Join(dir, "in"), disk)
	out := filepath.Join(dir, "out")
	tool(t, "qemu-img", append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, convertArgs...), raw, out)...)
	return read(t, out)
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// xzipped and bzipped need the programs: the libraries' writers are slow under the race
// detector, or do not exist.
func xzipped(t testing.TB, b []byte) []byte { t.Helper(); return filtered(t, b, "xz", "-0") }

func bzipped(t testing.TB, b []byte) []byte { t.Helper(); return filtered(t, b, "bzip2", "-1") }

func filtered(t testing.TB, b []byte, args ...string) []byte {
	t.Helper()
	path := write(t, "x", b)
	tool(t, args[0], append(args[1:], "-k", path)...)
	m, err := filepath.Glob(path + ".*")
	if err != nil || len(m) != 1 {
		t.Fatalf("%q made %v, %v", args, m, err)
	}
	return read(t, m[0])
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

type member struct {
	name, content string
	typ           byte
	link          string
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.typ, Linkname: m.link, Mode: 0o644, Size: int64(len(m.content))}
		if m.typ == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func openCache(t testing.TB) *Cache {
	t.Helper()
	c, err := OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// leftovers lists what lies in the cache beside images, notes and lock files.
func leftovers(t testing.TB, c *Cache) []string {
	t.Helper()
	var names []string
	for _, dir := range []string{c.dir, c.seen} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), tempPrefix) {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

// images lists the unpacked images of the cache.
func images(t testing.TB, c *Cache) []string {
	t.Helper()
	var names []string
	for _, ext := range []string{"qcow2", "raw"} {
		m, err := filepath.Glob(filepath.Join(c.dir, "*."+ext))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, m...)
	}
	return names
}
