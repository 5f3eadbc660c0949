package site

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"assay/reports"
)

//go:embed page.html.tmpl
var pageText string

//go:embed page.css
var pageCSS string

var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("page").Parse(pageText)
})

// contentPolicy allows the page its own style sheet and nothing else.
var contentPolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
})

// frame is what all pages have around their content.
type frame struct {
	Title string // of the browser's window
	Brand string // what the site is called
	Front string // link to the front page, empty where there is none
	Root  string // link prefix to the stream's folder
	Here  string // which entry of the navigation is this page
	Name  string // the stream's title, empty on the front page
}

// CSP and CSS are for the head of each page.
func (frame) CSP() string { return contentPolicy() }

// CSS is the style sheet.
func (frame) CSS() template.CSS { return template.CSS(pageCSS) } //nolint:gosec // our own file

// frame makes the frame of a page in depth folders below the stream's.
func (v *view) frame(here, title string, depth int) frame {
	name := text(cmp.Or(v.p.Title, string(v.p.Stream)))
	f := frame{Title: title + " · " + name, Brand: text(cmp.Or(v.in.Title, v.p.Title, string(v.p.Stream))),
		Root: strings.Repeat("../", depth), Here: here, Name: name}
	if v.in.Only == "" {
		f.Front = strings.Repeat("../", depth+2) + "index.html"
	}
	return f
}

// add renders one page.
func add(out Files, name, tmpl string, data any) error {
	t, err := pageTemplate()
	if err != nil {
		return fmt.Errorf("cannot read the template of pages: %w", err)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, tmpl, data); err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	out[name] = b.Bytes()
	return nil
}

// text makes others' words fit for a page: one line, cut.
func text(s string) string { return reports.Line(s, maxText) }

// sentence is text that begins with a capital, unless it begins with the name of
// a check.
func sentence(s string) string {
	s = text(s)
	if word, _, _ := strings.Cut(s, " "); strings.ContainsAny(word, "/_-.0123456789") {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func first(words ...string) string { return cmp.Or(words...) }

// link lets web addresses through and nothing else.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(s) > 2000 {
		return ""
	}
	return s
}

// moment is a time for people and for machines.
type moment struct{ Machine, Human string }

func on(t time.Time) moment {
	t = t.UTC()
	return moment{t.Format(time.RFC3339), t.Format("2 January 2006")}
}

func at(t time.Time) moment {
	t = t.UTC()
	return moment{t.Format(time.RFC3339), t.Format("2 January 2006, 15:04 UTC")}
}

// size is in the units that file managers show.
func size(n int64) string {
	const unit = 1000
	switch {
	case n < unit:
		return fmt.Sprintf("%d bytes", n)
	case n < unit*unit:
		return fmt.Sprintf("%d kB", (n+unit/2)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%d MB", (n+unit*unit/2)/unit/unit)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/unit/unit/unit)
}

// plural is "1 check", "2 checks".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// cut shortens a list and says how much is missing.
func cut[T any](list []T, limit int) ([]T, int) {
	if len(list) <= limit {
		return list, 0
	}
	return list[:limit], len(list) - limit
}
