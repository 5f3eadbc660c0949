package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestServeFollowsWaivers of a WaiverDB, those that the policy lets people file.
func TestServeFollowsWaivers(t *testing.T) {
	h := newHost(t)
	h.build("20261121_01", "rejected")
	waiver := func(id int, who, check string) string {
		return fmt.Sprintf(`{"id": %d, "subject_type": "compose", "subject_identifier": "Demo-20261121_01", "testcase": %q, "scenario": "qcow2/x86_64", "product_version": "demo",
 "waived": true, "comment": "the host was slow", "username": %q, "proxied_by": null, "timestamp": %q}`, id, check, who, time.Now().UTC().Format("2006-01-02T15:04:05.000000"))
	}
	db := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1.0/about" {
			_, _ = fmt.Fprint(w, `{"version": "1.4", "auth_method": "OIDC"}`)
			return
		}
		if r.URL.Path != "/api/v1.0/waivers/+filtered" {
			t.Errorf("asked for %s", r.URL)
		}
		_, _ = fmt.Fprintf(w, `{"data": [%s, %s]}`, waiver(1, "alice", "base/clock"), waiver(2, "mallory", "base/units"))
	}))
	defer db.Close()
	config := h.page("stage.yaml")
	h.write("stage.yaml", config+`waiverdb: {url: "http://waiverdb.example/api/v1.0"}`+"\n")
	if out, err := h.try("policy", "check"); err == nil || !strings.Contains(out, "whoever is in between could waive") {
		t.Errorf("%v, %s", err, out)
	}
	h.write("stage.yaml", config+`waiverdb: {url: "`+db.URL+`/api/v1.0", poll: 1s, proxies: [bodhi]}`+"\n")
	s := h.serve()
	s.until("it is recorded", func() bool {
		return strings.Contains(h.assay("history", "show", "--type", "check.waived"), "base/clock")
	})
	s.until("a refusal is told of", func() bool { return strings.Contains(s.log.String(), "does not let mallory waive base/units") })
	if status, about := s.call("GET", "/waiverdb/api/v1.0/about", "", ""); status != 200 || !strings.Contains(about, `"server":"assay"`) {
		t.Errorf("it does not say that it is no WaiverDB: %d %s", status, about)
	}
	s.stop()
	if out := h.assay("history", "show", "--type", "check.waived"); strings.Count(out, "check.waived") != 1 || !strings.Contains(out, "alice") || !strings.Contains(out, "the host was slow") {
		t.Error(out)
	}
	// Down, it keeps nothing from going on.
	db.Close()
	if out, err := h.try("serve", "--once"); err != nil || !strings.Contains(out, "cannot follow waivers") {
		t.Errorf("%v, %s", err, out)
	}
}
