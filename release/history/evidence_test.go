package history

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/release"
)

// storeFile is where fill's history has a file of its store.
func storeFile(dir, name string) string { return filepath.Join(storeOf(dir, "ASSAY"), name) }

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// kept is a file as the only copy of damaged files has it.
func kept(t *testing.T, dir, name string) []byte {
	t.Helper()
	copies, err := evidence(dir)
	if err != nil || len(copies) != 1 {
		t.Fatalf("copies of damaged files: %q, %v", copies, err)
	}
	raw, err := os.ReadFile(filepath.Join(copies[0], name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestEvidenceIsKept: what the event store cuts off when it opens its files is
// still there afterwards, the finding says where, and it is copied once.
func TestEvidenceIsKept(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole, 40)
	const blk = "msgs/1.blk"
	raw, err := os.ReadFile(storeFile(whole, blk))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := os.ReadFile(storeFile(whole, metaFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file, index string
		data              []byte
	}{
		{"a byte in the middle", blk, "kept", flip(raw, len(raw)/2)},
		{"a byte in the middle", blk, "gone", flip(raw, len(raw)/2)},
		{"a length", blk, "gone", flip(raw, 2)},
		{"the last byte", blk, "kept", flip(raw, len(raw)-1)},
		{"cut off", blk, "kept", raw[:len(raw)*2/3]},
		{"cut off", blk, "gone", raw[:len(raw)*2/3]},
		{"zeros", blk, "gone", append(append([]byte(nil), raw[:5000]...), make([]byte, len(raw)-5000)...)},
		{"its description", metaFile, "kept", flip(meta, len(meta)/2)},
	} {
		t.Run(c.name+", index "+c.index, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "his[tory")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			write(t, storeFile(dir, c.file), c.data)
			if c.index == "gone" {
				if err := os.Remove(storeFile(dir, "msgs/index.db")); err != nil {
					t.Fatal(err)
				}
			}
			for start := range 3 {
				h := open(t, dir)
				r := verify(t, h)
				if !bytes.Equal(kept(t, dir, c.file), c.data) {
					t.Fatal("the copy is not what was found")
				}
				if c.file == metaFile && !bytes.Equal(kept(t, dir, blk), raw) {
					t.Fatal("the events are not kept")
				}
				named := false
				for _, f := range r.Findings {
					named = named || strings.Contains(f.Text, "as they were found they are kept in "+filepath.Join(dir, evidencePrefix))
				}
				if !named {
					t.Fatalf("start %d: no finding names the copy: %+v", start, r.Findings)
				}
				h.Close()
			}
			// A person looks, and may then remove the copy.
			h := open(t, dir)
			if err := h.Begin(t.Context(), t0); err != nil {
				t.Fatal(err)
			}
			if _, err := Acknowledge(t.Context(), h, alice, "I looked", t0); err != nil {
				t.Fatal(err)
			}
			s, err := release.Load(t.Context(), h)
			if err == nil {
				err = s.Update(t.Context(), h, func(*release.State) ([]release.Event, error) { return []release.Event{block("more")}, nil })
			}
			if err != nil {
				t.Fatal(err)
			}
			h.Close()
			copies, _ := evidence(dir)
			if err := os.RemoveAll(copies[0]); err != nil {
				t.Fatal(err)
			}
			h = open(t, dir)
			if r := verify(t, h); len(r.Findings) > 0 {
				t.Errorf("after the acknowledgement: %+v", r.Findings)
			}
		})
	}
}

// TestPowerCutIsNoDamage: half a record after the last that was acknowledged is
// what a power cut leaves.
func TestPowerCutIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 10)
	raw, err := os.ReadFile(storeFile(dir, "msgs/1.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tail := range map[string][]byte{"half a record": raw[:len(raw)/13], "half a head": raw[:7], "zeros": make([]byte, 300)} {
		write(t, storeFile(dir, "msgs/1.blk"), append(append([]byte(nil), raw...), tail...))
		_ = os.Remove(storeFile(dir, "msgs/index.db"))
		h := open(t, dir)
		if r := verify(t, h); r.Events != 10 || len(r.Findings) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
		h.Close()
		if copies, err := evidence(dir); err != nil || len(copies) > 0 {
			t.Errorf("%s: copies %q, %v", name, copies, err)
		}
	}
	// Without the anchor nobody knows what was acknowledged.
	write(t, storeFile(dir, "msgs/1.blk"), append(append([]byte(nil), raw...), raw[:99]...))
	if err := os.Remove(anchorPath(dir)); err != nil {
		t.Fatal(err)
	}
	h := open(t, dir)
	defer h.Close()
	if copies, err := evidence(dir); err != nil || len(copies) != 1 {
		t.Errorf("without an anchor: copies %q, %v", copies, err)
	}
}

// TestHealthyStoreLooksHealthy, over several blocks: were the server's format to
// change, this would notice.
func TestHealthyStoreLooksHealthy(t *testing.T) {
	dir := t.TempDir()
	h := open(t, dir)
	if err := h.Begin(t.Context(), t0); err != nil {
		t.Fatal(err)
	}
	s := release.NewState()
	if err := s.Update(t.Context(), h, func(s *release.State) ([]release.Event, error) {
		var out []release.Event
		for i := range 24 {
			text := strings.Repeat(fmt.Sprintf("%02d", i), release.MaxPolicy/2)
			e, err := release.NewEvent("s", t0, alice, &release.PolicySet{Text: text, Digest: release.PolicyDigest(text, nil)})
			if err != nil {
				return nil, err
			}
			e.ID = fmt.Sprint(i)
			if !s.Has(e.ID) {
				out = append(out, e)
			}
		}
		return out, nil
	}); err != nil {
		t.Fatal(err)
	}
	h.Close()
	faults, err := inspect(storeOf(dir, "ASSAY"), "ASSAY", ^uint64(0))
	if err != nil || len(faults) > 0 {
		t.Errorf("%v, %v", faults, err)
	}
	blocks, err := blocksOf(storeOf(dir, "ASSAY"))
	if err != nil || len(blocks) < 2 {
		t.Fatalf("blocks %v, %v", blocks, err)
	}
	seen := uint64(0)
	for _, n := range blocks {
		raw, err := os.ReadFile(storeFile(dir, fmt.Sprintf("msgs/%d.blk", n)))
		if err != nil {
			t.Fatal(err)
		}
		at, last, what, err := scanBlock(raw, "ASSAY", n, seen)
		if at != len(raw) || last <= seen || what != "" || err != nil {
			t.Errorf("block %d, byte %d of %d, event %d after %d: %s, %v", n, at, len(raw), last, seen, what, err)
		}
		seen = last
		if _, _, what, _ := scanBlock(raw, "ASSAY", n+1, 0); what == "" {
			t.Error("checksums make no difference")
		}
	}
	if seen != 25 {
		t.Errorf("%d events", seen)
	}
}

// TestCopiesAreBounded: a disk that goes on to lose data does not fill up with
// copies, and nobody goes on without being told.
func TestCopiesAreBounded(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 5)
	for i := range maxCopies {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(evidencePrefix, i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h := open(t, dir) // nothing new is wrong
	if r := verify(t, h); len(r.Findings) != maxCopies {
		t.Errorf("%+v", r)
	}
	h.Close()
	raw, err := os.ReadFile(storeFile(dir, "msgs/1.blk"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, storeFile(dir, "msgs/1.blk"), raw[:len(raw)-40])
	_, err = Open(context.Background(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "10 copies of damaged files are there") {
		t.Errorf("the eleventh: %v", err)
	}
	if now, err := os.ReadFile(storeFile(dir, "msgs/1.blk")); err != nil || !bytes.Equal(now, raw[:len(raw)-40]) {
		t.Errorf("the server has had it: %v", err)
	}
}

// TestBrokenCopyIsMadeAnew: a copy that was cut short is not taken for one.
func TestBrokenCopyIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 5)
	raw, err := os.ReadFile(storeFile(dir, "msgs/1.blk"))
	if err != nil {
		t.Fatal(err)
	}
	bad := flip(raw, len(raw)/2)
	write(t, storeFile(dir, "msgs/1.blk"), bad)
	open(t, dir).Close()
	copies, _ := evidence(dir)
	if err := os.Rename(copies[0], copies[0]+".new"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(copies[0]+".new", "msgs/1.blk"), bad[:10])
	write(t, storeFile(dir, "msgs/1.blk"), bad)
	open(t, dir).Close()
	if !bytes.Equal(kept(t, dir, "msgs/1.blk"), bad) {
		t.Error("half a copy was kept")
	}
}

func FuzzScanBlock(f *testing.F) {
	f.Add([]byte("\x1e\x00\x00\x00"), uint64(3))
	f.Fuzz(func(t *testing.T, raw []byte, before uint64) {
		at, last, what, err := scanBlock(raw, "ASSAY", 1, before)
		if err != nil || at > len(raw) || last < before || (what == "") != (at == len(raw)) {
			t.Fatalf("byte %d of %d, event %d after %d: %q, %v", at, len(raw), last, before, what, err)
		}
	})
}
