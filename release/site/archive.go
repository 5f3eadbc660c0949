package site

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"assay/release"
)

// rowView is one release in a list.
type rowView struct {
	Build       release.BuildID
	At          moment
	Class, Word string
	Reason      string
	Page        string
	Compose     string
	Images      []imageView
	Gone        bool // its files are no longer kept
}

type archivePage struct {
	frame
	Heading string
	Parts   []partLink
	Rows    []rowView
}

type partLink struct {
	Title, Href string
	Here        bool
}

func (v *view) row(r *release.Release) rowView {
	w := rowView{Build: r.Build, At: on(r.At), Class: "mute", Word: "older", Page: v.pageOf(r.Build), Gone: !v.has(r.Build)}
	if b := v.l.Build(r.Build); b != nil {
		w.Compose = text(b.Compose)
	}
	switch {
	case r.Revoked != nil:
		w.Class, w.Word, w.Reason = "bad", "revoked", said(r.Revoked)
	case r == v.current:
		w.Class, w.Word = "good", "current"
	case r == v.onItsWay():
		w.Class, w.Word, w.Gone = "open", "on its way", true
	case w.Gone:
		w.Word = "no longer kept"
	}
	return w
}

// renderArchive makes a page for each year, in parts of maxYearPart releases,
// the oldest in the first: what is past does not change any more.
func (v *view) renderArchive(out Files, prefix string) error {
	type part struct {
		name, title string
		list        []*release.Release
	}
	var parts []part
	year, n := 0, 0
	for _, r := range slices.Backward(v.releases) { // oldest first
		last := len(parts) - 1
		if y := r.At.UTC().Year(); y != year {
			year, n = y, 1
			parts = append(parts, part{fmt.Sprintf("releases-%d.html", y), fmt.Sprint(y), nil})
			last++
		} else if len(parts[last].list) == maxYearPart {
			n++
			parts = append(parts, part{fmt.Sprintf("releases-%d-%d.html", y, n), fmt.Sprintf("%d, part %d", y, n), nil})
			last++
		}
		parts[last].list = append(parts[last].list, r)
	}
	slices.Reverse(parts)
	if len(parts) == 0 {
		return add(out, prefix+"releases.html", "archive", archivePage{frame: v.frame("releases", "Releases", 0), Heading: "Releases"})
	}
	for i, p := range parts {
		page := archivePage{frame: v.frame("releases", "Releases of "+p.title, 0), Heading: "Releases of " + p.title}
		for k, q := range parts {
			page.Parts = append(page.Parts, partLink{q.title, q.name, k == i})
		}
		slices.Reverse(p.list)
		for _, r := range p.list {
			w := v.row(r)
			for _, im := range v.images(r) {
				if len(w.Images) == maxImages {
					break
				}
				w.Images = append(w.Images, imageView{Title: im.ID.String(), Name: im.Name, Href: v.href(0, r.Build, im.Name), Size: size(im.Size), SHA256: im.Digest.Hex()})
			}
			page.Rows = append(page.Rows, w)
		}
		names := []string{p.name}
		if i == 0 {
			names = append(names, "releases.html") // the newest, under a name that stays
		}
		for _, name := range names {
			if err := add(out, prefix+name, "archive", page); err != nil {
				return err
			}
		}
	}
	return nil
}

// decision is one entry of the history page.
type decision struct {
	seq         uint64
	At          moment
	Class, Word string
	Title       string
	Reasons     []string
	More        int
	Page        string
	Links       []release.Link
}

type historyPage struct {
	frame
	Now        string
	NowReasons []string
	Decisions  []decision
	More       int
}

// renderHistory tells what was decided, newest first, in the words of the
// decisions themselves.
func (v *view) renderHistory(out Files, prefix string) error {
	d := release.Decide(v.p, v.in.State, v.in.Now)
	p := historyPage{frame: v.frame("history", "History", 0), Now: text(d.Text())}
	for _, r := range d.Reasons {
		if t := text(r.Text); !strings.Contains(p.Now, t) {
			p.NowReasons = append(p.NowReasons, sentence(t))
		}
	}
	p.NowReasons, _ = cut(p.NowReasons, 10)
	note := func(seq uint64, when moment, class, word, title string, page string, ls []release.Link, reasons ...string) {
		e := decision{seq: seq, At: when, Class: class, Word: word, Title: title, Page: page, Links: ls}
		for _, r := range reasons {
			e.Reasons = append(e.Reasons, sentence(r))
		}
		e.Reasons, e.More = cut(e.Reasons, 12)
		p.Decisions = append(p.Decisions, e)
	}
	for _, r := range v.releases {
		slot := "outside the calendar"
		if r.Slot != "" {
			slot = "for " + string(r.Slot)
		}
		note(r.Seq, at(r.At), "good", "released", fmt.Sprintf("%s was released %s", r.Build, slot), v.pageOf(r.Build), nil, r.Reasons...)
		if r.Revoked != nil {
			note(r.Revoked.Seq, at(r.Revoked.At), "bad", "revoked", string(r.Build)+" was revoked", v.pageOf(r.Build), v.linksOf(r.Revoked, release.SubjectOfRevocation(r.Build)), said(r.Revoked))
		}
	}
	for id, c := range v.l.Closed {
		if c.Build == "" {
			note(c.Seq, at(c.At), "open", "skipped", "The release of "+text(string(id))+" was skipped", "", nil, c.Reasons...)
		}
	}
	ends := map[uint64]bool{} // one word may end several blocks
	for _, b := range v.l.Blocks {
		reasons := []string{said(&b.Said)}
		if e := b.Ended; e != nil {
			reasons = append(reasons, fmt.Sprintf("It ended on %s, by %s", on(e.At).Human, text(e.By.String())))
			if !ends[e.Seq] {
				note(e.Seq, at(e.At), "good", "unblocked", "Releases went on", "", v.linksOf(e, ""), said(e))
			}
			ends[e.Seq] = true
		}
		note(b.Seq, at(b.At), "open", "blocked", "Releases were stopped", "", v.linksOf(&b.Said, ""), reasons...)
	}
	for b := range v.l.Builds() {
		for _, s := range b.Lifted {
			note(s.Seq, at(s.At), "note", "lifted", fmt.Sprintf("%s may be released again", b.ID), v.pageOf(b.ID), v.linksOf(s, ""), said(s))
		}
		for _, m := range b.Marks {
			word, class := "marked good", "note"
			if m.Mark == release.MarkBad {
				word, class = "marked bad", "bad"
			}
			note(m.Seq, at(m.At), class, word, fmt.Sprintf("%s was %s", b.ID, word), v.pageOf(b.ID), v.linksOf(&m.Said, ""), said(&m.Said))
		}
	}
	slices.SortFunc(p.Decisions, func(a, b decision) int { return cmp.Compare(b.seq, a.seq) })
	p.Decisions, p.More = cut(p.Decisions, maxDecisions)
	return add(out, prefix+"history.html", "history", p)
}
