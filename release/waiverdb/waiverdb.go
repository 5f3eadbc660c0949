// Package waiverdb is a small client of WaiverDB, Fedora's record of waived
// test results: it reads the waivers of subjects and files new ones. A Follower
// records in the history what people waive there.
//
// The client keeps nothing and retries nothing: the release stage's effects and
// polls have their own patience. Responses are bounded and checked.
package waiverdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"assay/release/greenwave"
	"assay/reports"
)

// Client speaks to one WaiverDB. URL is required.
type Client struct {
	// URL is the root of the API: "https://waiverdb.example/api/v1.0".
	URL string
	// Authorize adds credentials to a request that writes, if any are needed.
	Authorize func(*http.Request)
	// HTTP is the client to use; nil is one that gives up after a minute.
	HTTP *http.Client
}

// Filter chooses waivers; empty fields choose all.
type Filter struct {
	SubjectType    string `json:"subject_type,omitempty"`
	Identifier     string `json:"subject_identifier,omitempty"`
	TestCase       string `json:"testcase,omitempty"`
	ProductVersion string `json:"product_version,omitempty"`
}

// New is a waiver to be filed.
type New struct {
	SubjectType    string  `json:"subject_type"`
	Identifier     string  `json:"subject_identifier"`
	TestCase       string  `json:"testcase"`
	Scenario       *string `json:"scenario,omitempty"`
	ProductVersion string  `json:"product_version"`
	Waived         bool    `json:"waived"`
	Comment        string  `json:"comment"`
	// Username is for whom a service files it, where it may.
	Username string `json:"username,omitempty"`
}

// StatusError is an answer other than a success.
type StatusError struct {
	Status int
	Text   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Text) }

// maxBody bounds an answer, in bytes.
const maxBody = 16 << 20

// errTooMuch marks an answer that was not read to its end.
var errTooMuch = errors.New("too much")

// Waivers returns what the filters choose: of the waivers of one subject, test
// case, product version and scenario the last, which may be one that takes it
// back (Waived is false). At least one filter is needed, and each has to choose
// by something.
//
// All waivers are asked for: the server itself leaves out a waiver when a later
// one is of the same subject and test case, though of another scenario or product
// version (WaiverDB 1.4, api_v1.py).
func (c *Client) Waivers(ctx context.Context, filters ...Filter) ([]greenwave.Waiver, error) {
	all, err := c.all(ctx, filters...)
	return greenwave.LatestWaivers(all), err
}

// all are those, too, that a later one has replaced.
func (c *Client) all(ctx context.Context, filters ...Filter) ([]greenwave.Waiver, error) {
	if len(filters) == 0 || slices.Contains(filters, Filter{}) {
		return nil, fmt.Errorf("cannot read waivers from %s: want filters, each with something to choose by", c.URL)
	}
	var got struct {
		Data *[]greenwave.Waiver `json:"data"`
		Next *string             `json:"next"`
	}
	if err := c.call(ctx, http.MethodPost, "/waivers/+filtered", map[string]any{"filters": filters, "include_obsolete": true}, &got); err != nil {
		return nil, fmt.Errorf("cannot read waivers from %s: %w", c.URL, err)
	}
	if got.Data == nil || got.Next != nil {
		return nil, fmt.Errorf("cannot read waivers from %s: its answer is no list, or a part of one", c.URL)
	}
	if err := check(*got.Data); err != nil {
		return nil, fmt.Errorf("cannot read waivers from %s: %w", c.URL, err)
	}
	return *got.Data, nil
}

// About is what a server says of itself.
type About struct {
	Version    string `json:"version"`
	AuthMethod string `json:"auth_method"`
	// Server is Assay for a release stage that speaks as WaiverDB does; WaiverDB
	// itself has no such field.
	Server string `json:"server,omitempty"`
}

// Assay is the Server of a release stage.
const Assay = "assay"

// About asks what the server is.
func (c *Client) About(ctx context.Context) (a About, err error) {
	if err := c.call(ctx, http.MethodGet, "/about", nil, &a); err != nil {
		return a, fmt.Errorf("cannot see what answers at %s: %w", c.URL, err)
	}
	return a, nil
}

// Waiver reads one waiver by its number.
func (c *Client) Waiver(ctx context.Context, id int64) (greenwave.Waiver, error) {
	var got greenwave.Waiver
	err := c.call(ctx, http.MethodGet, fmt.Sprintf("/waivers/%d", id), nil, &got)
	if err == nil {
		err = check([]greenwave.Waiver{got})
	}
	if err != nil {
		return greenwave.Waiver{}, fmt.Errorf("cannot read waiver %d from %s: %w", id, c.URL, err)
	}
	return got, nil
}

// File files a waiver and returns it as WaiverDB keeps it.
func (c *Client) File(ctx context.Context, w New) (greenwave.Waiver, error) {
	var got greenwave.Waiver
	err := c.call(ctx, http.MethodPost, "/waivers/", w, &got)
	if err == nil {
		err = check([]greenwave.Waiver{got})
	}
	if err == nil && (got.TestCase != w.TestCase || got.Identifier != w.Identifier || got.Waived != w.Waived) {
		err = fmt.Errorf("it answered with another waiver, %d", got.ID)
	}
	if err != nil {
		return greenwave.Waiver{}, fmt.Errorf("cannot waive %s of %s at %s: %w", w.TestCase, w.Identifier, c.URL, err)
	}
	return got, nil
}

// check refuses what would waive more than was meant.
func check(ws []greenwave.Waiver) error {
	for _, w := range ws {
		if w.ID == 0 || w.SubjectType == "" || w.Identifier == "" || w.TestCase == "" || w.ProductVersion == "" {
			return fmt.Errorf("waiver %d lacks its subject, test case or product version", w.ID)
		}
	}
	return nil
}

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	u, err := url.Parse(strings.TrimSuffix(c.URL, "/") + path)
	if err != nil {
		return err
	}
	var send io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), send)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Authorize != nil {
		c.Authorize(req)
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: time.Minute}
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return err
	case len(raw) > maxBody:
		return fmt.Errorf("%w: the answer has more than %d bytes", errTooMuch, maxBody)
	case resp.StatusCode/100 != 2:
		return &StatusError{resp.StatusCode, said(resp.StatusCode, raw)}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("the answer is no WaiverDB's: %w", err)
	}
	return nil
}

// said is what an answer says is wrong: a sentence, an object with one for each
// field, or, from those before the server, anything.
func said(status int, raw []byte) string {
	var m struct {
		Message json.RawMessage `json:"message"`
	}
	var sentence string
	var fields map[string]string
	switch {
	case json.Unmarshal(raw, &m) != nil || len(m.Message) == 0:
	case json.Unmarshal(m.Message, &sentence) == nil:
	case json.Unmarshal(m.Message, &fields) == nil:
		var parts []string
		for _, f := range slices.Sorted(maps.Keys(fields)) {
			parts = append(parts, f+": "+fields[f])
		}
		sentence = strings.Join(parts, "; ")
	}
	if sentence == "" {
		sentence = http.StatusText(status)
	}
	return reports.Line(sentence, 300)
}
