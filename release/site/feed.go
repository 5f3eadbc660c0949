package site

import (
	"encoding/xml"
	"strings"
	"time"

	"assay/release"
)

// The elements of an Atom feed (RFC 4287) that ours has.
type (
	feed struct {
		XMLName xml.Name   `xml:"http://www.w3.org/2005/Atom feed"`
		Title   string     `xml:"title"`
		ID      string     `xml:"id"`
		Updated string     `xml:"updated"`
		Author  feedAuthor `xml:"author"`
		Links   []feedLink `xml:"link"`
		Entries []entry    `xml:"entry"`
	}
	feedAuthor struct {
		Name string `xml:"name"`
	}
	feedLink struct {
		Rel  string `xml:"rel,attr,omitempty"`
		Type string `xml:"type,attr,omitempty"`
		Href string `xml:"href,attr"`
	}
	entry struct {
		Title   string   `xml:"title"`
		ID      string   `xml:"id"`
		Updated string   `xml:"updated"`
		Link    feedLink `xml:"link"`
		Summary string   `xml:"summary"`
	}
)

// renderFeed makes one entry of each release and one of each revocation, newest
// first.
func (v *view) renderFeed(out Files, prefix string) error {
	title := text(first(v.p.Title, string(v.p.Stream)))
	f := feed{Title: title + ": releases", ID: v.home() + "/", Updated: v.modified(), Author: feedAuthor{title},
		Links: []feedLink{{Rel: "self", Type: "application/atom+xml", Href: v.home() + "/releases.atom"},
			{Rel: "alternate", Type: "text/html", Href: v.home() + "/index.html"}}}
	add := func(r *release.Release, at time.Time, suffix, title, summary string) {
		page := v.home() + "/" + first(v.pageOf(r.Build), "releases.html")
		f.Entries = append(f.Entries, entry{Title: title, ID: page + suffix, Updated: at.UTC().Format(time.RFC3339),
			Link: feedLink{Rel: "alternate", Type: "text/html", Href: page}, Summary: summary})
	}
	for _, r := range v.releases {
		if len(f.Entries) >= maxFeed || r == v.onItsWay() {
			continue
		}
		if r.Revoked != nil {
			add(r, r.Revoked.At, "#revoked", title+": "+string(r.Build)+" was revoked. Do not use it.", text(r.Revoked.Reason))
		}
		add(r, r.At, "#"+r.At.UTC().Format("20060102T150405Z"), title+": "+string(r.Build)+" is released", sentences(r.Reasons))
	}
	b, err := xml.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	out[prefix+"releases.atom"] = []byte(xml.Header + string(b) + "\n")
	return nil
}

func sentences(list []string) string {
	var out []string
	for _, s := range list[:min(len(list), 10)] {
		out = append(out, text(s))
	}
	return strings.Join(out, " · ")
}
