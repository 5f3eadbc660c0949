package tracker

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"assay/reports"
)

// Markup is how a service writes texts.
type Markup int

const (
	// Markdown is understood by Gitea, GitHub, GitLab and Pagure, as far as it
	// is used here.
	Markdown Markup = iota
	// Plain is Bugzilla's: comments are shown as they are.
	Plain
)

const (
	// maxTitle fits into the title of every service; Bugzilla, GitLab and Gitea
	// take 255 characters.
	maxTitle = 200
	// maxText fits into every comment; GitHub and Bugzilla take 65,535 characters.
	maxText = 48 << 10
)

// document writes a text in a markup. Everything that others said goes through
// fact, pre or link, where nothing in it means anything: no markup, no mention
// of people, no reference to other bugs, no command to the tracker.
type document struct {
	markup Markup
	b      strings.Builder
	// room is what may still be written.
	room int
	full bool
}

func (d *document) write(s string) {
	if len(s) > d.room {
		d.full = true
		return
	}
	d.room -= len(s)
	d.b.WriteString(s)
}

// say writes a paragraph of our own words; `code` is for what code returns.
func (d *document) say(s string) { d.write(s + "\n\n") }

func (d *document) heading(s string) {
	if d.markup == Markdown {
		d.write("### " + s + "\n\n")
	} else {
		d.write("== " + s + " ==\n\n")
	}
}

// code is one line of others' words inside a sentence.
func (d *document) code(s string) string {
	s = harmless(reports.Line(s, 300))
	if d.markup == Plain {
		return s
	}
	if s == "" {
		return "?"
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}

// list writes items that are our own words, or come from code and link.
func (d *document) list(items ...string) {
	var b strings.Builder
	for _, i := range items {
		if i != "" {
			b.WriteString("* " + i + "\n")
		}
	}
	if b.Len() > 0 {
		d.write(b.String() + "\n")
	}
}

// pre is a block of others' words, of limit bytes at most.
func (d *document) pre(s string, limit int) {
	s = strings.Trim(harmless(reports.Clean(cut(s, limit))), "\n")
	if s == "" {
		return
	}
	if d.markup == Plain {
		// Two blanks, so that no line can pass for a marker or a quotation.
		d.write("  " + strings.ReplaceAll(s, "\n", "\n  ") + "\n\n")
		return
	}
	// A fence longer than any in the text cannot be closed by it. Indented code
	// would not do: after a list it would be a part of that.
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	d.write(fence + "text\n" + s + "\n" + fence + "\n\n")
}

// link is a place to look at: a link when it is a web address.
func (d *document) link(s string) string {
	u, err := url.Parse(s)
	if d.markup == Plain || err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(s) > 300 || strings.ContainsAny(s, " <>()[]\"'`\\@*") {
		return d.code(s)
	}
	return "<" + u.String() + ">"
}

// end closes the text with its marker. There is always room for it.
func (d *document) end(m Marker) string {
	if d.full {
		d.b.WriteString("(There is more; it did not fit.)\n\n")
	}
	if d.markup == Plain {
		return d.b.String() + "[" + m.String() + "]\n"
	}
	return d.b.String() + "<!-- " + m.String() + " -->\n"
}

// A person's name after "@" sends mail to them, in Pagure even within code.
var mention = regexp.MustCompile(`(^|[^A-Za-z0-9])@([A-Za-z0-9_])`)

// harmless breaks mentions with a space that has no width.
func harmless(s string) string { return mention.ReplaceAllString(s, "$1@\u200b$2") }

// A title has no code: what could refer to people or other bugs (GitLab reads
// titles for that) is spelled out.
var titleSpelling = strings.NewReplacer("@", "(at)", "#", "no.", "!", ".", "&", "+", "`", "'", "<", "(", ">", ")", "*", "", "$", "", "~", "-", "[", "(", "]", ")", "|", "/", "\\", "/")

func title(s string) string {
	if s = reports.Line(titleSpelling.Replace(s), maxTitle); s == "" {
		return "(no title)"
	}
	return s
}

// cut keeps the start of s.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
