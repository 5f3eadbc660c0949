package tracker

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/reports"
)

const (
	// maxAnswer bounds one answer: a hundred issues with long texts.
	maxAnswer = 32 << 20
	// maxErrorAnswer bounds what is read of an answer that is no success.
	maxErrorAnswer = 64 << 10
	defaultTimeout = 30 * time.Second
)

// Auth says how a service wants the token.
type Auth struct {
	// Header is the header's name, Scheme what stands before the token.
	Header, Scheme string
}

// HTTPClient is a client that speaks to the configured service alone, with the
// token. Answers that are no success become *StatusError; redirects are one.
// It retries nothing.
func (c Config) HTTPClient(auth Auth, hosts ...string) (*http.Client, error) {
	base, err := c.Base()
	if err != nil {
		return nil, err
	}
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	limit := c.Timeout
	if limit == 0 {
		limit = defaultTimeout
	}
	return &http.Client{
		Transport: &transport{base: t, config: c, auth: auth, scheme: base.Scheme, hosts: append(hosts, base.Host)},
		Timeout:   limit,
	}, nil
}

type transport struct {
	base   http.RoundTripper
	config Config
	auth   Auth
	scheme string
	hosts  []string
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != t.scheme || !slices.Contains(t.hosts, r.URL.Host) {
		return nil, permanent("%s is not the configured tracker: it does not get the token", r.URL.Host)
	}
	token, err := t.config.token()
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set(t.auth.Header, t.auth.Scheme+token)
	r.Header.Set("User-Agent", "assay")
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		resp.Body = &bounded{resp.Body, maxAnswer}
		return resp, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	e := &StatusError{Method: r.Method, Path: r.URL.Path, Code: resp.StatusCode}
	e.Message = reports.Line(strings.ReplaceAll(messageOf(body), token, "[token]"), 300)
	e.after, e.Limited = patience(resp, time.Now())
	e.Hint = t.hint(e, resp)
	return nil, e
}

// NewTokenHint tells a person what to do about a token that is not accepted.
func (c Config) NewTokenHint() string {
	return "the token is revoked, expired or wrong: put a new one into " + c.tokenPlace()
}

func (t *transport) hint(e *StatusError, resp *http.Response) string {
	switch {
	case e.Limited:
		return "too many requests"
	case e.Code < 400:
		to := "elsewhere"
		if u, err := resp.Location(); err == nil {
			to = "to " + reports.Line(u.Scheme+"://"+u.Host+u.Path, 200)
		}
		return "redirected " + to + ", which is not followed: correct url or project in the configuration"
	case e.Code == http.StatusUnauthorized:
		return t.config.NewTokenHint()
	case e.Code == http.StatusForbidden:
		return "the token's account may not do this: give it the right, or put another token into " + t.config.tokenPlace()
	case e.Code == http.StatusNotFound:
		return "it is not there, or the token's account may not see it"
	}
	return ""
}

// messageOf picks the words out of an error answer in JSON, of whichever
// service.
func messageOf(body []byte) string {
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
			return "" // a proxy's page
		}
		return string(body)
	}
	var words []string
	for _, k := range []string{"message", "error", "error_description", "errors"} {
		switch v := m[k].(type) {
		case nil, bool:
		case string:
			if v != "" {
				words = append(words, v)
			}
		default:
			b, _ := json.Marshal(v)
			words = append(words, string(b))
		}
	}
	return strings.Join(words, "; ")
}

// maxPatience bounds what a service may ask for.
const maxPatience = 24 * time.Hour

// patience reads how long to wait: Retry-After (seconds or a date), else the
// time at which a used-up rate limit is counted anew (GitHub, GitLab, Gitea
// proxies). limited is true when the refusal is about the number of requests;
// GitHub says 403 then.
func patience(resp *http.Response, now time.Time) (after time.Duration, limited bool) {
	h := resp.Header
	refused := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusForbidden
	limited = resp.StatusCode == http.StatusTooManyRequests
	if s := h.Get("Retry-After"); s != "" {
		limited = limited || refused
		if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
			after = time.Duration(min(max(n, 0), int(maxPatience/time.Second))) * time.Second
		} else if at, err := http.ParseTime(s); err == nil {
			after = at.Sub(now)
		}
	} else if refused {
		for _, p := range []string{"X-RateLimit-", "RateLimit-"} {
			if h.Get(p+"Remaining") != "0" {
				continue
			}
			limited = true
			if n, err := strconv.ParseInt(h.Get(p+"Reset"), 10, 64); err == nil {
				after = time.Unix(n, 0).Sub(now)
			}
		}
	}
	return min(max(after, 0), maxPatience), limited
}

// bounded is a body that is an error when it is too long, instead of a
// truncated answer.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// Only a further byte is too many.
		if n, err := b.ReadCloser.Read(make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, errors.New("the answer is too long to be one of a tracker")
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// REST calls services that have no client of their own.
type REST struct {
	Client *http.Client
	// Base is where paths begin.
	Base string
}

// Call sends body (url.Values as a form, nil as nothing, all else as JSON) and
// decodes the answer into out.
func (r REST) Call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	var content io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		content, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return err
		}
		content, kind = bytes.NewReader(j), "application/json"
	}
	u := r.Base + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, content)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("cannot read the answer to %s %s: %w", method, req.URL.Path, err)
	}
	return nil
}
