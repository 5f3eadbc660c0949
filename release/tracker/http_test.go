package tracker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/release"
)

const secret = "s3cret-0123456789abcdef"

func config(t *testing.T, server string) Config {
	f := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(f, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{Type: Pagure, URL: server, Project: "p", TokenFile: f, PlainHTTPOnLoopback: true}
}

func call(t *testing.T, c Config, path string) error {
	t.Helper()
	h, err := c.HTTPClient(Auth{Header: "Authorization", Scheme: "token "})
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	return REST{Client: h, Base: c.URL}.Call(t.Context(), "POST", path, nil, url.Values{"x": {"y"}}, &out)
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestAnswers(t *testing.T) {
	reset := fmt.Sprint(time.Now().Add(30 * time.Minute).Unix())
	for _, c := range []struct {
		name      string
		status    int
		header    map[string]string
		body      string
		permanent bool
		wait      time.Duration
		says      string
	}{
		{"revoked", 401, nil, `{"message":"Bad credentials"}`, true, 0, "Bad credentials (the token is revoked, expired or wrong: put a new one into "},
		{"not allowed", 403, nil, `{"error":"no"}`, true, 0, "no (the token's account may not do this"},
		{"not there", 404, nil, ``, true, 0, "may not see it"},
		{"bad request", 422, nil, `{"errors":{"title":["too long"]}}`, true, 0, "too long"},
		{"locked", 423, nil, ``, true, 0, "Locked"},
		{"too many", 429, map[string]string{"Retry-After": "90"}, ``, false, 90 * time.Second, "too many requests"},
		{"too many, no hint", 429, nil, ``, false, 0, "too many requests"},
		{"too many, absurd", 429, map[string]string{"Retry-After": "999999999999"}, ``, false, 24 * time.Hour, ""},
		{"too many, nonsense", 429, map[string]string{"Retry-After": "-5"}, ``, false, 0, ""},
		{"GitHub's limit", 403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, `{"message":"API rate limit exceeded"}`, false, 30 * time.Minute, "exceeded"},
		{"GitHub's second limit", 403, map[string]string{"Retry-After": "60"}, ``, false, time.Minute, ""},
		{"GitLab's limit", 429, map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": reset}, ``, false, 30 * time.Minute, ""},
		{"forbidden with requests left", 403, map[string]string{"X-RateLimit-Remaining": "4000", "X-RateLimit-Reset": reset}, ``, true, 0, ""},
		{"down", 503, map[string]string{"Retry-After": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, "<html><h1>maintenance", false, time.Hour, "503 Service Unavailable"},
		{"broken", 500, nil, `nonsense` + "\x1b[31m\n" + strings.Repeat("x", 1<<20), false, 0, "nonsense"},
		{"conflict", 409, nil, ``, false, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := config(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "token "+secret {
					t.Errorf("token: %q", r.Header)
				}
				for k, v := range c.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}))
			err := call(t, conf, "/x")
			var e *StatusError
			if !errors.As(err, &e) || errors.Is(err, release.ErrPermanent) != c.permanent || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Fatalf("error %v", err)
			}
			if d := e.RetryAfter() - c.wait; d.Abs() > 3*time.Second {
				t.Errorf("wait %s, want %s", e.RetryAfter(), c.wait)
			}
		})
	}
}

func TestTokenStaysHere(t *testing.T) {
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("went elsewhere with %q", r.Header) })
	here := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/other", http.StatusMovedPermanently)
		case "/other":
			t.Error("a redirect was followed")
		default:
			http.Redirect(w, r, elsewhere+"/?token="+secret, http.StatusTemporaryRedirect)
		}
	})
	for _, path := range []string{"/same", "/else"} {
		err := call(t, config(t, here), path)
		if !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), "correct url or project") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", path, err)
		}
	}
	// A client library that follows a link in an answer.
	c := config(t, here)
	h, err := c.HTTPClient(Auth{Header: "Authorization"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Get(elsewhere); !errors.Is(err, release.ErrPermanent) {
		t.Errorf("elsewhere: %v", err)
	}
}

func TestTokenIsNotRepeated(t *testing.T) {
	echo := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "you sent "+r.Header.Get("Authorization"), http.StatusBadRequest)
	})
	if err := call(t, config(t, echo), "/x"); err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "[token]") {
		t.Errorf("%v", err)
	}
}

func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c := config(t, s.URL)
	if err := call(t, c, "/x"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	c.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.CAFile, pemOf(s.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := call(t, c, "/x"); err != nil {
		t.Errorf("a known certificate: %v", err)
	}
	if err := os.WriteFile(c.CAFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.HTTPClient(Auth{}); err == nil {
		t.Error("no certificates in ca_file, and no error")
	}
}

func TestBadAnswers(t *testing.T) {
	for name, body := range map[string]string{"page": "<html>log in</html>", "empty": "", "cut": `{"a":`} {
		err := call(t, config(t, serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) })), "/x")
		if err == nil || errors.Is(err, release.ErrPermanent) || len(err.Error()) > 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHugeAnswer(t *testing.T) {
	for _, size := range []int64{10, 11} {
		b := &bounded{io.NopCloser(strings.NewReader("0123456789a")), size}
		got, err := io.ReadAll(b)
		if fits := size == 11; fits != (err == nil) || int64(len(got)) != size {
			t.Errorf("limit %d: %d bytes, %v", size, len(got), err)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{}`) }))
	defer s.Close()
	h, err := config(t, s.URL).HTTPClient(Auth{Header: "Authorization"})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := h.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, ok := resp.Body.(*bounded); !ok || b.left != maxAnswer {
		t.Errorf("the body is a %T", resp.Body)
	}
}

func TestSilentServer(t *testing.T) {
	done := make(chan struct{})
	c := config(t, serve(t, func(w http.ResponseWriter, r *http.Request) { <-done }))
	defer close(done)
	c.Timeout = 50 * time.Millisecond
	if err := call(t, c, "/x"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, release.ErrPermanent) {
		t.Errorf("%v", err)
	}
}

func TestNoToken(t *testing.T) {
	c := config(t, serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("asked without a token") }))
	for name, content := range map[string]string{"empty": " \n", "two lines": "a\nb\n", "huge": strings.Repeat("x", maxToken+1), "control": "a\x00b"} {
		if err := os.WriteFile(c.TokenFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := call(t, c, "/x"); !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), c.TokenFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.TokenFile, c.TokenEnv = "", "ASSAY_TEST_NO_SUCH_VARIABLE"
	if err := call(t, c, "/x"); !errors.Is(err, release.ErrPermanent) || !strings.Contains(err.Error(), c.TokenEnv) {
		t.Errorf("%v", err)
	}
}
