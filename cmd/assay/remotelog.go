package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"assay/release"
	"assay/release/config"
	"assay/reports"
)

// remoteLog is the history as a service has it open. The service asks Allow
// again, and takes from commands only what people and builds say.
type remoteLog struct {
	url, token string
	client     *http.Client
	findings   []release.Finding
}

var _ release.Log = (*remoteLog)(nil)

// errNoService means that nobody serves the history.
var errNoService = errors.New("no service answers")

// The service's word for release.ErrMoved and for refusals of Allow.
const (
	statusMoved   = http.StatusConflict
	statusRefused = http.StatusUnprocessableEntity
)

// wireRecord is a record of the history on the wire. The last line of an answer
// has End set, so that one that was cut off is noticed.
type wireRecord struct {
	Seq uint64 `json:"seq,omitempty"`
	Raw []byte `json:"raw,omitempty"`
	Err string `json:"error,omitempty"`
	End bool   `json:"end,omitempty"`
}

// wireAppend asks for an event to be added after a head.
type wireAppend struct {
	Head  release.Head    `json:"head"`
	Event json.RawMessage `json:"event"`
}

// dialService reaches the service as somebody in a role.
func dialService(ctx context.Context, cfg *config.Config, who release.Actor, in role) (*remoteLog, error) {
	a, err := readAddress(cfg)
	if err != nil {
		return nil, err
	}
	if !a.isThere(ctx) {
		return nil, fmt.Errorf("%w at %s", errNoService, a.URL)
	}
	l := &remoteLog{url: a.URL, client: &http.Client{Timeout: 2 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if l.token, err = tokenFor(cfg.Serve.Tokens, who, in); err != nil {
		return nil, err
	}
	resp, err := l.call(ctx, http.MethodGet, "/v1/log/findings", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&l.findings); err != nil {
		return nil, fmt.Errorf("cannot understand the service at %s: %w", a.URL, err)
	}
	return l, nil
}

func (l *remoteLog) call(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the service: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &said) != nil || said.Message == "" {
		said.Message = resp.Status
	}
	text := reports.Line(said.Message, 2000)
	switch resp.StatusCode {
	case statusMoved:
		return nil, release.ErrMoved
	case statusRefused:
		return nil, &refusedError{errors.New(text)}
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest:
		return nil, usagef("the service at %s: %s", l.url, text)
	}
	return nil, fmt.Errorf("the service at %s: %s", l.url, text)
}

// Append implements release.Log.
func (l *remoteLog) Append(ctx context.Context, head release.Head, e release.Event) (release.Head, error) {
	raw, err := release.Encode(head, e)
	if err != nil {
		return head, err
	}
	body, err := json.Marshal(wireAppend{head, raw})
	if err != nil {
		return head, err
	}
	resp, err := l.call(ctx, http.MethodPost, "/v1/log/events", body)
	if err != nil {
		return head, err
	}
	defer func() { _ = resp.Body.Close() }()
	var next release.Head
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<10)).Decode(&next); err != nil {
		return head, fmt.Errorf("cannot understand the service's answer: %w", err)
	}
	return next, nil
}

// Read implements release.Log.
func (l *remoteLog) Read(ctx context.Context, after uint64) iter.Seq2[release.Record, error] {
	return func(yield func(release.Record, error) bool) {
		resp, err := l.call(ctx, http.MethodGet, "/v1/log/events?after="+strconv.FormatUint(after, 10), nil)
		if err != nil {
			yield(release.Record{}, err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		// Base64 takes four characters for three bytes.
		lines.Buffer(make([]byte, 64<<10), release.MaxEvent*3/2+4096)
		for lines.Scan() {
			var w wireRecord
			if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
				yield(release.Record{}, fmt.Errorf("cannot understand the service's answer: %w", err))
				return
			}
			if w.End {
				return
			}
			r := release.Record{Seq: w.Seq, Raw: w.Raw}
			if w.Err != "" {
				r.Err = errors.New(w.Err)
			}
			if !yield(r, nil) {
				return
			}
		}
		err = lines.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		yield(release.Record{}, fmt.Errorf("cannot read the history from the service: %w", err))
	}
}

// Wait implements release.Log.
func (l *remoteLog) Wait(ctx context.Context, seq uint64) error {
	for {
		resp, err := l.call(ctx, http.MethodGet, "/v1/log/wait?after="+strconv.FormatUint(seq, 10), nil)
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(io.LimitReader(resp.Body, 100))
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(raw)) == "true" {
			return nil
		}
	}
}

// Findings implements release.Log.
func (l *remoteLog) Findings() []release.Finding { return l.findings }
