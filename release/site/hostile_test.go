package site_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/packages"
	"assay/release/releasetest"
	"assay/release/site"
	"assay/reports"
)

const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)> </style> {{.CSS}} ` + "\x1b[31m\u202e\r\n"

// TestHostileTextsStayText puts markup, addresses and control characters in
// every field that others fill in.
func TestHostileTextsStayText(t *testing.T) {
	l := newLab(t)
	p := policy("new", "New"+evil)
	p.About, p.Disclaimer = evil+strings.Repeat("x", 100_000), evil
	p.Docs = []release.Link{{Title: evil, URL: "https://good.example/?" + `"onclick=x`}, {Title: "bad", URL: "javascript:alert(1)"}, {Title: "bad", URL: "data:text/html,x"}}
	l.Policy = p
	l.At("2026-11-03T12:10:00Z")
	l.build("20261103_01", release.Case{Check: "base/running", Outcome: reports.Failed, Fault: reports.FaultImage, Message: evil + strings.Repeat("y", 3000),
		Known: &reports.Known{Tracker: "javascript:alert(1)", Reason: evil, Expires: "2027-01-01"}})
	word := release.Word{Reason: evil, Tracker: "https://tracker.example/1"}
	l.MustSay(&release.CheckWaived{Waiver: "w", Build: "20261103_01", Check: "upgrade/plain", Word: word, Expires: l.Now.AddDate(0, 1, 0)})
	l.MustSay(&release.BuildMarked{Build: "20261103_01", Mark: release.MarkBad, Word: word})
	l.MustSay(&release.StreamBlocked{Word: word})
	in := site.Input{Title: evil, About: evil, URL: "https://example.org", State: l.State, Now: l.Now.Add(time.Hour), Streams: []site.Stream{{Policy: p,
		Changes:     &site.Changes{Build: "20261103_01", From: "20261101_01", Diff: packages.Compare([]string{evil}, []string{evil + "2"})},
		CloudImages: []site.CloudImage{{Build: "20261103_01", Arch: artifact.X8664, Provider: "aws", Region: "$(reboot)", Image: evil}},
		Barriers:    []site.Barrier{{Build: "20261103_01", Reason: evil}}}}}
	f := render(t, in)
	for name, b := range f {
		if strings.HasSuffix(name, ".gpg") {
			continue
		}
		if s := string(b); strings.ContainsAny(s, "\x1b\u202e\r") || strings.Contains(s, "<script") || strings.Contains(s, "<img") || strings.Contains(s, `href="javascript`) || strings.Contains(s, `href="data`) {
			t.Errorf("%s: it got through:\n%.4000s", name, s)
		}
		if strings.HasSuffix(name, ".html") {
			checkPage(t, f, name)
		}
		if len(b) > 200_000 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
	}
	if err := xml.Unmarshal(f["streams/new/releases.atom"], new(struct{})); err != nil {
		t.Errorf("the feed: %v", err)
	}
	want(t, commands(t, f["streams/new/index.html"], "Command"), `'$(reboot)'`)
}

// TestManyReleasesStayBounded has more releases in one year than an archive page
// takes, and more than get pages of their own.
func TestManyReleasesStayBounded(t *testing.T) {
	h := releasetest.NewHistory(t, "daily")
	h.At("2026-01-01T03:00:00Z")
	h.Policy.Calendar.First = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	const n = 420
	var last release.BuildID
	for range n {
		id := release.NewBuildID(h.Now, 1)
		f := releasetest.BuildSeen(h.Policy, id, h.Now)
		r := &release.ReleaseDecided{Build: id, Previous: last, Reasons: []string{"out of band"}}
		for _, a := range f.Artifacts {
			r.Artifacts = append(r.Artifacts, release.Tested{Artifact: a.ID, Digest: a.Digest})
		}
		h.Record(release.Self, f).Record(release.Self, r).Add(24 * time.Hour)
		last = id
	}
	in := site.Input{URL: "https://example.org", State: h.State, Now: h.Now, Streams: []site.Stream{{Policy: h.Policy}}}
	f := render(t, in)
	var pages, total int
	for name, b := range f {
		total += len(b)
		if strings.Contains(name, "/builds/") {
			pages++
		}
		if len(b) > 500_000 {
			t.Errorf("%s has %d bytes", name, len(b))
		}
	}
	if pages != 400 || total > 40<<20 {
		t.Errorf("%d pages of builds, %d bytes", pages, total)
	}
	for name, count := range map[string]int{"releases-2026.html": 100, "releases-2026-2.html": 100, "releases-2026-4.html": 65, "releases-2027.html": n - 365, "releases.html": n - 365} {
		if got := strings.Count(string(f["streams/daily/"+name]), `class="card release"`); got != count {
			t.Errorf("%s lists %d releases, want %d", name, got, count)
		}
	}
	checkPage(t, f, "streams/daily/releases-2026.html")
	checkPage(t, f, "streams/daily/history.html")
	// What is past keeps its bytes, so that mirrors copy little.
	id := release.NewBuildID(h.Now, 1)
	old := string(f["streams/daily/releases-2026-2.html"])
	h.Build(id)
	if got := string(render(t, in)["streams/daily/releases-2026-2.html"]); got != old {
		t.Error("an old page of the archive changed with a new build")
	}
	want(t, string(f["streams/daily/releases.atom"]), fmt.Sprintf("builds/%s.html", last))
}
