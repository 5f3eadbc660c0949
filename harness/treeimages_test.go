package harness

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	began := time.Now()
	get(&served, "assay/os/manifests/3")
	if got := served.lackedSince(began); got != "" {
		t.Errorf("a version that is not there is no layer: %s", got)
	}
	const gone = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
	get(&served, "assay/newest/blobs/"+gone)
	if got := served.lackedSince(began); !strings.Contains(got, gone) || served.lackedSince(time.Now()) != "" {
		t.Errorf("a layer that is not there: %q", got)
	}
}

// TestNamesOfTreeImages: which image is the newer one, and which are older.
func TestNamesOfTreeImages(t *testing.T) {
	const os, follow = "192.168.127.1:5001/assay/os:", "192.168.127.1:5001/assay/newest"
	for _, c := range []struct {
		booted  string
		derived bool
		newer   string
		older   []string
	}{
		{booted: "2", newer: os + "3", older: []string{os + "1"}},
		{booted: "3", older: []string{os + "2", os + "1"}},
		{booted: "elsewhere", newer: os + "3"},
		{booted: "", derived: true, newer: os + "3", older: []string{os + "2", os + "1"}},
	} {
		trees := check.Trees{Booted: check.Tree{Version: c.booted}, DerivedImages: c.derived}
		(&treeImages{tags: []string{"1", "2", "3"}}).name(&trees)
		if trees.NewerImage != c.newer || !slices.Equal(trees.OlderImages, c.older) || trees.FollowImage != follow {
			t.Errorf("booted %q: %+v", c.booted, trees)
		}
	}
}
