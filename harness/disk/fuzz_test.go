package disk

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// sparseReader makes a file of any length out of a few bytes, so that offsets far out are reachable.
type sparseReader struct {
	head []byte
	size int64
}

func (r sparseReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.size-off))
	clear(p[:n])
	if off < int64(len(r.head)) {
		copy(p[:n], r.head[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func FuzzQCOW2(f *testing.F) {
	small := make([]byte, 1<<20)
	copy(small, fixtureDisk())
	for _, args := range [][]string{nil, {"-c"}, {"-o", "compat=0.10"}, {"-o", "cluster_size=512"}, {"-c", "-o", "compression_type=zstd,cluster_size=4096"}, {"-o", "extended_l2=on"}} {
		q := qcow2Of(f, small, args...)
		f.Add(q[:min(len(q), 64<<10)], int64(len(q)))
	}
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		size = max(size, int64(len(b)))
		h, bad := parseQCOW2(b[:min(len(b), headSize)], DefaultMaxVirtual)
		if (h == nil) == (bad == nil) {
			t.Fatalf("header %v, error %v", h, bad)
		}
		if h == nil {
			return
		}
		if h.size <= 0 || h.size > DefaultMaxVirtual || h.clusterBits < minClusterBits || h.clusterBits > maxClusterBits || h.l1Entries*8 > maxL1Bytes {
			t.Fatalf("accepted %+v", h)
		}
		file := sparseReader{b, size}
		if h.fits(file, size) != nil {
			return
		}
		d, err := newQCOW2Disk(h, file, size)
		if err != nil {
			return
		}
		buf := make([]byte, 4096)
		for _, off := range []int64{0, 512, h.size / 2, h.size - 1, h.size, -1} {
			if n, err := d.ReadAt(buf, off); n > len(buf) || n < len(buf) && err == nil {
				t.Fatalf("ReadAt(%d) = %d, %v", off, n, err)
			}
		}
		if l, err := readLayout(d, h.size); err == nil {
			startOf(d, l)
		}
	})
}

func FuzzPartitionTable(f *testing.F) {
	f.Add(fixtureDisk()[:34*512], int64(fixtureSize))
	f.Add(mbrDisk(true, partition{id: mbrESP, offset: 1 << 20, length: 1 << 20})[:1024], int64(4<<20))
	f.Add(gptDisk(true, 4096, typeESP)[:24<<10], int64(4<<20))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if size = max(size, int64(len(b))); size > DefaultMaxVirtual {
			return
		}
		// A fuzzer does not guess checksums.
		for _, s := range []int{512, 4096} {
			if len(b) >= s+512 {
				fixed := bytes.Clone(b)
				putCRC(fixed[s:])
				check(t, fixed, size)
			}
		}
		check(t, b, size)
	})
}

func check(t *testing.T, b []byte, size int64) {
	r := sparseReader{b, size}
	l, err := readLayout(r, size)
	if err != nil {
		return
	}
	if l.end < 0 || len(l.partitions) > maxGPTEntries {
		t.Fatalf("layout %+v", l)
	}
	for _, p := range l.partitions {
		if p.offset < 0 || p.length < 0 {
			t.Fatalf("partition %+v", p)
		}
	}
	startOf(r, l)
}

func FuzzBoxMetadata(f *testing.F) {
	f.Add([]byte(libvirtBox))
	f.Add([]byte(`{"provider":"libvirt","format":"qcow2","disks":[{"path":"box_0.img","format":"qcow2"},{"path":"box_1.img"}]}`))
	f.Add([]byte(`{"provider":"libvirt","disks":[{"path":"../x"}],"virtual_size":1e300}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, bad := parseBoxMetadata(b)
		if bad != nil {
			return
		}
		names := m.disks()
		if len(names) == 0 || len(names) > maxBoxDisks {
			t.Fatalf("disks %q", names)
		}
		seen := map[string]bool{}
		for _, n := range names {
			if seen[n] || !diskName.MatchString(n) || bytes.ContainsAny([]byte(n), "/\x00") || n == ".." {
				t.Fatalf("disks %q", names)
			}
			seen[n] = true
		}
	})
}

func FuzzBox(f *testing.F) {
	q := qcow2Of(f, fixtureDisk()[:64<<10])
	f.Add(tarOf(f, member{name: "metadata.json", content: libvirtBox}, member{name: "box.img", content: string(q[:4096])}))
	f.Add(tarOf(f, member{name: "../x", content: "x"}))
	c := openCache(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		i := &importing{cache: c, opt: Options{}.withDefaults(), limit: 1 << 20}
		defer func() {
			i.discard()
			if l := leftovers(t, c); len(l) > 0 {
				t.Fatalf("left behind: %v", l)
			}
		}()
		i.readBox(&boundedReader{bytes.NewReader(b), i.limit, tooLarge(i.limit)})
	})
}

func FuzzRecognise(f *testing.F) {
	f.Add(fixtureDisk()[:headSize])
	f.Add([]byte("hello"))
	f.Add([]byte{})
	f.Add(tarOf(f, member{name: "metadata.json", content: libvirtBox}))
	for _, s := range signatures {
		f.Add(append(make([]byte, s.offset), s.magic...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, bad := recognise(b[:min(len(b), headSize)])
		if (k == kindOther) != (bad != nil) {
			t.Fatalf("%s, %v", k, bad)
		}
		if bad != nil && bad.Problem == "" {
			t.Fatal("no problem named")
		}
	})
}

func FuzzXZIndex(f *testing.F) {
	x := xzipped(f, bytes.Repeat([]byte("assay"), 10_000))
	f.Add(x)
	f.Add(append(append(bytes.Clone(x), 0, 0, 0, 0), x...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := xzUnpackedSize(bytes.NewReader(b), int64(len(b)), 1<<40); err == nil && n < 0 {
			t.Fatalf("size %d", n)
		}
	})
}

func FuzzNote(f *testing.F) {
	c := openCache(f)
	d := "0000000000000000000000000000000000000000000000000000000000000000"
	f.Add([]byte(`{"version":1,"digest":"sha256:` + d + `","disks":[{"format":"raw","file":"../../etc/passwd"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(c.dir+"/"+d+".json", b, 0o600); err != nil {
			t.Fatal(err)
		}
		n := c.readNote("sha256:" + "0000000000000000000000000000000000000000000000000000000000000000")
		if n == nil {
			return
		}
		for _, k := range n.Disks {
			if bytes.ContainsRune([]byte(k.File), '/') || k.File == ".." {
				t.Fatalf("a note leads out of the cache: %q", k.File)
			}
		}
	})
}
