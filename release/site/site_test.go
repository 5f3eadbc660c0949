package site_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"assay/artifact"
	"assay/release"
	"assay/release/releasetest"
	"assay/release/site"
)

func digest(b []byte) artifact.Digest { return artifact.DigestOf(sha256.Sum256(b)) }

// TestPreview leaves the example where ASSAY_SITE_PREVIEW says, to look at.
func TestPreview(t *testing.T) {
	in, _ := example(t)
	dir := os.Getenv("ASSAY_SITE_PREVIEW")
	if dir == "" {
		dir = t.TempDir() + "/site"
	}
	if err := site.Write(dir, in); err != nil {
		t.Fatal(err)
	}
}

func render(t testing.TB, in site.Input) site.Files {
	t.Helper()
	f, err := site.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// page is the text of a page as a reader sees it.
func page(t testing.TB, f site.Files, name string) string {
	t.Helper()
	if f[name] == nil {
		t.Fatalf("there is no %s, only %v", name, slices.Sorted(maps.Keys(f)))
	}
	doc, err := html.Parse(bytes.NewReader(f[name]))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && (n.Parent == nil || n.Parent.Data != "style") {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func want(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in:\n%.3000s", w, text)
		}
	}
}

func wantNot(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(text, w) {
			t.Errorf("%q is in:\n%.3000s", w, text)
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	in, _ := example(t)
	a, b := render(t, in), render(t, in)
	if len(a) < 40 || !maps.EqualFunc(a, b, bytes.Equal) {
		t.Errorf("%d files, %d files, not the same", len(a), len(b))
	}
}

func TestDownloadPage(t *testing.T) {
	in, _ := example(t)
	f := render(t, in)
	p := page(t, f, "streams/fedora-43/index.html")
	want(t, p, "20261124_01 was revoked. Do not use it.", "Docker loses its storage when the host reboots during a pull (alice, 2 December 2026, 09:30 UTC)",
		"Below is 20261117_01, the last release that is good", "Current release", "Atomic-Host-20261117_01.aarch64.raw.xz", "ami-0001c3b81a57f0a", "Google Compute Engine",
		"you can help us fix it", "Getting started", "storage/data on qcow2 x86_64 failed, waived by alice", "Changes since 20261103_01", "docker", "fedora-43/x86_64/atomic-host", "15 December 2026")
	wantNot(t, p, "stale", "Atomic-Host-20261124_01")
	raw := string(f["streams/fedora-43/index.html"])
	want(t, raw, `href="https://tracker.example.org/issue/820"`, `href="../../releases/fedora-43/20261117_01/Atomic-Host-20261117_01.x86_64.qcow2"`,
		`href="../../releases/fedora-43/20261117_01/Atomic-Host-20261117_01.x86_64.qcow2.asc"`, `href="../../releases/fedora-43/20261117_01/fedora-43-20261117_01-x86_64-CHECKSUM"`)

	p = page(t, f, "streams/fedora-42/index.html")
	want(t, p, "This image is stale.", "The release of 1 December 2026 did not come, because no build has passed since 20261103_01.", "The next build that passes will be released.",
		"Bug 812: upgrade/plain", "Last release, stale", "Development status", "Fedora 42 reaches its end of life")
	want(t, string(f["streams/fedora-42/index.html"]), `href="https://tracker.example.org/issue/812"`)
	wantNot(t, p, "revoked")

	p = page(t, f, "streams/centos-atomic/index.html")
	want(t, p, "CentOS Atomic Host", "20261103_01", "Current release")
	want(t, page(t, f, "index.html"), "Atomic Host, based on Fedora 43", "20261124_01 was revoked", "Stale", "CentOS Atomic Host")

	p = page(t, f, "streams/fedora-43/tests.html")
	want(t, p, "marked bad", "storage: 1 waived, 1 known", "upgrade: 1 passed, 1 failed", "waived by alice : the check asks for 20 GiB", "until 17 December 2026", "The installer's keyboard")
	p = page(t, f, "streams/fedora-43/history.html")
	want(t, p, "20261124_01 was revoked", "20261117_01 was released for 2026-11-17", "20261130_01 was marked bad")
	p = page(t, f, "streams/fedora-43/builds/20261110_01.html")
	want(t, p, "not released", "upgrade/plain", "Tests:", "(bug 81")
	p = page(t, f, "streams/fedora-43/releases.html")
	want(t, p, "Do not use it: Docker loses")
}

func TestBlockedAndNothingOut(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("new", "New OS")
	l.At("2026-11-02T03:00:00Z").MustSay(&release.StreamBlocked{Word: releasetest.Word("freeze for the keynote")})
	in := site.Input{URL: "https://example.org", State: l.State, Now: l.Now, Streams: []site.Stream{{Policy: l.Policy}}}
	p := page(t, render(t, in), "streams/new/index.html")
	want(t, p, "There is no release to download yet.", "Releases are stopped.", "Freeze for the keynote")
	in.Now = in.Now.AddDate(0, 0, 7)
	want(t, page(t, render(t, in), "streams/new/index.html"), "No build has passed yet.", "The release of 3 November 2026 did not come.")
	wantNot(t, page(t, render(t, in), "streams/new/index.html"), "will be released")
}

// TestHistoryHasEveryOverride: who, when and why, also of what is over: blocks, marks
// and revocations that were taken away.
func TestHistoryHasEveryOverride(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("new", "New OS")
	word := func(reason string, n int) release.Word {
		return release.Word{Reason: reason, Tracker: fmt.Sprintf("https://tracker.example.org/issue/%d", n)}
	}
	at := func(when string, f release.Fact) { l.At(when).MustSay(f) }
	at("2026-11-02T03:00:00Z", &release.StreamBlocked{Word: word("freeze for the keynote", 1)})
	at("2026-11-02T04:00:00Z", &release.StreamBlocked{Word: word("and for the party", 2)})
	at("2026-11-02T09:00:00Z", &release.StreamUnblocked{Word: word("it is over", 3)})
	l.At("2026-11-03T12:00:00Z")
	l.build("20261103_01")
	at("2026-11-03T13:00:00Z", &release.ReleaseRevoked{Build: "20261103_01", Word: word("eats disks", 4)})
	at("2026-11-03T14:00:00Z", &release.RevocationLifted{Build: "20261103_01", Word: word("it was the disk", 5)})
	at("2026-11-03T15:00:00Z", &release.BuildMarked{Build: "20261103_01", Mark: release.MarkBad, Word: word("eats homes", 6)})
	at("2026-11-03T16:00:00Z", &release.BuildMarked{Build: "20261103_01", Mark: release.MarkGood, Word: word("they grew back", 7)})
	at("2026-11-04T03:00:00Z", &release.StreamBlocked{Word: word("another freeze", 8)})
	in := site.Input{URL: "https://example.org", State: l.State, Now: l.Now, Streams: []site.Stream{{Policy: l.Policy}}}
	f := render(t, in)
	p := page(t, f, "streams/new/history.html")
	want(t, p, "Freeze for the keynote", "And for the party", "It ended on 2 November 2026", "It is over", "Eats disks", "It was the disk", "Eats homes", "They grew back", "Another freeze")
	raw := string(f["streams/new/history.html"])
	for n := range 8 {
		if !strings.Contains(raw, fmt.Sprintf("https://tracker.example.org/issue/%d\"", n+1)) {
			t.Errorf("issue %d is nowhere", n+1)
		}
	}
	if n := strings.Count(raw, "Releases were stopped"); n != 3 || strings.Count(raw, "Releases went on") != 1 || strings.Count(raw, "alice, ") < 9 {
		t.Errorf("%d blocks, %d ends, %d names", n, strings.Count(raw, "Releases went on"), strings.Count(raw, "alice, "))
	}
	order := []int{}
	for _, s := range []string{"Another freeze", "They grew back", "Eats homes", "It was the disk", "It is over", "And for the party", "Freeze for the keynote"} {
		order = append(order, strings.Index(raw, s))
	}
	if !slices.IsSorted(order) {
		t.Errorf("not the newest first: %v", order)
	}
	// What is over warns nobody.
	wantNot(t, page(t, f, "streams/new/index.html"), "keynote", "party")
	want(t, page(t, f, "streams/new/index.html"), "Another freeze")
}

// TestRevokedBuildIsNotWhyNothingPasses: its bug stands with the revocation, not
// with what keeps builds from passing.
func TestRevokedBuildIsNotWhyNothingPasses(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("new", "New OS")
	for _, day := range []string{"20261103", "20261117"} {
		at, _ := time.Parse("20060102", day)
		l.Now = at.Add(12 * time.Hour)
		l.build(release.BuildID(day + "_01"))
	}
	l.MustSay(&release.ReleaseRevoked{Build: "20261117_01", Word: releasetest.Word("eats disks")})
	l.effects()
	f := render(t, site.Input{URL: "https://example.org", State: l.State, Now: l.Now.AddDate(0, 0, 15), Streams: []site.Stream{{Policy: l.Policy}}})
	raw := string(f["streams/new/index.html"])
	want(t, raw, "This image is stale.")
	if n := strings.Count(raw, "20261117_01 was revoked</a>"); n != 2 { // its warning, and the open bugs
		t.Errorf("%d links to the bug", n)
	}
}

// TestWhatMostPeopleHaveComesFirst: x86_64 before others, whatever the order of
// their names.
func TestWhatMostPeopleHaveComesFirst(t *testing.T) {
	in, _ := example(t)
	f := render(t, in)
	const images, commits = ">qcow2 %s", "fedora-43/%s/atomic-host"
	for name, what := range map[string]string{"index.html": commits, "tests.html": images, "builds/20261117_01.html": images} {
		raw := string(f["streams/fedora-43/"+name])
		x, a := strings.Index(raw, fmt.Sprintf(what, "x86_64")), strings.Index(raw, fmt.Sprintf(what, "aarch64"))
		if x < 0 || a < x {
			t.Errorf("%s has x86_64 at %d, aarch64 at %d", name, x, a)
		}
	}
}

// TestFrontLeadsToPagesThatAreThere: at a target, the pages of a stream come with
// its first pointer.
func TestFrontLeadsToPagesThatAreThere(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("new", "New OS")
	in := site.Input{URL: "https://example.org", State: l.State, Now: l.Now, Streams: []site.Stream{{Policy: l.Policy}}}
	want(t, string(render(t, in)["index.html"]), `<a href="streams/new/index.html">New OS</a>`)
	in.Streams[0].NoPages = true
	front := string(render(t, in)["index.html"])
	want(t, front, "<h2>New OS</h2>", "No release yet")
	wantNot(t, front, "streams/new")
}

func TestOnlyReleaseRevokedLeavesNothing(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("new", "New OS")
	l.At("2026-11-03T12:10:00Z")
	l.build("20261103_01")
	l.MustSay(&release.ReleaseRevoked{Build: "20261103_01", Word: releasetest.Word("eats disks")})
	f := render(t, site.Input{URL: "https://example.org", State: l.State, Now: l.Now, Streams: []site.Stream{{Policy: l.Policy}}})
	p := page(t, f, "streams/new/index.html")
	want(t, p, "20261103_01 was revoked. Do not use it.", "there is none to go back to", "There is nothing to download at the moment.")
	wantNot(t, string(f["streams/new/index.html"]), "Atomic-Host-20261103_01")
	wantNot(t, string(f["streams/new/builds/20261103_01.html"]), "releases/new/20261103_01/")
}

func TestReleaseOnItsWayIsNotOfferedYet(t *testing.T) {
	in, _ := example(t)
	in.Only = "centos-atomic"
	in.Streams[2].Published = map[release.BuildID]bool{}
	p := page(t, render(t, in), "index.html")
	want(t, p, "20261103_01 is on its way.")
	wantNot(t, p, "Atomic-Host-20261103_01")
	in.Streams[2].Published["20261103_01"] = true
	p = page(t, render(t, in), "index.html")
	want(t, p, "Atomic-Host-20261103_01.x86_64.qcow2")
	wantNot(t, p, "on its way")
}

// checkPage wants of a page: nothing from elsewhere, no script, unique ids, one
// main heading and no level left out, links that say something and lead
// somewhere, commands that a keyboard reaches.
func checkPage(t *testing.T, f site.Files, name string) {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(f[name]))
	if err != nil {
		t.Fatal(err)
	}
	ids, headings, last := map[string]bool{}, 0, 1
	var refs []string
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("%s: attribute %s", name, a.Key)
			}
		}
		if id := attr["id"]; id != "" {
			if ids[id] {
				t.Errorf("%s: id %s twice", name, id)
			}
			ids[id] = true
		}
		switch n.Data {
		case "script", "img", "iframe", "form", "object", "base":
			t.Errorf("%s: has a %s", name, n.Data)
		case "h1", "h2", "h3", "h4":
			level := int(n.Data[1] - '0')
			if level == 1 {
				headings++
			}
			if level > last+1 {
				t.Errorf("%s: %s after h%d", name, n.Data, last)
			}
			last = level
		case "pre":
			if attr["tabindex"] != "0" || attr["aria-label"] == "" {
				t.Errorf("%s: a pre cannot be reached by keyboard, or has no name", name)
			}
		case "a", "link":
			refs = append(refs, attr["href"])
			if n.Data == "a" && strings.TrimSpace(text(n)) == "" {
				t.Errorf("%s: link to %s says nothing", name, attr["href"])
			}
		}
	}
	if headings != 1 || !ids["main"] {
		t.Errorf("%s: %d main headings, main %t", name, headings, ids["main"])
	}
	for _, r := range refs {
		switch {
		case strings.HasPrefix(r, "#"):
			if !ids[r[1:]] {
				t.Errorf("%s: link to %s goes nowhere", name, r)
			}
		case strings.HasPrefix(r, "https://"):
		default:
			to := path.Join(path.Dir(name), r)
			if f[to] == nil && !strings.HasPrefix(to, "releases/") {
				t.Errorf("%s: link to %s goes nowhere", name, r)
			}
		}
	}
	want(t, string(f[name]), `http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-`, `<html lang="en">`, `class="skip" href="#main"`, `name="viewport"`)
}

func text(n *html.Node) (out string) {
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			out += c.Data
		}
	}
	return out
}

func TestPagesAreSound(t *testing.T) {
	in, l := example(t)
	f := render(t, in)
	for name := range f {
		if strings.HasSuffix(name, ".html") {
			checkPage(t, f, name)
		}
	}
	// Whatever a release page links to is among what was published.
	for _, m := range regexp.MustCompile(`href="../../releases/([^"]+)"`).FindAllStringSubmatch(string(f["streams/fedora-43/index.html"]), -1) {
		if l.files[m[1]] == nil {
			t.Errorf("%s was never published", m[1])
		}
	}
}

// TestContrast holds the colours to WCAG 2.2 AA: 4.5 to 1 for text.
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("there is no dark scheme")
	}
	dark, _, _ = strings.Cut(dark, "* {")
	for scheme, block := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]+);`).FindAllStringSubmatch(block, -1) {
			colours[m[1]] = m[2]
		}
		for _, pair := range []string{"ink bg", "ink card", "ink band", "soft bg", "soft card", "soft band", "link bg", "link card", "link band", "ink code", "on link",
			"good good-bg", "bad bad-bg", "open open-bg", "note note-bg", "ink bad-bg", "ink open-bg", "ink note-bg", "link bad-bg", "link open-bg", "link note-bg",
			"soft mute-bg", "good card", "bad card", "open card", "note card"} {
			a, b, _ := strings.Cut(pair, " ")
			if colours[a] == "" || colours[b] == "" {
				t.Errorf("%s: no colours %s", scheme, pair)
			} else if c := contrast(t, colours[a], colours[b]); c < 4.5 {
				t.Errorf("%s: %s has a contrast of %.1f", scheme, pair, c)
			}
		}
	}
}

func TestFeed(t *testing.T) {
	in, _ := example(t)
	var feed struct {
		Updated string `xml:"updated"`
		Entry   []struct {
			ID      string `xml:"id"`
			Title   string `xml:"title"`
			Updated string `xml:"updated"`
			Summary string `xml:"summary"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal(render(t, in)["streams/fedora-43/releases.atom"], &feed); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, e := range feed.Entry {
		ids[e.ID] = true
		if _, err := time.Parse(time.RFC3339, e.Updated); err != nil {
			t.Error(err)
		}
	}
	if len(feed.Entry) != 4 || len(ids) != 4 || feed.Updated != "2026-12-02T09:30:00Z" {
		t.Fatalf("%+v", feed)
	}
	want(t, feed.Entry[0].Title+feed.Entry[0].Summary, "20261124_01 was revoked", "docker loses its storage")
}

func TestInputsThatAreRefused(t *testing.T) {
	in, l := example(t)
	for want, change := range map[string]func(*site.Input){
		"want https://": func(in *site.Input) { in.URL = "javascript:alert(1)" },
		"listed twice":  func(in *site.Input) { in.Streams = append(slices.Clone(in.Streams), in.Streams[0]) },
		"is not listed": func(in *site.Input) { in.Only = "other" },
		"at least one":  func(in *site.Input) { in.Streams = nil },
		"a secret key": func(in *site.Input) {
			in.Streams = []site.Stream{{Policy: in.Streams[0].Policy, Keys: []site.Key{{Name: "key", OpenPGP: l.secret(t)}}}}
		},
		"a file name": func(in *site.Input) {
			in.Streams = []site.Stream{{Policy: in.Streams[0].Policy, Keys: []site.Key{{Name: "../key", OpenPGP: l.public(t)}}}}
		},
		"has no policy": func(in *site.Input) { in.Streams = []site.Stream{{}} },
		"cannot read public key": func(in *site.Input) {
			in.Streams = []site.Stream{{Policy: in.Streams[0].Policy, Keys: []site.Key{{Name: "key", OpenPGP: []byte("no key")}}}}
		},
	} {
		bad := in
		change(&bad)
		if _, err := site.Render(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

func luminance(t *testing.T, hex string) float64 {
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var c [3]uint8
	if _, err := fmt.Sscanf(hex, "%02x%02x%02x", &c[0], &c[1], &c[2]); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		v := float64(c[i]) / 255
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}
