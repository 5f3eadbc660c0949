package harness

import (
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// lacks remembers what each guest, by its name, last asked the harness's servers
// for in vain, and should have been there: what failed for want of it is not the
// image's fault.
type lacks struct {
	mu   sync.Mutex
	last map[string]lack
}

type lack struct {
	what string
	at   time.Time
}

// watch is a server for one guest whose lacks are remembered. of says what the
// lack of a path means, empty for nothing.
func (l *lacks) watch(guest string, h http.Handler, of func(path string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.URL.Path // the server may change it
		answer := &statusWriter{ResponseWriter: w}
		h.ServeHTTP(answer, r)
		if answer.status != http.StatusNotFound {
			return
		}
		if what := of(asked); what != "" {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.last == nil {
				l.last = map[string]lack{}
			}
			l.last[guest] = lack{what, time.Now()}
		}
	})
}

// since says what the guest asked for in vain since then, empty for nothing.
func (l *lacks) since(guest string, began time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.last[guest]; last.at.After(began) {
		return last.what
	}
	return ""
}

func lacksLayer(p string) string {
	if !strings.Contains(p, "/blobs/") {
		return ""
	}
	return "a guest asks for " + path.Base(p) +
		", a layer of its own image that the update does not carry; give an update with all its layers (--update-image)"
}

// treeObject is an object that a served tree consists of. Commits are asked for in
// vain on purpose, and of the booted one's history.
var treeObject = regexp.MustCompile(`/repo/objects/[0-9a-f]{2}/[0-9a-f]{62}\.(filez|dirtree|dirmeta)$`)

func lacksObject(p string) string {
	if !treeObject.MatchString(p) {
		return ""
	}
	return "a guest asks for " + path.Base(path.Dir(p)) + path.Base(p) +
		", an object that neither its own repository nor the update's has; give an update with all its objects (--update-repo)"
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Flush implements http.Flusher.
func (w *statusWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
