package source

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocations(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "objects", "ab", "cd.commit")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, location := range []string{file, "file://" + file, server.URL + "/objects/ab/cd.commit"} {
		if b, err := Read(t.Context(), location, 7); err != nil || string(b) != "content" {
			t.Errorf("%s: %v, %q", location, err, b)
		}
		if _, err := Read(t.Context(), location, 6); err == nil || !strings.Contains(err.Error(), "more than 6 bytes") {
			t.Errorf("%s, larger than allowed: %v", location, err)
		}
		if _, err := Read(t.Context(), location+"x", 7); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%sx: %v", location, err)
		}
	}
	for _, repo := range []string{dir, dir + "/", server.URL} {
		if b, err := Object(t.Context(), repo, "abcd", "commit", 100); err != nil || string(b) != "content" {
			t.Errorf("%s: %v, %q", repo, err, b)
		}
	}
	for _, location := range []string{dir, "relative", "ftp://example.org/x", "file://host/x", "/dev/zero", server.URL + "/broken"} {
		if _, err := Open(t.Context(), location); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", location, err)
		}
	}
}
