package disk

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wantInputError holds every refusal to the same promises: one InputError that names the file, says what
// is wrong, is quick, and leaves nothing in the cache.
func wantInputError(t *testing.T, c *Cache, path string, opt Options, problem string) {
	t.Helper()
	began := time.Now()
	b, err := c.Base(t.Context(), path, opt)
	if err == nil {
		b.Close()
		t.Fatalf("accepted; want an error with %q", problem)
	}
	var in *InputError
	if !errors.As(err, &in) {
		t.Fatalf("error %T %v; want an *InputError", err, err)
	}
	if in.Path != path || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v\nwant the path and %q in one line", err, problem)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("refused after %s", took)
	}
	if l := append(leftovers(t, c), images(t, c)...); len(l) > 0 {
		t.Errorf("left in the cache: %v", l)
	}
}

// with returns a copy of b with the bytes at off replaced.
func with(b []byte, off int, v ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[off:], v)
	return b
}

func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func TestRefusedContent(t *testing.T) {
	raw := fixtureDisk()
	q := qcow2Of(t, raw)
	backing := func() []byte {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "secret"), raw)
		over := filepath.Join(dir, "over")
		tool(t, "qemu-img", "create", "-q", "-f", "qcow2", "-b", filepath.Join(dir, "secret"), "-F", "raw", over)
		return read(t, over)
	}()
	external := func() []byte {
		dir := t.TempDir()
		p := filepath.Join(dir, "x")
		tool(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file="+filepath.Join(dir, "data")+",data_file_raw=on", p, "1M")
		return read(t, p)
	}()
	iso := make([]byte, 64<<10)
	copy(iso[510:], "\x55\xaa")
	copy(iso[0:], "\x33\xed")
	copy(iso[0x8001:], "CD001")
	ext4 := make([]byte, 1<<20)
	copy(ext4[0x438:], "\x53\xef")

	for _, tc := range []struct {
		name    string
		content []byte
		problem string
	}{
		{"text.qcow2", []byte("hello\nworld\n"), `it is a text file, not a disk image; it begins with "hello"`},
		{"latin.qcow2", []byte("h\xe9llo w\xf6rld, this is text of an old kind"), "no image format"},
		{"page.raw.xz", []byte("<!DOCTYPE html><html>404</html>"), "web page"},
		{"lfs", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "Git LFS pointer"},
		{"empty.qcow2", nil, "empty (0 bytes)"},
		{"zero.raw", make([]byte, 1<<20), "all zero"},
		{"one-byte", []byte{0}, "all zero"},
		{"installer.iso", iso, "ISO 9660"},
		{"installer.iso.gz", gzipped(t, iso), "inside its gzip compression, it is an ISO 9660"},
		{"program", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 4096)...), "ELF program"},
		{"ext4.raw", ext4, "bare ext4 file system"},
		{"disk.vmdk", append([]byte("KDMV"), make([]byte, 4096)...), "VMDK"},
		{"noise", bytes.Repeat([]byte("\x91\x92\x00\x93"), 4096), "no image format this program knows (it begins with 91 92 00 93"},

		{"cut.raw", raw[:fixtureSize-4096], "cut short: its partition table describes a disk of 4 MiB"},
		{"odd.raw", raw[:fixtureSize-100], "no whole number of sectors"},
		{"sector", raw[:512], "cut short"},
		{"cut.raw.gz", cut(gzipped(t, raw)), "gzip data is cut short"},
		{"cut.raw.xz", cut(xzipped(t, raw)), "xz data is damaged or cut short"},
		{"cut.raw.zst", cut(zstded(t, raw)), "zstd data is"},
		{"cut.raw.bz2", cut(bzipped(t, raw)), "bzip2 data is"},
		{"flip.raw.xz", with(xzipped(t, raw), 100<<10, 0xff, 0xff, 0xff, 0xff), "xz data is damaged"},
		{"flip.raw.gz", with(gzipped(t, raw), 100<<10, 0xff, 0xff, 0xff, 0xff), "gzip data is damaged"},
		{"garbage after.gz", append(gzipped(t, raw), "garbage"...), "gzip data is"},
		{"garbage after.xz", append(xzipped(t, raw), "garbage!"...), "xz data is damaged"},
		{"short inside.raw.gz", gzipped(t, raw[:fixtureSize/2]), "cut short: its partition table"},
		{"twice.xz.gz", gzipped(t, xzipped(t, raw)), "compressed twice, with xz inside gzip"},
		{"nothing.gz", gzipped(t, nil), "nothing inside its gzip compression"},
		{"text.xz", xzipped(t, []byte("hello")), "inside its xz compression, it is a text file"},

		{"cut.qcow2", q[:len(q)-100<<10], "cut short"},
		{"half.qcow2", q[:len(q)/2], "cut short"},
		{"header.qcow2", q[:60], "cut short inside the qcow2 header"},
		{"header3.qcow2", q[:90], "cut short inside the qcow2 header"},
		{"tables.qcow2", q[:70<<10], "cut short"},
		{"cut.qcow2.gz", gzipped(t, q[:len(q)/2]), "cut short"},
		{"backing.qcow2", backing, "refers to a backing file"},
		{"backing.qcow2.gz", gzipped(t, backing), "refers to a backing file"},
		{"external.qcow2", external, "keeps its data in another file"},
		{"external by extension", qcow2Extension(q, extExternalData, "/etc/passwd"), "keeps its data in another file"},
		{"luks.qcow2", with(q, 32, u32(2)...), "encrypted (method 2)"},
		{"luks by extension.qcow2", qcow2Extension(q, extLUKS, "0123456789abcdef"), "encrypted (LUKS)"},
		{"aes.qcow2", with(q, 32, u32(1)...), "encrypted (method 1)"},
		{"corrupt.qcow2", with(q, 72, u64(featCorrupt)...), "marked as corrupt"},
		{"future.qcow2", with(q, 72, u64(1<<40)...), "feature this program does not know (bit 40)"},
		{"version9.qcow2", with(q, 4, u32(9)...), "qcow2 of version 9"},
		{"version1.qcow", with(q, 4, u32(1)...), "qcow image of version 1"},
		{"huge.qcow2", with(q, 24, u64(1<<50)...), "virtual disk is 1 PiB; more than 1 TiB is refused"},
		{"vast.qcow2", with(q, 24, u64(1<<63+1)...), "refused"},
		{"none.qcow2", with(q, 24, u64(0)...), "no bytes"},
		{"clusters.qcow2", with(q, 20, u32(63)...), "header is damaged: clusters"},
		{"l1.qcow2", with(q, 36, u32(1<<31)...), "an L1 table"},
		{"l1 nowhere.qcow2", with(q, 40, u64(1<<50)...), "cut short"},
		{"l1 odd.qcow2", with(q, 40, u64(77)...), "impossible place"},
		{"refcounts.qcow2", with(q, 56, u32(1<<30)...), "refcount table"},
		{"refcount order.qcow2", with(q, 96, u32(60)...), "reference counts"},
		{"header length.qcow2", with(q, 100, u32(1<<30)...), "a header of"},
		{"l1 to nothing.qcow2", with(q, int(be64(q[40:])), u64(1<<63|1<<40)...), "cut short"},
		{"l1 into header.qcow2", with(q, int(be64(q[40:])), u64(1<<63)...), "damaged or cut short: qemu-img check found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := openCache(t)
			wantInputError(t, c, write(t, strings.ReplaceAll(tc.name, " ", "-"), tc.content), Options{}, tc.problem)
			c.xz = ""
			if strings.Contains(tc.problem, "xz data") {
				wantInputError(t, c, write(t, "by-library", tc.content), Options{}, "xz data")
			}
		})
	}
}

func cut(b []byte) []byte { return b[:len(b)*3/4] }

// qcow2Extension puts an extension before those that are there.
func qcow2Extension(q []byte, typ uint32, data string) []byte {
	n := int(be32(q[100:]))
	ext := append(u32(typ), u32(uint32(len(data)))...)
	ext = append(ext, data...)
	for len(ext)%8 != 0 {
		ext = append(ext, 0)
	}
	return with(q, n, append(ext, q[n:n+512]...)...)
}

func TestRefusedPaths(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"dangling": "missing", "loop": "loop", "to-fifo": "fifo"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, problem := range map[string]string{
		filepath.Join(dir, "none"):      "there is no such file",
		filepath.Join(dir, "fifo", "x"): "not the path of a file",
		dir:                             "is a directory",
		fifo:                            "named pipe",
		filepath.Join(dir, "to-fifo"):   "named pipe",
		filepath.Join(dir, "dangling"):  "symbolic link to missing, which does not exist",
		filepath.Join(dir, "loop"):      "leads back to itself",
		"/dev/zero":                     "is a device",
		"":                              "the path is empty",
	} {
		wantInputError(t, openCache(t), path, Options{}, problem)
	}
}

// An image that a guest writes to is refused: what is tested would not be what was hashed.
func TestImageInUse(t *testing.T) {
	path := write(t, "x.qcow2", qcow2Of(t, fixtureDisk()))
	cmd := exec.CommandContext(t.Context(), "qemu-io", "-f", "qcow2", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("cannot start qemu-io (package qemu-utils): %v", err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	// Its answer tells that it has the image open, and so locked.
	fmt.Fprintln(in, "length")
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("qemu-io said %q, %v", line, err)
	}
	wantInputError(t, openCache(t), path, Options{}, "has it open for writing")
}

func TestSymlinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	real := write(t, filepath.Join(dir, "real"), fixtureDisk())
	link := filepath.Join(dir, "latest")
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	b, err := openCache(t).Base(t.Context(), link, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Path != real || b.Image.Path != link {
		t.Errorf("path = %s, image path = %s; want %s and the link", b.Path, b.Image.Path, real)
	}
}

func TestRefusedBoxes(t *testing.T) {
	q := string(qcow2Of(t, fixtureDisk()))
	meta := member{name: "metadata.json", content: libvirtBox}
	img := member{name: "box.img", content: q}
	overlay := with([]byte(q), 8, append(u64(0x200), u32(11)...)...)
	for name, tc := range map[string]struct {
		members []member
		problem string
	}{
		"up":             {[]member{meta, img, {name: "../../../../tmp/assay-escape", content: "x"}}, "leads out of the archive"},
		"inner up":       {[]member{meta, img, {name: "a/../../x", content: "x"}}, "leads out of the archive"},
		"absolute":       {[]member{{name: "/etc/cron.d/x", content: "x"}, meta, img}, "not a relative path"},
		"symbolic link":  {[]member{meta, {name: "box.img", typ: tar.TypeSymlink, link: "/etc/passwd"}}, "that is a link"},
		"hard link":      {[]member{meta, {name: "box.img", typ: tar.TypeLink, link: "metadata.json"}}, "that is a link"},
		"device":         {[]member{meta, {name: "box.img", typ: tar.TypeBlock}}, "not a regular file"},
		"fifo":           {[]member{meta, {name: "box.img", typ: tar.TypeFifo}}, "not a regular file"},
		"twice":          {[]member{meta, img, {name: "./box.img", content: q}}, "twice"},
		"no metadata":    {[]member{img}, "without a metadata.json"},
		"no disk":        {[]member{meta}, "no box.img"},
		"other provider": {[]member{{name: "metadata.json", content: `{"provider":"virtualbox"}`}, img}, `provider "virtualbox"`},
		"other format":   {[]member{{name: "metadata.json", content: `{"provider":"libvirt","format":"raw","virtual_size":1}`}, img}, `format "raw"`},
		"not json":       {[]member{{name: "metadata.json", content: `{`}, img}, "metadata.json is not as expected"},
		"wrong type":     {[]member{{name: "metadata.json", content: `{"provider":"libvirt","format":"qcow2","virtual_size":"x"}`}, img}, "metadata.json is not as expected"},
		"negative":       {[]member{{name: "metadata.json", content: `{"provider":"libvirt","format":"qcow2","virtual_size":-1}`}, img}, "virtual_size of -1"},
		"long metadata":  {[]member{{name: "metadata.json", content: libvirtBox + strings.Repeat(" ", maxBoxMetadata)}, img}, "metadata.json has"},
		"disk elsewhere": {[]member{{name: "metadata.json", content: `{"provider":"libvirt","disks":[{"path":"../box.img"}]}`}, img}, `path "../box.img"`},
		"disk missing":   {[]member{{name: "metadata.json", content: `{"provider":"libvirt","disks":[{"path":"box.img"},{"path":"b.img"}]}`}, img}, "no b.img"},
		"not a qcow2":    {[]member{meta, {name: "box.img", content: "hello"}}, "box.img of the box is not a qcow2"},
		"overlay":        {[]member{meta, {name: "box.img", content: string(overlay)}}, "refers to a backing file"},
		"cut disk":       {[]member{meta, {name: "box.img", content: q[:len(q)/2]}}, "cut short"},
		"many disks":     {manyDisks(q), "more than 8 disks"},
		"an ova":         {[]member{{name: "x.ovf", content: "<xml/>"}}, "not a Vagrant box"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := tarOf(t, tc.members...)
			wantInputError(t, openCache(t), write(t, "x.box", gzipped(t, b)), Options{}, tc.problem)
		})
	}
	whole := gzipped(t, tarOf(t, meta, img))
	wantInputError(t, openCache(t), write(t, "cut.box", cut(whole)), Options{}, "cut short")
	if _, err := os.Stat("/tmp/assay-escape"); err == nil {
		t.Error("a member was written outside of the cache")
	}
}

func manyDisks(q string) (m []member) {
	for i := range 10 {
		m = append(m, member{name: fmt.Sprintf("d%d.img", i), content: q})
	}
	return append(m, member{name: "metadata.json", content: libvirtBox})
}

// zeros unpack to more than any disk.
func TestBombs(t *testing.T) {
	head := fixtureDisk()[:1<<20]
	part := make([]byte, 4<<20)
	copy(part, head)
	// xz streams after each other: 65 GiB of zeros in a few MiB.
	first, zeros := xzipped(t, part), xzipped(t, part[1<<20:])
	huge := append(first, bytes.Repeat(zeros, 65<<30/(3<<20))...)
	t.Run("xz that says so", func(t *testing.T) {
		wantInputError(t, openCache(t), write(t, "x.raw.xz", huge), Options{}, "unpacks to more than")
	})
	for name, b := range map[string][]byte{
		"gzip":  append(gzipped(t, part), gzipped(t, part[1<<20:])...),
		"zstd":  append(zstded(t, part), zstded(t, part[1<<20:])...),
		"bzip2": bzipped(t, append(part, part[1<<20:]...)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantInputError(t, openCache(t), write(t, "x.raw", b), Options{MaxSize: 6 << 20}, "unpacks to more than 6 MiB")
		})
	}
	t.Run("xz that lies", func(t *testing.T) {
		// The last 12 bytes are the footer; before them the index: 0, 1 record, two sizes, padding, CRC32.
		x := xzipped(t, part)
		indexAt := len(x) - 12 - int(le32(x[len(x)-8:])+1)*4
		index := x[indexAt : len(x)-12]
		is := binary.AppendUvarint(nil, uint64(len(part)))
		says := binary.AppendUvarint(nil, uint64(len(part)-1<<20))
		if bytes.Count(index, is) != 1 || len(is) != len(says) {
			t.Fatalf("unexpected index % x", index)
		}
		copy(index[bytes.Index(index, is):], says)
		binary.LittleEndian.PutUint32(index[len(index)-4:], crc32.ChecksumIEEE(index[:len(index)-4]))
		wantInputError(t, openCache(t), write(t, "x.raw.xz", x), Options{}, "unpacks to more than the 3 MiB that its own index states")
	})
	t.Run("sparse member", func(t *testing.T) {
		// An old GNU sparse header that claims 8 TiB in no bytes.
		h := make([]byte, 512)
		copy(h, "box.img")
		copy(h[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
		copy(h[257:], "ustar  \x00")
		copy(h[483:], "\x80\x00\x00\x00\x00\x00\x08\x00\x00\x00\x00\x00")
		var sum int
		for _, b := range h {
			sum += int(b)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		b := tarOf(t, member{name: "metadata.json", content: libvirtBox})
		b = append(b[:len(b)-1024], append(h, make([]byte, 1024)...)...)
		wantInputError(t, openCache(t), write(t, "x.box", gzipped(t, b)), Options{}, "unpacks to more than")
	})
}

// A disk of zeros that a real image may have is no bomb.
func TestSparseImageIsNoBomb(t *testing.T) {
	raw := make([]byte, 24<<20)
	copy(raw, fixtureDisk())
	putGPT(raw, 512, []partition{{guid: typeESP, offset: fixtureESP, length: 1 << 20}})
	c := openCache(t)
	b, err := c.Base(t.Context(), write(t, "x", gzipped(t, raw)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var st syscall.Stat_t
	if err := syscall.Stat(b.Path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Size != int64(len(raw)) || st.Blocks*512 > 4<<20 {
		t.Errorf("length %d, %d bytes on disk; want %d and no more than 4 MiB", st.Size, st.Blocks*512, len(raw))
	}
}

func TestCancelled(t *testing.T) {
	raw := fixtureDisk()
	for name, content := range map[string][]byte{"x.raw": raw, "x.xz": xzipped(t, raw), "x.gz": gzipped(t, raw)} {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the user said stop")
		c := openCache(t)
		_, err := c.Base(ctx, write(t, name, content), Options{Progress: func(_, _ int64) { cancel(why) }})
		if !errors.Is(err, why) {
			t.Errorf("%s: error = %v; want the cause of the cancellation", name, err)
		}
		var in *InputError
		if errors.As(err, &in) {
			t.Errorf("%s: a cancelled import blames the image: %v", name, err)
		}
		if l := append(leftovers(t, c), images(t, c)...); len(l) > 0 {
			t.Errorf("%s: left in the cache: %v", name, l)
		}
	}
}

// endless gives zeros for ever, as a bomb's decoder does from what it has read.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestCancelledWhileABombUnpacks(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	u := &unpacked{Reader: endless{}, codec: kindZstd, src: &meter{ctx: ctx}}
	p := make([]byte, 10)
	if n, err := u.Read(p); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	why := errors.New("the user said stop")
	cancel(why)
	if _, err := u.Read(p); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

// A name that could pass for another line, or steer a terminal, is quoted.
func TestOddNamesAreQuoted(t *testing.T) {
	for name, want := range map[string]string{"a b.qcow2": "a b.qcow2", "a\nassay: accepted": `"a\nassay: accepted"`, "\x1b[31m": `"\x1b[31m"`, "\u202ex": `"\u202ex"`} {
		if err := Find(filepath.Join("none", name)); err == nil || !strings.Contains(err.Error(), strings.Trim(want, `"`)) || strings.Contains(err.Error(), name) != (name == want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestSaid(t *testing.T) {
	diag := "qemu-img: warning: odd\nqemu-img: Could not open '/cache/tmp-1': it is corrupt\nYou can try qemu-img check -r all\n"
	if got := said(diag); got != "it is corrupt" {
		t.Errorf("%q", got)
	}
}
