package trackertest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Fault is what happens to a request.
type Fault string

// The faults. A request that is lost did not take effect; one whose answer is
// lost did.
const (
	Fine       Fault = ""
	Lost       Fault = "lost"
	AnswerLost Fault = "answer lost"
	// Refused and BadGateway are answers: before the request had any effect, and
	// after.
	Refused    Fault = "refused with 503"
	BadGateway Fault = "answered with 502"
	Limited    Fault = "refused with 429"
)

// Faults lists all but Fine.
var Faults = []Fault{Lost, AnswerLost, Refused, BadGateway, Limited}

// Line is a proxy in front of a server.
type Line struct {
	server *httptest.Server
	mu     sync.Mutex
	count  int
}

// NewLine starts a proxy. fate is asked, one request at a time, what becomes of
// the nth request, from 1.
func NewLine(t testing.TB, target string, fate func(n int) Fault) *Line {
	l := &Line{}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.count++
		fault := fate(l.count)
		l.mu.Unlock()
		switch fault {
		case Lost:
			panic(http.ErrAbortHandler)
		case Refused:
			http.Error(w, `{"message":"come back later"}`, http.StatusServiceUnavailable)
			return
		case Limited:
			w.Header().Set("Retry-After", "7")
			http.Error(w, `{"message":"not so fast"}`, http.StatusTooManyRequests)
			return
		}
		// What a client has sent is done, though it may be killed before it hears of
		// it.
		out, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, target+r.URL.RequestURI(), r.Body)
		if err != nil {
			t.Errorf("proxy: %v", err)
			return
		}
		out.Header, out.ContentLength = r.Header.Clone(), r.ContentLength
		resp, err := client.Do(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		switch fault {
		case AnswerLost:
			panic(http.ErrAbortHandler)
		case BadGateway:
			http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
			return
		}
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(body)
	}))
	t.Cleanup(l.server.Close)
	return l
}

// URL is where clients go instead of to the server.
func (l *Line) URL() string { return l.server.URL }

// Count is how many requests there were.
func (l *Line) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}
