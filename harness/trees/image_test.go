package trees

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/fixtures/treeimage"
	"assay/harness/guest/guesttest"
	"assay/suites/check"
)

const (
	layerOne = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	layerTwo = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// kept is what a host tells of its image: GVariant's text of a manifest and a
// configuration, then the layers that it holds.
func kept(refs ...string) string {
	manifest := `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:00","size":2,"of":"theirs"},
"layers":[{"digest":"` + layerOne + `","size":12345678901},{"digest":"` + layerTwo + `","size":2}],"annotations":{"a":"b"}}`
	config := `{"architecture":"amd64","os":"linux","config":{"Labels":{"containers.bootc":"1","org.opencontainers.image.version":"9.1","who":"it's \"them\""}},
"rootfs":{"type":"layers","diff_ids":["sha256:aa","sha256:bb"]},"history":[{"created_by":"one"},{"created_by":"two"}],"theirs":1}`
	quoted := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
	}
	return strings.Join(append([]string{quoted(manifest), quoted(config)}, refs...), "\n") + "\n"
}

func heldRef(digest string) string {
	return "ostree/container/blob/" + strings.Replace(digest, ":", "_3A_", 1)
}

func imageOf(t *testing.T, stdout string) (*Image, error) {
	t.Helper()
	g := guesttest.New(t)
	g.On("sh", "-c", guesttest.Containing("ostree.manifest"), "image", "c0ffee").Prints(stdout)
	return ReadImage(t.Context(), g, "c0ffee")
}

func someTrees(version string) *check.Trees {
	return &check.Trees{Booted: check.Tree{Version: version}, Newer: check.Tree{Version: version + ".assay.2"}, Older: []check.Tree{{Version: version + ".assay.1"}}}
}

func TestReadImageRefuses(t *testing.T) {
	for name, c := range map[string]struct{ said, why string }{
		"a layer is gone":   {kept(heldRef(layerOne)), "does not keep layer " + layerTwo},
		"no string":         {"nothing\nelse\n", "is no string"},
		"no object":         {"'null'\n'{}'\n", "it is null"},
		"cut off":           {"'{\"layers\":['\n'{}'\n", "manifest"},
		"no layers":         {"'{}'\n'{}'\n", "0 layers"},
		"hostile digest":    {`'{"layers":[{"digest":"sha256:../../x"}]}'` + "\n" + `'{"rootfs":{"diff_ids":["x"]}}'` + "\n", "digest"},
		"layers of one":     {`'{"layers":[{"digest":"` + layerOne + `"}]}'` + "\n'{}'\n", "1 layers and its configuration 0"},
		"quote is not ours": {"'a\"\n'{}'\n", "is no string"},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := imageOf(t, c.said)
			var refused *RefusedError
			if i != nil || !errors.As(err, &refused) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v, %v; want a refusal: %s", i, err, c.why)
			}
		})
	}
}

// TestReadImageOfNone: a commit that was made of no image is no fault.
func TestReadImageOfNone(t *testing.T) {
	if i, err := imageOf(t, ""); i != nil || err != nil {
		t.Errorf("%v, %v", i, err)
	}
}

func TestDeriveImages(t *testing.T) {
	i, err := imageOf(t, kept(heldRef(layerOne), "ostree/container/blob/other", heldRef(layerTwo)))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "oci")
	if err := i.DeriveImages(dir, someTrees("9.1")); err != nil {
		t.Fatal(err)
	}
	tags, err := treeimage.Tags(dir)
	if err != nil || strings.Join(tags, " ") != "9.1.assay.1 9.1 9.1.assay.2" {
		t.Fatalf("%q, %v", tags, err)
	}
	var index struct{ Manifests []struct{ Digest string } }
	read(t, filepath.Join(dir, "index.json"), &index)
	for n, want := range []struct{ layers int }{{3}, {2}, {3}} {
		var m struct {
			Config      struct{ Digest, Of string }
			Layers      []struct{ Digest string }
			Annotations map[string]string
		}
		readBlob(t, dir, index.Manifests[n].Digest, &m)
		var c struct {
			Config struct{ Labels map[string]string }
			RootFS struct {
				Diffs []string `json:"diff_ids"`
			}
			History []any
			Theirs  int
		}
		readBlob(t, dir, m.Config.Digest, &c)
		if len(m.Layers) != want.layers || len(c.RootFS.Diffs) != want.layers || len(c.History) != want.layers || m.Layers[1].Digest != layerTwo {
			t.Errorf("%s: %+v %+v", tags[n], m, c)
		}
		if c.Config.Labels["org.opencontainers.image.version"] != tags[n] || m.Annotations["org.opencontainers.image.version"] != tags[n] {
			t.Errorf("%s does not tell its version: %+v %+v", tags[n], m, c)
		}
		if c.Theirs != 1 || m.Config.Of != "theirs" || m.Annotations["a"] != "b" || c.Config.Labels["who"] != `it's "them"` {
			t.Errorf("%s lost what it does not know: %+v %+v", tags[n], m, c)
		}
		if want.layers == 3 {
			checkLayer(t, dir, m.Layers[2].Digest, tags[n])
		}
	}
}

// checkLayer wants the files of a derived tree, with every folder before them.
func checkLayer(t *testing.T, dir, digest, version string) {
	t.Helper()
	f, err := os.Open(blob(dir, digest))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{".": true}
	files := 0
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Clean(h.Name)
		if !seen[filepath.Dir(name)] {
			t.Errorf("%s comes before its folder", name)
		}
		seen[name] = true
		if h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(tr)
		if err != nil || string(text) != version+"\n" {
			t.Errorf("%s holds %q (%v), want %s", name, text, err, version)
		}
		files++
	}
	if files != 2 || !seen["usr"+check.DerivedEtc] || !seen[strings.TrimPrefix(check.DerivedFile, "/")] {
		t.Errorf("%v", seen)
	}
}

// TestDeriveImagesOfNoVersion: the booted image has no tag then, and a version
// that can be no tag is refused.
func TestDeriveImagesOfNoVersion(t *testing.T) {
	i, err := imageOf(t, kept(heldRef(layerOne), heldRef(layerTwo)))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "oci")
	none := someTrees("0")
	none.Booted.Version = ""
	if err := i.DeriveImages(dir, none); err != nil {
		t.Fatal(err)
	}
	if tags, err := treeimage.Tags(dir); err != nil || len(tags) != 2 {
		t.Errorf("%q, %v", tags, err)
	}
	var refused *RefusedError
	if err := i.DeriveImages(filepath.Join(t.TempDir(), "odd"), someTrees("../9 1")); !errors.As(err, &refused) {
		t.Errorf("a version that can be no tag: %v", err)
	}
}

func blob(dir, digest string) string {
	return filepath.Join(dir, "blobs", strings.Replace(digest, ":", "/", 1))
}

func readBlob(t *testing.T, dir, digest string, into any) {
	t.Helper()
	read(t, blob(dir, digest), into)
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
