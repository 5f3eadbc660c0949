package harness

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"assay/fixtures/treeimage"
	"assay/suites/check"
)

// TestTagsOfTreeImages: a version is itself, whatever is followed the newest one.
func TestTagsOfTreeImages(t *testing.T) {
	dir := t.TempDir()
	const one, two = "1111111111111111111111111111111111111111111111111111111111111111", "2222222222222222222222222222222222222222222222222222222222222222"
	manifest := func(digest, tag string) string {
		return `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:` + digest + `","annotations":{"org.opencontainers.image.ref.name":"` + tag + `"}}`
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"index.json":                          `{"schemaVersion":2,"manifests":[` + manifest(one, "1") + `,` + manifest(two, "2") + `]}`,
		filepath.Join("blobs", "sha256", one): "one", filepath.Join("blobs", "sha256", two): "two",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	get := func(h http.Handler, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/"+path, nil))
		return w
	}
	var served servedImages
	if w := get(&served, "assay/os/manifests/1"); w.Code != http.StatusNotFound {
		t.Errorf("before there are any: %d", w.Code)
	}
	if err := served.serve(dir); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"assay/os/manifests/1": "one", "assay/os/manifests/2": "two", "assay/os/manifests/sha256:" + one: "one",
		// What a host follows is the newest, also when its tag is a version's.
		"assay/newest/manifests/1": "two", "assay/newest/manifests/stable": "two", "assay/newest/manifests/sha256:" + one: "one", "assay/newest/blobs/sha256:" + one: "one",
	} {
		if w := get(&served, path); w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
}

// TestNamesOfTreeImages: which image is the newer one, and which are older.
func TestNamesOfTreeImages(t *testing.T) {
	const os, follow = "192.168.127.1:5001/assay/os:", "192.168.127.1:5001/assay/newest"
	same := []treeimage.Image{{Tag: "1", Version: "1", Digest: "sha256:1"}, {Tag: "2", Version: "2", Digest: "sha256:2"}, {Tag: "3", Version: "3", Digest: "sha256:3"}}
	// The last two are not there for the guest's architecture.
	foreign := append(slices.Clone(same[:1]), treeimage.Image{Tag: "2"}, treeimage.Image{Tag: "3"})
	// Tags that are no versions, and a label that was never changed.
	tagged := []treeimage.Image{{Tag: "v1", Version: "9", Digest: "sha256:1"}, {Tag: "v2", Version: "9", Digest: "sha256:2"}, {Tag: "v3", Digest: "sha256:3"}}
	for _, c := range []struct {
		images  []treeimage.Image
		booted  check.Tree
		derived bool
		newer   string
		older   []string
	}{
		{images: same, booted: check.Tree{Version: "2"}, newer: os + "3", older: []string{os + "1"}},
		{images: same, booted: check.Tree{Version: "3"}, older: []string{os + "2", os + "1"}},
		{images: same, booted: check.Tree{Version: "elsewhere", Digest: "sha256:9"}, newer: os + "3"},
		{images: foreign, booted: check.Tree{Version: "elsewhere"}, newer: os + "1"},
		{images: foreign, booted: check.Tree{Version: "1"}},
		{images: same, derived: true, newer: os + "3", older: []string{os + "2", os + "1"}},
		{images: tagged, booted: check.Tree{Version: "9", Digest: "sha256:2"}, newer: os + "v3", older: []string{os + "v1"}},
		{images: tagged, booted: check.Tree{Version: "9"}, newer: os + "v3"}, // nothing tells which
		{images: tagged, booted: check.Tree{Digest: "sha256:3"}, older: []string{os + "v2", os + "v1"}},
	} {
		trees := check.Trees{Booted: c.booted, DerivedImages: c.derived}
		(&treeImages{}).name(&trees, c.images)
		if trees.NewerImage != c.newer || !slices.Equal(trees.OlderImages, c.older) || trees.FollowImage != follow {
			t.Errorf("booted %v: %+v", c.booted, trees)
		}
		for _, i := range c.images {
			if got := trees.OfImage(os + i.Tag); slices.Contains(append(c.older, c.newer), os+i.Tag) && (got.Version != i.Version || got.Digest != i.Digest) {
				t.Errorf("booted %v: %+v, want %+v", c.booted, got, i)
			}
		}
	}
}
