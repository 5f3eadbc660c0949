package reports

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"al.essio.dev/pkg/shellescape"
)

//go:embed page.html.tmpl
var pageText string

//go:embed page.css
var pageCSS string

var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("page").Parse(pageText)
})

// Bounds of a page, so that a run of anything stays a page that opens: cases
// told of in full, evidence and attempts of one case, bytes of all excerpts.
const (
	pageCases    = 200
	pageEvidence = 24
	pageAttempts = 8
	pageExcerpts = 3 << 20
)

// EncodePage writes run as one HTML page that fetches nothing: no script, no
// font, no picture; its Content-Security-Policy allows its own style sheet and
// nothing else. Everything that a guest or a user said is escaped and Cleaned.
// Evidence is linked relative to the page.
func EncodePage(w io.Writer, run *Run) error {
	t, err := pageTemplate()
	if err != nil {
		return fmt.Errorf("cannot read the page's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newPage(run)); err != nil {
		return fmt.Errorf("cannot write the page: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// page is what the template sees; every text in it is clean.
type page struct {
	CSP     string
	CSS     template.CSS
	Title   string
	Tool    string
	Verdict verdictWords
	Reason  string
	When    *moment
	Took    string
	Where   string
	Tiles   []tile
	Shares  []bar
	Facts   []fact
	Groups  []pageGroup
	Left    int // cases that did not pass and that the page has no room for
	Suites  []pageSuite
	Skips   []pageSkip
	Line    *timeline
	Boots   *bootTimes
	Host    []fact
	Command string
	Notes   []string
}

type (
	verdictWords struct{ Word, Class, Icon string }
	moment       struct{ Machine, Human string }
	fact         struct {
		Name, Value string
		Class       string // "mono" for names that machines gave, "wide" for long ones
	}
	tile struct {
		N            int
		Label, Class string
	}
	// bar is a rectangle in percent of the width of what it stands in.
	bar struct{ X, W, Class, Text, Title string }
)

var verdictText = map[Verdict]verdictWords{
	Accepted:  {"Accepted", "good", "check"},
	Rejected:  {"Rejected", "bad", "cross"},
	Undecided: {"Undecided", "open", "ask"},
}

func newPage(run *Run) *page {
	sum := sha256.Sum256([]byte(pageCSS))
	v, ok := verdictText[run.Verdict]
	if !ok {
		v = verdictText[Undecided]
	}
	counts, total := tallyOf(run.Suites)
	p := &page{
		CSP: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'",
		CSS:     template.CSS(pageCSS), //nolint:gosec // our own file
		Title:   v.Word + " · " + Line(run.Image.Name, 200),
		Tool:    Line(run.Tool.Name+" "+run.Tool.Version, 200),
		Verdict: v, Reason: Line(run.Reason, MessageLimit), When: momentOf(run.Started),
		Took:  roughly(run.Finished.Sub(run.Started)),
		Tiles: tiles(counts), Shares: shares(counts, total), Facts: imageFacts(run.Image),
		Line: newTimeline(run), Boots: newBootTimes(run.Boots),
		Host: hostFacts(run), Suites: pageSuites(run.Suites), Skips: pageSkips(run.Suites),
	}
	if a := Line(run.Host.Accelerator, 40); a != "" {
		p.Where = acceleratorWords(a)
	}
	if len(run.Command) > 0 {
		p.Command = Line(shellescape.QuoteCommand(run.Command), 4000)
	}
	for _, n := range run.Notes {
		p.Notes = append(p.Notes, Line(n, MessageLimit))
	}
	p.Groups, p.Left = pageGroups(run.Suites)
	return p
}

func momentOf(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &moment{Machine: t.Format(time.RFC3339), Human: t.Format("2 January 2006, 15:04 UTC")}
}

func acceleratorWords(a string) string {
	switch a {
	case "kvm":
		return "KVM"
	case "tcg":
		return "emulation"
	}
	return a
}

// tally counts cases by what they do to the verdict.
type tally [Rejects + 1]int

func tallyOf(suites []Suite) (t tally, total int) {
	for _, s := range suites {
		for _, c := range s.Cases {
			t[c.Standing()]++
			total++
		}
	}
	return t, total
}

func tiles(t tally) []tile {
	out := []tile{{t[Holds], "passed", "good"}, {t[Rejects], "failed", "bad"}, {t[Open], "not answered", "open"}}
	if t[Noted] > 0 {
		out = append(out, tile{t[Noted], "advisory", "open"})
	}
	if t[Excused] > 0 {
		out = append(out, tile{t[Excused], "known", "mute"})
	}
	out = append(out, tile{t[Absent], "skipped", "mute"})
	for i := range out {
		if out[i].N == 0 {
			out[i].Class = "none"
		}
	}
	return out
}

// shares is a tally as one bar.
func shares(t tally, total int) []bar {
	var out []bar
	x := 0
	for _, s := range []Standing{Holds, Excused, Noted, Open, Rejects, Absent} {
		if t[s] > 0 {
			out = append(out, bar{X: percent(x, total), W: percent(t[s], total), Class: fmt.Sprintf("s-%d", s)})
			x += t[s]
		}
	}
	return out
}

func percent[T int | int64 | time.Duration](part, whole T) string {
	if whole <= 0 {
		return "0%"
	}
	return fmt.Sprintf("%.3f%%", 100*float64(part)/float64(whole))
}

func imageFacts(i Image) []fact {
	var f facts
	f.add("Image", i.Name, "wide")
	f.add("Operating system", i.OS, "")
	f.add("Kernel", i.Kernel, "")
	f.add("Architecture", string(i.Arch), "")
	f.add("Firmware", strings.ToUpper(string(i.Firmware)), "")
	format := string(i.Format)
	if i.Compression != "" {
		format += " in " + string(i.Compression)
	}
	f.add("Format", format, "")
	if i.Size > 0 {
		size := bytesText(i.Size)
		if i.VirtualSize > 0 {
			size += ", disk " + bytesText(i.VirtualSize)
		}
		f.add("Size", size, "")
	}
	f.add("Stream", i.Stream, "")
	f.add("ostree version", i.OSTreeVersion, "")
	f.add("ostree ref", i.OSTreeRef, "wide")
	f.add("ostree commit", i.OSTreeCommit, "all mono")
	f.add("Digest", string(i.Digest), "all mono")
	return f
}

func hostFacts(run *Run) []fact {
	h := run.Host
	var f facts
	f.add("Host", string(h.Arch), "")
	if h.CPUs > 0 {
		f.add("Processors", fmt.Sprint(h.CPUs), "")
	}
	if h.MemoryMiB > 0 {
		f.add("Memory", bytesText(int64(h.MemoryMiB)<<20), "")
	}
	f.add("Accelerator", acceleratorWords(h.Accelerator), "")
	if h.Scale > 0 && h.Scale != 1 {
		f.add("Time limits", fmt.Sprintf("× %.3g", h.Scale), "")
	}
	f.add("libvirt", h.Libvirt, "")
	f.add("QEMU", h.QEMU, "")
	f.add("Tool", run.Tool.Name+" "+run.Tool.Version, "")
	f.add("Run", run.ID, "mono")
	if u := run.Usage; u != nil {
		f.add("The harness itself", fmt.Sprintf("%s of processor time, %s of memory", roughly(u.CPU), bytesText(u.MaxRSSKiB<<10)), "")
		f.add("Its child processes", fmt.Sprintf("%s of processor time, %s in the largest", roughly(u.ChildrenCPU), bytesText(u.ChildrenPeak<<10)), "")
	}
	return f
}

type facts []fact

func (f *facts) add(name, value, class string) {
	if value = Line(value, 1000); value != "" {
		*f = append(*f, fact{name, value, class})
	}
}

// bytesText writes a size as a person says it, in binary units.
func bytesText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(max(n, 0)), 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if i == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.3g %s", v, units[i])
}

// link is a path of the results folder as an address relative to the page, or
// "" for one that would lead out of it.
func link(path string) string {
	if !isInside(path) {
		return ""
	}
	return (&url.URL{Path: path}).String()
}
