package harness

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestTagsOfTreeImages: a version is itself, any other tag the newest one.
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
	ti, err := newTreeImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]string{"1": "one", "2": "two", "stable": "two", "sha256:" + one: "one"} {
		w := httptest.NewRecorder()
		ti.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/"+treeImagesName+"/manifests/"+tag, nil))
		if got := w.Body.String(); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %q, want %q", tag, w.Code, got, want)
		}
	}
}
