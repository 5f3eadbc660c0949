package waiverdb

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/release/greenwave"
	"assay/release/releasetest"
	"assay/release/servertest"
)

// TestRealWaiverDB files and reads waivers at a real server.
func TestRealWaiverDB(t *testing.T) {
	url := servertest.WaiverDB(t)
	as := func(user string) *Client {
		return &Client{URL: url, Authorize: func(r *http.Request) { r.SetBasicAuth(user, "") }}
	}
	alice, bob, proxy := as("alice"), as("bob"), as(servertest.WaiverDBProxy)
	file := func(c *Client, w New) greenwave.Waiver {
		t.Helper()
		got, err := c.File(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	qcow2, vagrant := "qcow2/x86_64", "vagrant-libvirt/x86_64"
	w := New{SubjectType: "compose", Identifier: "Fedora-43-20261121.n.0", TestCase: "upgrade/plain", Scenario: &qcow2, ProductVersion: "fedora-43", Waived: true, Comment: "the test is wrong"}
	first := file(alice, w)
	if first.ID == 0 || first.Username != "alice" || first.Comment != w.Comment || first.Scenario == nil || *first.Scenario != qcow2 || first.ProxiedBy != nil || first.Timestamp == "" || !first.Waived {
		t.Errorf("filed %+v", first)
	}
	if got, err := bob.Waiver(t.Context(), first.ID); err != nil || *got.Scenario != qcow2 || got.Identifier != w.Identifier {
		t.Errorf("%+v, %v", got, err)
	}
	// Of another scenario, another product version, another test case and subject.
	w.Scenario = &vagrant
	second := file(bob, w)
	w.Scenario, w.ProductVersion = nil, "fedora-44"
	third := file(bob, w)
	w.TestCase, w.ProductVersion, w.Username = "rollback/plain", "fedora-43", "carol"
	fourth := file(proxy, w)
	if fourth.Username != "carol" || fourth.ProxiedBy == nil || *fourth.ProxiedBy != servertest.WaiverDBProxy || fourth.Scenario != nil {
		t.Errorf("filed for carol: %+v", fourth)
	}
	w.Username, w.Identifier = "", "Fedora-43-20261122.n.0"
	fifth := file(alice, w)
	ids := func(filters ...Filter) (out []int64) {
		t.Helper()
		ws, err := alice.Waivers(t.Context(), filters...)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range ws {
			out = append(out, w.ID)
		}
		return out
	}
	subject := Filter{SubjectType: "compose", Identifier: first.Identifier}
	for name, c := range map[string]struct {
		filters []Filter
		want    []int64
	}{
		"by subject":                {[]Filter{subject}, []int64{first.ID, second.ID, third.ID, fourth.ID}},
		"and test case":             {[]Filter{{SubjectType: "compose", Identifier: first.Identifier, TestCase: "upgrade/plain"}}, []int64{first.ID, second.ID, third.ID}},
		"and product version":       {[]Filter{{SubjectType: "compose", Identifier: first.Identifier, TestCase: "upgrade/plain", ProductVersion: "fedora-43"}}, []int64{first.ID, second.ID}},
		"by test case alone":        {[]Filter{{TestCase: "rollback/plain"}}, []int64{fourth.ID, fifth.ID}},
		"several at once":           {[]Filter{{ProductVersion: "fedora-44"}, {Identifier: fifth.Identifier}}, []int64{third.ID, fifth.ID}},
		"by what is not there":      {[]Filter{{Identifier: "Fedora-43-20261123.n.0"}}, nil},
		"by hostile text":           {[]Filter{{Identifier: "' OR 1=1 --\x00"}}, nil},
		"several, some not there":   {[]Filter{{TestCase: "x"}, {ProductVersion: "fedora-44", TestCase: "upgrade/plain"}}, []int64{third.ID}},
		"by subject type alone":     {[]Filter{{SubjectType: "compose"}}, []int64{first.ID, second.ID, third.ID, fourth.ID, fifth.ID}},
		"by another type of things": {[]Filter{{SubjectType: "koji_build"}}, nil},
	} {
		if got := ids(c.filters...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}

	// What Greenwave's rules make of them.
	policies, err := greenwave.ParsePolicies("p", []byte("--- !Policy\nid: p\nproduct_versions: [fedora-43]\ndecision_context: release\nsubject_type: compose\nrules:\n"+
		"  - !PassingTestCaseRule {test_case_name: upgrade/plain, scenario: qcow2/x86_64}\n  - !PassingTestCaseRule {test_case_name: upgrade/plain, scenario: vagrant-libvirt/x86_64}\n"))
	if err != nil {
		t.Fatal(err)
	}
	decide := func() (out []string) {
		t.Helper()
		ws, err := alice.Waivers(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		ev := greenwave.Evidence{Waivers: ws}
		for i, scenario := range []string{qcow2, vagrant} {
			r := greenwave.Result{ID: int64(i + 1), Outcome: "FAILED", SubmitTime: "2026-11-21T10:00:00", Data: map[string][]string{"scenario": {scenario}}}
			r.TestCase.Name = "upgrade/plain"
			ev.Results = append(ev.Results, r)
		}
		d, err := greenwave.Decide(policies, greenwave.Request{Contexts: greenwave.Words{"release"}, ProductVersion: "fedora-43", SubjectType: "compose", Identifier: first.Identifier},
			func(greenwave.Subject, time.Time) (greenwave.Evidence, error) { return ev, nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range slices.Concat(d.Met, d.Unsatisfied) {
			out = append(out, r.Type)
		}
		return out
	}
	if got := decide(); !slices.Equal(got, []string{"test-result-failed-waived", "test-result-failed-waived"}) {
		t.Errorf("both were waived: %v", got)
	}
	// One is taken back: the last word counts, whoever says it.
	back := New{SubjectType: "compose", Identifier: first.Identifier, TestCase: "upgrade/plain", Scenario: &qcow2, ProductVersion: "fedora-43", Comment: "it was the image"}
	sixth := file(bob, back)
	if sixth.Waived {
		t.Errorf("taken back: %+v", sixth)
	}
	if got := decide(); !slices.Equal(got, []string{"test-result-failed-waived", "test-result-failed"}) {
		t.Errorf("one was taken back: %v", got)
	}

	// What the server refuses, and in which words.
	missing := w
	missing.TestCase = ""
	long := w
	long.TestCase = strings.Repeat("x", 1<<20)
	nobody := &Client{URL: url}
	other := w
	other.Username = "carol"
	for name, c := range map[string]struct {
		do     func() error
		status int
		text   string
	}{
		"nobody":         {func() error { _, err := nobody.File(t.Context(), w); return err }, 401, "Unauthorized"},
		"for another":    {func() error { _, err := alice.File(t.Context(), other); return err }, 403, "user alice does not have the proxyuser ability"},
		"no test case":   {func() error { _, err := alice.File(t.Context(), missing); return err }, 400, "testcase: Missing required parameter in the JSON body"},
		"no such waiver": {func() error { _, err := alice.Waiver(t.Context(), 999); return err }, 404, "Waiver not found"},
		"no such path":   {func() error { _, err := (&Client{URL: url + "/nowhere"}).Waiver(t.Context(), 1); return err }, 404, ""},
		"filters are none": {func() error {
			return alice.call(t.Context(), http.MethodPost, "/waivers/+filtered", map[string]any{"filters": []Filter{}}, nil)
		}, 400, "filters: Must be a list of non-empty dictionaries"},
		"a bad time": {func() error {
			return alice.call(t.Context(), http.MethodPost, "/waivers/+filtered", map[string]any{"filters": []map[string]string{{"since": "yesterday"}}}, nil)
		}, 400, "since: "},
	} {
		err := c.do()
		var se *StatusError
		if !errors.As(err, &se) || se.Status != c.status || !strings.HasPrefix(se.Text, c.text) {
			t.Errorf("%s: %v, want %d %q", name, err, c.status, c.text)
		}
	}
	if got, err := alice.File(t.Context(), long); err != nil || got.TestCase != long.TestCase {
		t.Errorf("a long name: %v", err)
	}
}

// TestRealWaiverDBIsFollowed: what people waive there is waived here, in the name
// of those whom it is believed for, and taken back when they take it back.
func TestRealWaiverDBIsFollowed(t *testing.T) {
	url := servertest.WaiverDB(t)
	h := follow(t, url)
	h.Tested("20261103_01", releasetest.Failed("base/running"), releasetest.Failed("storage/resize"))
	// The server's own clock says when it was filed.
	h.Now = time.Now().UTC()
	as := func(user string) *Client {
		return &Client{URL: url, Authorize: func(r *http.Request) { r.SetBasicAuth(user, "") }}
	}
	scenario := qcow2
	file := func(user string, w New) {
		t.Helper()
		w.SubjectType, w.Identifier, w.ProductVersion, w.Comment = "compose", "Test-20261103_01", "test-1", "the test is wrong"
		if _, err := as(user).File(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	file("alice", New{TestCase: "base/running", Scenario: &scenario, Waived: true})
	file(servertest.WaiverDBProxy, New{TestCase: "storage/resize", Waived: true, Username: "carol"})
	file("mallory", New{TestCase: "upgrade/plain", Waived: true})
	h.poll()
	h.poll()
	if got := h.waived("20261103_01"); !slices.Equal(got, []string{"base/running@qcow2/x86_64 by alice", "storage/resize@ by carol"}) {
		t.Errorf("waived %q, told %q", got, h.told)
	}
	if got := strings.Join(h.told, "\n"); strings.Count(got, "does not let mallory waive upgrade/plain") != 1 || len(h.told) != 3 {
		t.Errorf("told %q", h.told)
	}
	b := h.State.Line("test-1").Build("20261103_01")
	if e := b.Waivers[0].Expires; e.Before(h.Now.Add(DefaultLife-time.Hour)) || e.After(h.Now.Add(DefaultLife)) {
		t.Errorf("it counts until %s", e)
	}
	if w, err := as("bob").Waiver(t.Context(), 1); err != nil || !strings.HasSuffix(b.Waivers[0].Tracker, "/waivers/1") || w.TestCase != string(b.Waivers[0].Check) {
		t.Errorf("%s leads to %+v, %v", b.Waivers[0].Tracker, w, err)
	}
	file("alice", New{TestCase: "base/running", Scenario: &scenario})
	h.poll()
	if got := h.waived("20261103_01"); !slices.Equal(got, []string{"storage/resize@ by carol"}) {
		t.Errorf("taken back, and waived %q, told %q", got, h.told)
	}
}
