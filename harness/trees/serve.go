package trees

import (
	"io"
	"net/http"
	"time"
)

// Handler serves the repository in dir below /repo, and the same below /slow/repo
// and /cut/repo as check.Trees tells. It is read-only by nature: a file server
// answers GET and HEAD.
func Handler(dir string) http.Handler {
	files := http.StripPrefix("/repo", http.FileServer(http.Dir(dir)))
	mux := http.NewServeMux()
	mux.Handle("/repo/", files)
	mux.Handle("/slow/", http.StripPrefix("/slow", through(files, func(w http.ResponseWriter, r *http.Request) io.Writer {
		return &slowWriter{w, r}
	})))
	mux.Handle("/cut/", http.StripPrefix("/cut", through(files, func(w http.ResponseWriter, _ *http.Request) io.Writer {
		return &cutWriter{w: w, left: cutAfter}
	})))
	return mux
}

// Rates of the troubled answers.
const (
	slowChunk = 2 << 10
	slowPause = 100 * time.Millisecond
	cutAfter  = 1 << 10
)

// through has h write its bodies through a writer of its own.
func through(h http.Handler, writer func(http.ResponseWriter, *http.Request) io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&troubled{ResponseWriter: w, body: writer(w, r)}, r)
	})
}

type troubled struct {
	http.ResponseWriter
	body io.Writer
}

func (t *troubled) Write(b []byte) (int, error) { return t.body.Write(b) }

// slowWriter is a bad line.
type slowWriter struct {
	w http.ResponseWriter
	r *http.Request
}

func (s *slowWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		select {
		case <-time.After(slowPause):
		case <-s.r.Context().Done():
			return n, s.r.Context().Err()
		}
		part := b[:min(slowChunk, len(b))]
		m, err := s.w.Write(part)
		n += m
		if err != nil {
			return n, err
		}
		if f, ok := s.w.(http.Flusher); ok {
			f.Flush()
		}
		b = b[len(part):]
	}
	return n, nil
}

// cutWriter breaks the connection off in the middle of an answer.
type cutWriter struct {
	w    http.ResponseWriter
	left int
}

func (c *cutWriter) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.w.Write(b)
	}
	_, _ = c.w.Write(b[:c.left])
	if f, ok := c.w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler) // the server's own way to drop a connection
}
