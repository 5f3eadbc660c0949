package waiverdb

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// kept is what WaiverDB's documentation shows of its answers.
const kept = `{"id": 15, "comment": "The tests broke", "product_version": "fedora-27", "subject_type": "compose",
 "subject_identifier": "Fedora-9000-19700101.n.18", "subject": {"productmd.compose.id": "Fedora-9000-19700101.n.18"}, "testcase": "compose.install_no_user",
 "scenario": null, "timestamp": "2017-03-16T17:42:04.209638", "username": "jcline", "waived": true, "proxied_by": null}`

func serve(t *testing.T, status int, body string, check func(*http.Request)) *Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if check != nil {
			check(r)
		}
		w.WriteHeader(status)
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return &Client{URL: srv.URL + "/api/v1.0/", Authorize: func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }}
}

func TestWaivers(t *testing.T) {
	c := serve(t, 200, `{"data": [`+kept+`]}`, func(r *http.Request) {
		var q struct {
			Filters         []map[string]string
			IncludeObsolete bool `json:"include_obsolete"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || len(q.Filters) != 1 || !q.IncludeObsolete || q.Filters[0]["subject_type"] != "compose" || len(q.Filters[0]) != 2 {
			t.Errorf("body: %+v, %v", q, err)
		}
		if r.URL.Path != "/api/v1.0/waivers/+filtered" || r.Method != http.MethodPost {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	got, err := c.Waivers(t.Context(), Filter{SubjectType: "compose", Identifier: "Fedora-9000-19700101.n.18"})
	if err != nil || len(got) != 1 || got[0].ID != 15 || !got[0].Waived || got[0].Scenario != nil || got[0].Username != "jcline" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFile(t *testing.T) {
	w := New{SubjectType: "compose", Identifier: "Fedora-9000-19700101.n.18", TestCase: "compose.install_no_user", ProductVersion: "fedora-27", Waived: true, Comment: "x"}
	c := serve(t, 201, kept, func(r *http.Request) {
		if r.URL.Path != "/api/v1.0/waivers/" || r.Header.Get("Authorization") != "Bearer x" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
	})
	if got, err := c.File(t.Context(), w); err != nil || got.ID != 15 {
		t.Errorf("%+v, %v", got, err)
	}
	w.TestCase = "another"
	if _, err := c.File(t.Context(), w); err == nil || !strings.Contains(err.Error(), "answered with another waiver") {
		t.Errorf("%v", err)
	}
}

func TestBadAnswers(t *testing.T) {
	for body, status := range map[string]int{
		`{"message": "token has expired"}`: 401, `<html>`: 200, `oh`: 503, `{"data": [{"id": 1, "waived": true}]}`: 200,
	} {
		_, err := serve(t, status, body, nil).Waivers(t.Context(), Filter{SubjectType: "compose"})
		if err == nil {
			t.Errorf("%s was taken", body)
		}
		var se *StatusError
		if status != 200 && (!errors.As(err, &se) || se.Status != status) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestErrorForms are those of the real server and of what stands before it.
func TestErrorForms(t *testing.T) {
	for body, want := range map[string]string{
		`{"message": "Waiver not found"}`: "Waiver not found",
		`{"message": {"waived": "Missing required parameter in the JSON body", "a": "no"}}`: "a: no; waived: Missing required parameter in the JSON body",
		`Unauthorized`:                 "Bad Request",
		`{"message": [7]}`:             "Bad Request",
		`{"message": "a\nb\u001b[2J"}`: "a b",
		`{}`:                           "Bad Request",
	} {
		_, err := serve(t, 400, body, nil).Waiver(t.Context(), 1)
		var se *StatusError
		if !errors.As(err, &se) || se.Status != 400 || !strings.HasPrefix(se.Text, want) || strings.ContainsAny(se.Text, "\n\x1b") {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestFiltersThatChooseNothing(t *testing.T) {
	c := serve(t, 200, `{"data": []}`, func(*http.Request) { t.Error("the server was asked") })
	for _, filters := range [][]Filter{nil, {{}}, {{TestCase: "a/b"}, {}}} {
		if _, err := c.Waivers(t.Context(), filters...); err == nil {
			t.Errorf("%v was taken", filters)
		}
	}
}
