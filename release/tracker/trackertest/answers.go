package trackertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"assay/release/tracker"
)

// Answer is what a path is answered with.
type Answer struct {
	Status int
	Body   string
	// Location is of a redirect.
	Location string
}

// Answers is a configuration for a server that gives fixed answers, by "METHOD
// PATH". Another request is a failure of the test.
func Answers(t testing.TB, c tracker.Config, answers map[string]Answer) tracker.Config {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[r.Method+" "+r.URL.EscapedPath()]
		if !ok {
			t.Errorf("a request that nobody planned: %s %s", r.Method, r.URL)
		}
		if a.Location != "" {
			w.Header().Set("Location", a.Location)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(a.Status, http.StatusOK))
		fmt.Fprint(w, a.Body)
	}))
	t.Cleanup(s.Close)
	c.URL, c.TokenFile, c.PlainHTTPOnLoopback = s.URL, tokenFile(t, standInToken), true
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}
