package trees

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
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
	config := `{"architecture":"amd64","os":"linux","config":{"Labels":{"containers.bootc":"1","org.opencontainers.image.version":"9.1","who":"it's \"them\", Zoë"}},
"rootfs":{"type":"layers","diff_ids":["sha256:aa","sha256:bb"]},"history":[{"created_by":"one"},{"created_by":"two"}],"theirs":1}`
	quoted := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
	}
	return strings.Join(append([]string{quoted(manifest), quoted(config)}, refs...), "\n") + "\n"
}

// What ostree-ext names the layers (refescape).
const (
	refOne = "ostree/container/blob/sha256_3A_1111111111111111111111111111111111111111111111111111111111111111"
	refTwo = "ostree/container/blob/sha256_3A_2222222222222222222222222222222222222222222222222222222222222222"
)

func imageOf(t *testing.T, stdout string) (*Image, error) {
	t.Helper()
	g := guesttest.New(t)
	g.On("sh", "-c", guesttest.Containing("ostree.manifest"), "image", "c0ffee").Prints(stdout)
	return ReadImage(t.Context(), g, "c0ffee")
}

func TestReadImageRefuses(t *testing.T) {
	for name, c := range map[string]struct{ said, why string }{
		"a layer is gone":   {kept(refOne), "does not keep layer " + layerTwo},
		"no string":         {"nothing\nelse\n", "is no string"},
		"no object":         {"'null'\n'{}'\n", "it is null"},
		"cut off":           {"'{\"layers\":['\n'{}'\n", "manifest"},
		"no layers":         {"'{}'\n'{}'\n", "0 layers"},
		"of no image":       {"", "does not tell of which image"},
		"hostile digest":    {`'{"layers":[{"digest":"sha256:../../x"}]}'` + "\n" + `'{"rootfs":{"diff_ids":["x"]}}'` + "\n", "digest"},
		"layers of one":     {`'{"layers":[{"digest":"` + layerOne + `"}]}'` + "\n'{}'\n", "1 layers and its configuration 0"},
		"quote is not ours": {"'a\"\n'{}'\n", "is no string"},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := imageOf(t, c.said)
			var refused *NoImageError
			if i != nil || !errors.As(err, &refused) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v, %v; want a refusal: %s", i, err, c.why)
			}
		})
	}
}

func TestDeriveImages(t *testing.T) {
	i, err := imageOf(t, kept(refOne, "ostree/container/blob/other", refTwo))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "oci")
	if err := i.Derive(dir, ""); err != nil {
		t.Fatal(err)
	}
	tags, err := treeimage.Tags(dir)
	if err != nil || strings.Join(tags, " ") != "9.1.assay.1 9.1.assay.2" {
		t.Fatalf("%q, %v", tags, err)
	}
	// Their labels are their tags, so that a host tells the one as it is called.
	if images, err := treeimage.Images(dir, "amd64"); err != nil || images[0].Version != tags[0] || images[1].Version != tags[1] || images[1].Digest == "" {
		t.Errorf("%+v, %v", images, err)
	}
	type descriptor struct {
		MediaType, Digest string
		Size              int
	}
	var index struct{ Manifests []descriptor }
	read(t, filepath.Join(dir, "index.json"), &index)
	for n, d := range index.Manifests {
		var m struct {
			Config struct {
				descriptor
				Of string
			}
			Layers      []descriptor
			Annotations map[string]string
		}
		readBlob(t, dir, d.Digest, d.Size, &m)
		var c struct {
			Config struct{ Labels map[string]string }
			RootFS struct {
				Diffs []string `json:"diff_ids"`
			}
			History []any
			Theirs  int
		}
		readBlob(t, dir, m.Config.Digest, m.Config.Size, &c)
		if len(m.Layers) != 3 || len(c.RootFS.Diffs) != 3 || len(c.History) != 3 || m.Layers[0].Digest != layerOne || m.Layers[0].Size != 12345678901 || m.Layers[1].Digest != layerTwo {
			t.Errorf("%s: %+v %+v", tags[n], m, c)
		}
		if c.Config.Labels["org.opencontainers.image.version"] != tags[n] || m.Annotations["org.opencontainers.image.version"] != tags[n] {
			t.Errorf("%s does not tell its version: %+v %+v", tags[n], m, c)
		}
		if c.Theirs != 1 || m.Config.Of != "theirs" || m.Annotations["a"] != "b" || c.Config.Labels["who"] != `it's "them", Zoë` {
			t.Errorf("%s lost what it does not know: %+v %+v", tags[n], m, c)
		}
		layer := m.Layers[2]
		if layer.MediaType != "application/vnd.oci.image.layer.v1.tar+gzip" {
			t.Errorf("%s: the new layer is a %s", tags[n], layer.MediaType)
		}
		checkLayer(t, blobOf(t, dir, layer.Digest, layer.Size), c.RootFS.Diffs[2], tags[n])
	}
}

// TestDeriveImageWithKernel: the image with another kernel stands before the
// versions, so that it is neither the newest nor one in between.
func TestDeriveImageWithKernel(t *testing.T) {
	i, err := imageOf(t, kept(refOne, "ostree/container/blob/other", refTwo))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "oci")
	if err := i.Derive(dir, "6.12.9"); err != nil {
		t.Fatal(err)
	}
	tags, err := treeimage.Tags(dir)
	if err != nil || strings.Join(tags, " ") != "9.1.assay.3 9.1.assay.1 9.1.assay.2" || !IsKernel(tags[0]) || IsKernel(tags[1]) || IsKernel(tags[2]) {
		t.Fatalf("%q, %v", tags, err)
	}
	layers, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, l := range layers {
		b, err := os.ReadFile(l)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			continue // a manifest or configuration
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(plain, []byte("usr/lib/modules/6.12.9/"+check.DerivedKernel)) {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d layers have another kernel, want one", found)
	}
}

// checkLayer wants the files of a derived tree, with every folder before them.
func checkLayer(t *testing.T, packed []byte, diff, version string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || shaOf(plain) != diff {
		t.Fatalf("%v; the plain layer is %s, not %s as the configuration has it", err, shaOf(plain), diff)
	}
	seen := map[string]bool{".": true}
	files := 0
	for tr := tar.NewReader(bytes.NewReader(plain)); ; {
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

// TestVersionOfImage: whatever an image calls itself becomes a tag.
func TestVersionOfImage(t *testing.T) {
	for label, want := range map[string]string{"9.1": "9.1", "9.6+git1": "9.6-git1", "a/b:c": "a-b-c", "../x": "-x", "--": "0", "": "0", strings.Repeat("v", 300): strings.Repeat("v", 100)} {
		want = strings.TrimLeft(want, "-")
		i := &Image{config: map[string]any{"config": map[string]any{"Labels": map[string]any{"version": label}}}}
		if got := i.version(); got != want {
			t.Errorf("%q is %q, want %q", label, got, want)
		}
	}
	if got := (&Image{}).version(); got != "0" {
		t.Errorf("an image without labels is %q", got)
	}
}

// TestHistoryOfImage: what the image's own history leaves out is filled in.
func TestHistoryOfImage(t *testing.T) {
	layers := map[string]any{"layers": []any{1, 2, 3}}
	for want, h := range map[int][]any{3: nil, 4: {map[string]any{"empty_layer": true}}, 5: {map[string]any{"empty_layer": true}, map[string]any{}, map[string]any{"empty_layer": true}}} {
		if got := (&Image{manifest: layers, config: map[string]any{"history": h}}).history(); len(got) != want {
			t.Errorf("%v becomes %v", h, got)
		}
	}
}

// TestImageScript runs the script against a real repository.
func TestImageScript(t *testing.T) {
	if _, err := exec.LookPath("ostree"); err != nil {
		t.Skip("ostree is not installed")
	}
	repo, tree := filepath.Join(t.TempDir(), "repo"), t.TempDir()
	ostree := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("ostree", append([]string{"--repo=" + repo}, args...)...).Output()
		if err != nil {
			t.Fatal(args, err)
		}
		return strings.TrimSpace(string(out))
	}
	ostree("init", "--mode=bare-user")
	manifest := `{"layers":[{"digest":"` + layerOne + `"}]}`
	config := `{"rootfs":{"diff_ids":["x"]},"config":{"Labels":{"maker":"Café — it's \"ours\"\n"}}}`
	commit := ostree("commit", "--orphan", "--tree=dir="+tree, "--add-metadata-string=ostree.manifest="+manifest, "--add-metadata-string=ostree.container.image-config="+config)
	plain := ostree("commit", "--orphan", "--tree=dir="+tree)
	ostree("refs", "--create="+refOne, commit)
	script := strings.Replace(imageScript, "repo=/sysroot/ostree/repo\n", "repo="+repo+"\n", 1)
	for _, c := range []struct{ commit, maker string }{{commit, "Café — it's \"ours\"\n"}, {plain, ""}} {
		out, err := exec.Command("sh", "-c", script, "image", c.commit).Output()
		if err != nil {
			t.Fatal(err)
		}
		i, err := imageOf(t, string(out))
		var none *NoImageError
		switch {
		case c.maker == "" && !errors.As(err, &none):
			t.Errorf("of no image: %v, %v", i, err)
		case c.maker != "" && err != nil:
			t.Error(err)
		case c.maker != "":
			if got := part(part(i.config, "config"), "Labels")["maker"]; got != c.maker {
				t.Errorf("the label reads %q, want %q", got, c.maker)
			}
		}
	}
}

func shaOf(b []byte) string {
	h := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(h[:])
}

// blobOf is a blob, which has to be what its descriptor says.
func blobOf(t *testing.T, dir, digest string, size int) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "blobs", strings.Replace(digest, ":", "/", 1)))
	if err != nil || shaOf(b) != digest || len(b) != size {
		t.Fatalf("blob %s of %d bytes: %v, %s, %d", digest, size, err, shaOf(b), len(b))
	}
	return b
}

func readBlob(t *testing.T, dir, digest string, size int, into any) {
	t.Helper()
	if err := json.Unmarshal(blobOf(t, dir, digest, size), into); err != nil {
		t.Fatal(err)
	}
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
