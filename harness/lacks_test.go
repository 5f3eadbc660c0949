package harness

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestLacks: what is asked for in vain is remembered where it is part of an
// update, and not where its absence is an answer.
func TestLacks(t *testing.T) {
	nothing := http.StripPrefix("/repo", http.HandlerFunc(http.NotFound))
	object := "/repo/objects/12/" + strings.Repeat("3", 62)
	for _, c := range []struct {
		of   func(string) string
		path string
		says string // empty: nothing is remembered
	}{
		{lacksLayer, "/v2/assay/newest/blobs/sha256:33", "sha256:33"},
		{lacksLayer, "/v2/assay/os/manifests/3", ""},
		{lacksObject, object + ".filez", "12" + strings.Repeat("3", 62) + ".filez"},
		{lacksObject, "/slow" + object + ".dirtree", ".dirtree"},
		{lacksObject, object + ".dirmeta", ".dirmeta"},
		{lacksObject, object + ".commit", ""},
		{lacksObject, object + ".commitmeta", ""},
		{lacksObject, "/repo/deltas/ab/cd", ""},
		{lacksObject, "/repo/summary", ""},
	} {
		var l lacks
		began := time.Now()
		l.watch("fork-1", nothing, c.of).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, c.path, nil))
		if got := l.since("fork-1", began); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", c.path, got, c.says)
		}
		if l.since("fork-1", time.Now()) != "" || l.since("fork-2", began) != "" {
			t.Errorf("%s: remembered of a later check, or of another guest", c.path)
		}
	}
	var l lacks
	there := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() })
	began := time.Now()
	l.watch("fork-1", there, lacksObject).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, object+".filez", nil))
	if got := l.since("fork-1", began); got != "" {
		t.Errorf("what is there: %q", got)
	}
}
