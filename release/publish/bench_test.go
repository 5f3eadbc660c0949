package publish

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"assay/release"
	"assay/release/sign"
	"assay/release/sign/signtest"
)

// BenchmarkDirectory publishes a build with an image of 1 GiB. With links, the
// image is in no other place than before: MB/s is what five passes of SHA-256
// leave, "copied" what the file systems hold more than before, in MiB.
func BenchmarkDirectory(b *testing.B) {
	const size = 1 << 30
	for _, links := range []bool{true, false} {
		b.Run(fmt.Sprintf("links=%t", links), func(b *testing.B) {
			x := newBench(b, inDirectory(b))
			x.key.Sign = []sign.What{sign.Checksums, sign.Commits}
			x.config.Trust.Require, x.config.LinkSources = x.key.Sign, links
			var err error
			if x.signer, err = sign.New("key", x.key, sign.Options{Spool: x.signSpool}); err != nil {
				b.Fatal(err)
			}
			x.open(b)
			b.SetBytes(size)
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				id := release.BuildID(fmt.Sprintf("20261102_%02d", n+1))
				m := signtest.NewBuild(b, filepath.Join(x.builds, string(id)), id)
				x.made[id] = m
				grow(b, &m.Artifacts[0], size)
				m.Answers[0].Digest = m.Artifacts[0].Digest
				effects := x.effects(b, id, uint64(n+1))
				before := used(b, x)
				b.StartTimer()
				x.publish(b, effects)
				b.StopTimer()
				b.ReportMetric(float64(used(b, x)-before)/(1<<20), "copied")
				b.StartTimer()
			}
		})
	}
}

// grow makes an image of this many bytes.
func grow(b *testing.B, a *release.Artifact, size int64) {
	f, err := os.Create(a.Location)
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i*7 + i>>8)
	}
	for n := int64(0); n < size; n += int64(len(block)) {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	if a.Digest, a.Size, err = digestFrom(b.Context(), f); err != nil {
		b.Fatal(err)
	}
	_ = f.Close()
}

// used counts the bytes of x's target and spool that are in no build: each file
// once, however many names it has.
func used(b *testing.B, x *bench) (n int64) {
	seen := map[uint64]bool{}
	count := func(root string, add bool) {
		err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			st := info.Sys().(*syscall.Stat_t)
			if !seen[st.Ino] && add {
				n += st.Blocks * 512
			}
			seen[st.Ino] = true
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	count(x.builds, false)
	count(x.root, true)
	count(x.spool, true)
	return n
}
