package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"
)

func render(t *testing.T, run *Run) (string, *html.Node) {
	t.Helper()
	var b bytes.Buffer
	if err := EncodePage(&b, run); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), doc
}

func elements(doc *html.Node) []*html.Node {
	var out []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// TestPageFetchesNothing: whatever is in the run, the page has no script, no
// handler, no address that a browser loads by itself, and a policy that would
// stop them.
func TestPageFetchesNothing(t *testing.T) {
	runs := samples()
	runs["hostile"] = hostileRun()
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			_, doc := render(t, run)
			ids := map[string]bool{}
			var hrefs []string
			for _, n := range elements(doc) {
				switch n.Data {
				case "script", "img", "iframe", "object", "embed", "link", "base", "form", "video", "audio", "source", "use", "image", "foreignobject", "a:b":
					t.Errorf("there is a <%s>", n.Data)
				}
				for _, a := range n.Attr {
					switch {
					case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcset", a.Key == "action":
						t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
					case a.Key == "id":
						if ids[a.Val] {
							t.Errorf("id %q is there twice", a.Val)
						}
						ids[a.Val] = true
					case a.Key == "href":
						hrefs = append(hrefs, a.Val)
						scheme, _, ok := strings.Cut(a.Val, ":")
						if ok && !strings.ContainsAny(scheme, "/?#.") && scheme != "https" && scheme != "http" {
							t.Errorf("href %q", a.Val)
						}
						if strings.HasPrefix(a.Val, "/") || strings.Contains(a.Val, "../") {
							t.Errorf("href %q leaves the folder", a.Val)
						}
					}
				}
			}
			for _, h := range hrefs {
				if anchor, ok := strings.CutPrefix(h, "#"); ok && !ids[anchor] {
					t.Errorf("the link %q leads nowhere", h)
				}
			}
		})
	}
}

func TestPagePolicyNamesItsStyle(t *testing.T) {
	_, doc := render(t, sampleAccepted())
	var policy, css string
	for _, n := range elements(doc) {
		if v, _ := attr(n, "http-equiv"); v == "Content-Security-Policy" {
			policy, _ = attr(n, "content")
		}
		if n.Data == "style" {
			css += text(n)
		}
	}
	sum := sha256.Sum256([]byte(css))
	want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, want) {
		t.Errorf("policy is %q, want default-src 'none' and %s", policy, want)
	}
	for _, s := range []string{"url(", "@import", "</"} {
		if strings.Contains(css, s) {
			t.Errorf("the style sheet holds %q", s)
		}
	}
}

// TestPageOrder: verdict first, then what failed, then everything.
func TestPageOrder(t *testing.T) {
	page, doc := render(t, sampleRejected())
	last := 0
	for _, s := range []string{"Rejected</h1>", "3 blocking checks failed", `id="failed"`, "base/failed-units",
		`id="not-answered"`, `id="advisory"`, `id="known-failure"`, `id="image"`, `id="criteria"`, `id="skips"`, `id="timeline"`, `id="boot"`, `id="host"`, `id="notes"`} {
		i := strings.Index(page[last:], s)
		if i < 0 {
			t.Errorf("%q does not stand where it should", s)
			continue
		}
		last += i
	}
	whole := text(doc)
	for _, s := range []string{"Kernel panic - not syncing", "assay run --check base/failed-units", "https://bugs.example.org/podman/812",
		"the image’s fault", "the infrastructure’s fault", "sha256:4f0c9a1be27d", "ostree commit", "firmware and boot loader",
		"cloud-init-local.service", "the image ships no docker", "connection reset by peer", "emulation"} {
		if !strings.Contains(whole, s) {
			t.Errorf("the page does not say %q", s)
		}
	}
	for _, c := range sampleRejected().Suites {
		for _, x := range c.Cases {
			if !strings.Contains(whole, strings.SplitN(string(x.ID), "/", 2)[1]) {
				t.Errorf("the page does not name %s", x.ID)
			}
		}
	}
}

// hostileRun puts the worst a guest or a user can say into every text.
func hostileRun() *Run {
	const evil = "\x1b[31m<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202Egnp.exe\x00\x9b31m]]>{{.}}<!-- -->\u200b"
	run := sampleRejected()
	run.Reason, run.ID, run.Command = evil, evil, []string{evil, evil}
	run.Tool = Tool{evil, evil}
	run.Host.Accelerator, run.Host.Libvirt, run.Host.QEMU, run.Host.Arch = evil, evil, evil, evil
	run.Image = Image{Name: evil, Path: evil, Digest: evil, Format: evil, Compression: evil, Arch: evil, Firmware: evil, OS: evil, Kernel: evil,
		OSTreeCommit: evil, OSTreeRef: evil, OSTreeVersion: evil, Stream: evil, Size: -5, VirtualSize: -1}
	run.Notes = []string{evil, strings.Repeat("n", 1<<20)}
	run.Finished = run.Started.Add(-time.Hour)
	for i := range run.Timeline {
		run.Timeline[i].Name, run.Timeline[i].Guest, run.Timeline[i].Kind = evil, evil+fmt.Sprint(i%3), evil
	}
	run.Timeline[0].Start, run.Timeline[0].End = time.Hour, -time.Hour
	for i := range run.Boots {
		run.Boots[i].Guest, run.Boots[i].Kind, run.Boots[i].Firmware = evil, evil, evil
		run.Boots[i].Slowest = []UnitTime{{evil, -time.Second}, {evil, time.Second}}
	}
	for i := range run.Suites {
		s := &run.Suites[i]
		s.Name, s.Title, s.Criterion, s.Duration = evil, evil, evil, -time.Second
		for j := range s.Cases {
			c := &s.Cases[j]
			c.ID, c.Title, c.Message, c.Details, c.Guest, c.Replay = evil, evil, evil, evil, evil, evil
			c.Labels = []string{evil}
			if c.Known != nil {
				c.Known = &Known{Tracker: "javascript:alert(1)", Reason: evil, Expires: evil}
			}
			c.Attempts = []Attempt{{Guest: evil, Message: evil, Outcome: evil, Fault: evil}}
			if j%2 == 0 {
				c.Outcome, c.Fault = evil, evil
			}
			c.Evidence = []Evidence{{Kind: evil, Title: evil, Path: "javascript:alert(1)", Excerpt: evil}, {Kind: evil, Title: evil, Path: "/etc/passwd"},
				{Kind: evil, Title: evil, Path: "../../x"}, {Kind: evil, Title: evil, Path: `\\host\share`}, {Kind: evil, Title: "", Path: "a b/\"onclick=x#?%2e%2e/c:d"}, {Path: "//host/x"}}
		}
	}
	return run
}

// TestHostileTextEverywhere: no rendering lets a control character, a
// direction change or an invisible character through.
func TestHostileTextEverywhere(t *testing.T) {
	run := hostileRun()
	var b bytes.Buffer
	for name, encode := range map[string]func() error{
		"page": func() error { return EncodePage(&b, run) }, "junit": func() error { return EncodeJUnit(&b, run) },
		"tap": func() error { return EncodeTAP(&b, run) }, "summary": func() error { return Summary(&b, run, false) },
		"comparison": func() error { return Compare(sampleAccepted(), run).Text(&b, false) },
	} {
		b.Reset()
		if err := encode(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, r := range b.String() {
			if r != '\n' && r != '\t' && unicode.IsControl(r) || r == '\u202e' || r == '\u200b' {
				t.Errorf("%s holds %U: %q", name, r, b.String()[max(i-40, 0):i+10])
				break
			}
		}
	}
	page, doc := render(t, run)
	if !strings.Contains(text(doc), "<script>alert(1)</script>") {
		t.Error("the page lost what was said")
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Error("the page has an address that the template refused: it should not have been tried")
	}
	if !strings.Contains(page, "href=\"a%20b/%22onclick=x%23%3f%252e%252e/c:d\"") && !strings.Contains(page, "href=\"a%20b/%22onclick=x%23%3F%252e%252e/c:d\"") {
		t.Error("the odd path is not linked as a path")
	}
}

// TestPageIsBounded: a run of anything makes a page that a browser opens.
func TestPageIsBounded(t *testing.T) {
	run := sampleRejected()
	log := strings.Repeat("a line of a log that goes on and on\n", 1<<8)
	var cases []Case
	for i := range 220 {
		c := blocking(CaseID(fmt.Sprintf("base/c%d", i)), Failed, FaultImage)
		c.Message, c.Details = strings.Repeat("m ", 1<<9), log
		for range 30 {
			c.Evidence = append(c.Evidence, Evidence{Kind: "journal", Title: "log", Path: "a/b", Excerpt: log})
			c.Attempts = append(c.Attempts, Attempt{Message: log, Outcome: Errored})
		}
		cases = append(cases, c)
	}
	run.Suites = []Suite{{Name: "base", Cases: cases}}
	for range 2100 {
		run.Timeline = append(run.Timeline, Span{Kind: "suite", Name: log, Guest: "g", End: time.Second})
	}
	var b strings.Builder
	if err := EncodePage(&b, run); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if len(page) > 8<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, s := range []string{"20 more did not pass", "the page is full",
		fmt.Sprintf("%d bars have no room", len(run.Timeline)-timelineSpans)} {
		if !strings.Contains(page, s) {
			t.Errorf("the page does not say %q", s)
		}
	}
}

func TestTimelineKeepsBarsApart(t *testing.T) {
	run := &Run{Timeline: []Span{
		{Kind: "boot", Name: "b", Guest: "g", Start: 0, End: 10 * time.Second, OK: true},
		{Kind: "suite", Name: "s", Guest: "g", Start: 5 * time.Second, End: 8 * time.Second},
		{Kind: "suite", Name: "after", Guest: "g", Start: 10 * time.Second, End: 20 * time.Second, OK: true},
		{Kind: "image", Name: "i", Start: 20 * time.Second, End: 20 * time.Second, OK: true},
	}}
	l := newTimeline(run)
	if len(l.Lanes) != 2 || l.Lanes[0].Name != "g" || l.Lanes[1].Name != "host" || l.Lanes[0].Height != 2*rowHeight || l.Lanes[1].Height != rowHeight {
		t.Fatalf("lanes are %+v", l.Lanes)
	}
	b := l.Lanes[0].Bars
	if b[0].Y == b[1].Y || b[0].Y != b[2].Y || b[0].X != "0.000%" || b[0].W != "50.000%" || b[2].X != "50.000%" {
		t.Errorf("bars are %+v", b)
	}
	if !strings.HasPrefix(b[1].Text, "✗") || !strings.Contains(b[1].Class, "failed") {
		t.Errorf("a failed bar is %+v", b[1])
	}
	if i := l.Lanes[1].Bars[0]; i.X != "99.650%" || i.W != "0.350%" {
		t.Errorf("a bar of no length is %+v", i)
	}
	if newTimeline(&Run{}) != nil {
		t.Error("an empty timeline is shown")
	}
	for _, d := range []time.Duration{time.Millisecond, time.Second, 7 * time.Second, time.Minute, 50 * time.Minute, 30 * time.Hour, 4000 * time.Hour} {
		if n := len(ticks(d)); n < 1 || n > 400 || d < 24*time.Hour && n > 7 {
			t.Errorf("%s has %d ticks", d, n)
		}
	}
}

func TestWordsForNumbers(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 s", -5: "0 s", 300: "< 1 ms", 42 * time.Millisecond: "42 ms", 1440 * time.Millisecond: "1.4 s",
		9960 * time.Millisecond: "10.0 s", 12 * time.Second: "12 s", 59700 * time.Millisecond: "60 s", 61 * time.Second: "1 min 01 s", 3*time.Hour + 4*time.Minute: "3 h 04 min"} {
		if got := roughly(d); got != want {
			t.Errorf("roughly(%d) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1536: "1.5 KiB", 10 << 30: "10 GiB", 612_884_212: "584 MiB", -4: "0 bytes"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0:00", 1500 * time.Millisecond: "0:01.5", 65 * time.Second: "1:05", 3661 * time.Second: "1:01:01"} {
		if got := clock(d); got != want {
			t.Errorf("clock(%s) = %q, want %q", d, got, want)
		}
	}
}
