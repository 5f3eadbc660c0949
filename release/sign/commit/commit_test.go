package commit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ostree runs the real program.
func ostree(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("ostree"); err != nil {
		t.Skip("ostree is not installed: apt-get install ostree")
	}
	out, err := exec.Command("ostree", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ostree %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func object(repo, sum, kind string) string {
	return filepath.Join(repo, "objects", sum[:2], sum[2:]+"."+kind)
}

// made is a repository with one commit, whose metadata has as many bytes more
// as asked for.
func made(t testing.TB, more int) (repo, sum string) {
	dir := t.TempDir()
	repo = filepath.Join(dir, "repo")
	tree := filepath.Join(dir, "tree")
	if err := os.MkdirAll(filepath.Join(tree, "usr"), 0o755); err != nil {
		t.Fatal(err)
	}
	ostree(t, "init", "--repo="+repo, "--mode=archive")
	sum = ostree(t, "commit", "--repo="+repo, "-b", "test/x86_64/host", "-s", "a subject", "-m", "a body\nof two lines",
		"--tree=dir="+tree, "--add-metadata-string=version=43.1", "--add-metadata-string=more="+strings.Repeat("x", more), "--timestamp=2026-11-21 10:00:00 +0000")
	return repo, sum
}

func TestCommitsAreReadAndWrittenAsOSTreeDoes(t *testing.T) {
	for _, more := range []int{0, 100, 200, 300, 65400, 65500, 70000} {
		repo, sum := made(t, more)
		raw, err := os.ReadFile(object(repo, sum, "commit"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if c.Subject != "a subject" || c.Body != "a body\nof two lines" || c.Parent != "" || c.Time.Unix() != 1795255200 ||
			c.Get("version").String() != "43.1" || c.Get(KeyBinding).Strings()[0] != "test/x86_64/host" {
			t.Errorf("read %+v", c)
		}
		if !bytes.Equal(c.Bytes(), raw) || Checksum(c.Bytes()) != sum {
			t.Errorf("with %d bytes more: written other bytes than read", more)
		}
		if show := ostree(t, "show", "--repo="+repo, sum); !strings.Contains(show, c.Content()) {
			t.Errorf("content checksum %s, but ostree says:\n%s", c.Content(), show)
		}
	}
}

func TestPromotedCommitIsOneToOSTree(t *testing.T) {
	repo, sum := made(t, 0)
	raw, _ := os.ReadFile(object(repo, sum, "commit"))
	c, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	o := Origin{Of: sum, Build: "test/20261121_01", Ref: "release/x86_64/host", Why: "the release has a ref of its own", Parent: sum}
	p := c.Promote(o).Bytes()
	if !bytes.Equal(p, c.Promote(o).Bytes()) || p == nil {
		t.Error("promoted twice, the bytes differ")
	}
	promoted := Checksum(p)
	if err := os.MkdirAll(filepath.Dir(object(repo, promoted, "commit")), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(object(repo, promoted, "commit"), p, 0o644); err != nil {
		t.Fatal(err)
	}
	ostree(t, "refs", "--repo="+repo, "--create=release/x86_64/host", promoted)
	ostree(t, "fsck", "--repo="+repo) // checks bindings, too
	show := ostree(t, "show", "--repo="+repo, promoted)
	for _, want := range []string{"ContentChecksum:  " + c.Content(), "Parent:  " + sum, "Version: 43.1"} {
		if !strings.Contains(show, want) {
			t.Errorf("%q is not in\n%s", want, show)
		}
	}
	if got := ostree(t, "show", "--repo="+repo, "--print-metadata-key="+KeyPromotionOf, promoted); got != "'"+sum+"'" {
		t.Errorf("origin %s", got)
	}
	again, err := Parse(p)
	if err != nil || again.Content() != c.Content() {
		t.Errorf("%v, content %s", err, again.Content())
	}
}

func TestDetachedKeepsEachSignatureOnce(t *testing.T) {
	var d Detached
	a, b := bytes.Repeat([]byte("a"), 64), bytes.Repeat([]byte("b"), 300)
	d.Add(KeyEd25519, a)
	d.Add(KeyEd25519, a)
	d.Add(KeyEd25519, b)
	o, err := ParseDetached(d.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var e Detached
	e.Add(KeyOpenPGP, []byte("pgp"))
	e.Add(KeyEd25519, b)
	o.Merge(&e)
	if got := o.Signatures(KeyEd25519); len(got) != 2 || !bytes.Equal(got[1], b) {
		t.Errorf("%q", got)
	}
	if got := o.Signatures(KeyOpenPGP); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestDamagedCommitsAreRefused(t *testing.T) {
	c := &Commit{Metadata: []Entry{textEntry("version", "1")}, Contents: strings.Repeat("00", 32), Meta: strings.Repeat("11", 32)}
	raw := c.Bytes()
	for cut := range raw {
		if _, err := Parse(raw[:cut]); err == nil {
			t.Errorf("cut off at %d of %d bytes, it is read", cut, len(raw))
		}
	}
}

func FuzzParse(f *testing.F) {
	c := &Commit{Metadata: []Entry{textEntry("version", "1"), textsEntry(KeyBinding, "a", "b")}, Contents: strings.Repeat("00", 32), Meta: strings.Repeat("11", 32)}
	f.Add(c.Bytes())
	f.Add((&Detached{}).Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := Parse(raw); err == nil {
			if again, err := Parse(c.Bytes()); err != nil || again.Content() != c.Content() {
				t.Errorf("what was read cannot be written and read: %v", err)
			}
		}
		if d, err := ParseDetached(raw); err == nil {
			for _, k := range []string{KeyOpenPGP, KeyEd25519} {
				d.Signatures(k)
			}
			if _, err := ParseDetached(d.Bytes()); err != nil {
				t.Error(err)
			}
		}
	})
}
