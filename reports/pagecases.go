package reports

import (
	"fmt"
	"strings"
)

// pageGroup is the cases that need a reader's eye for one reason.
type pageGroup struct {
	Anchor, Class, Heading, Explain string
	N                               int
	Cases                           []pageCase
}

// pageCase is one case told of in full, or one row.
type pageCase struct {
	Anchor, ID, Short, Title, Message, Details string
	Icon, Class, Word                          string
	Badges                                     []badge
	Evidence                                   []pageEvidenceItem
	More                                       int // evidence left out
	Replay, Guest, Took                        string
	Attempts                                   []pageAttempt
	Tracker, TrackerText, Reason, Expires      string
	Target                                     string // anchor of the full text, for a row
}

type badge struct{ Text, Class string }

type pageEvidenceItem struct {
	Kind, Title, Href, Path, Excerpt string
	Open                             bool
}

type pageAttempt struct {
	N                             int
	Guest, Outcome, Message, Took string
}

// pageSuite is a criterion with all its cases.
type pageSuite struct {
	Anchor, Name, Criterion, Title, Took, Sums string
	Icon, Class, Word                          string
	Open                                       bool
	Shares                                     []bar
	Cases                                      []pageCase
}

// pageSkip is one reason and what it kept from being asked.
type pageSkip struct {
	Reason string
	IDs    []string
}

func (s Standing) icon() string {
	return [...]string{"check", "dash", "bang", "wave", "ask", "cross"}[s]
}

func (s Standing) class() string {
	switch s {
	case Holds:
		return "good"
	case Absent, Excused:
		return "mute"
	case Noted, Open:
		return "open"
	}
	return "bad"
}

func (s Standing) word() string {
	switch s {
	case Holds:
		return "passed"
	case Absent:
		return "skipped"
	case Noted:
		return "advisory"
	case Excused:
		return "known failure"
	case Open:
		return "not answered"
	}
	return "failed"
}

func (g group) explain() string {
	switch g.standing {
	case Rejects:
		return "The image’s own failures. Each of them alone rejects it."
	case Open:
		return "Blocking checks that got no answer. The fault is not the image’s, and it is not a pass."
	case Noted:
		return "Reported; without weight for the verdict."
	}
	return "Failures that somebody tracks, excused until the day given."
}

// anchorOf names the place of the nth case of a group.
func anchorOf(s Standing, n int) string {
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(s.word(), " ", "-"), n)
}

// pageGroups tells of every case that did not pass, as far as there is room,
// and how many there was no room for.
func pageGroups(suites []Suite) ([]pageGroup, int) {
	var out []pageGroup
	told, left, room := 0, 0, pageExcerpts
	for _, g := range grouped(suites) {
		p := pageGroup{Anchor: strings.ReplaceAll(g.standing.word(), " ", "-"), Class: g.standing.class(),
			Heading: g.heading(), Explain: g.explain(), N: len(g.cases)}
		for i, c := range g.cases {
			if told++; told > pageCases {
				left++
				continue
			}
			full := rowOf(c)
			full.Anchor = anchorOf(g.standing, i+1)
			full.tell(c, &room, g.standing == Rejects || g.standing == Open)
			p.Cases = append(p.Cases, full)
		}
		out = append(out, p)
	}
	return out, left
}

// rowOf is the short form of a case.
func rowOf(c Case) pageCase {
	s := c.Standing()
	id := Line(string(c.ID), 200)
	_, short, cut := strings.Cut(id, "/")
	if !cut {
		short = id
	}
	return pageCase{ID: id, Short: short, Title: Line(c.Title, 500), Message: Line(c.Message, MessageLimit),
		Icon: s.icon(), Class: s.class(), Word: s.word(), Took: roughly(c.Duration), Guest: Line(c.Guest, 100)}
}

// tell adds to a row all that is known; room is what is left of the page's
// bytes for excerpts, and open shows the first excerpt at once.
func (p *pageCase) tell(c Case, room *int, open bool) {
	weight := badge{"blocking", ""}
	if !c.Blocking {
		weight = badge{"advisory", ""}
	}
	p.Badges = append(p.Badges, badge{faultWords(c.Fault), p.Class}, weight)
	if c.Outcome == Errored && c.Fault == FaultImage || c.Outcome != Errored && c.Outcome != Failed {
		p.Badges = append(p.Badges, badge{"outcome " + Line(string(c.Outcome), 40), "open"})
	}
	p.Details = budget(excerpt(c.Details, DetailsLimit), room)
	p.Replay = Line(c.Replay, 4000)
	for i, e := range c.Evidence {
		if i == pageEvidence {
			p.More = len(c.Evidence) - i
			break
		}
		item := pageEvidenceItem{Kind: Line(e.Kind, 40), Title: Line(e.Title, 300), Path: Line(e.Path, 500), Href: link(e.Path)}
		item.Excerpt = budget(Excerpt(e.Excerpt), room)
		if open && item.Excerpt != "" {
			item.Open, open = true, false
		}
		p.Evidence = append(p.Evidence, item)
	}
	for i, a := range c.Attempts {
		if i == pageAttempts {
			break
		}
		p.Attempts = append(p.Attempts, pageAttempt{N: a.Number, Guest: Line(a.Guest, 100),
			Outcome: strings.TrimSpace(Line(string(a.Outcome), 40) + ", " + faultWords(a.Fault)), Message: Line(a.Message, 500), Took: roughly(a.Took)})
	}
	if c.Known.Covers() {
		p.TrackerText, p.Reason, p.Expires = Line(c.Known.Tracker, 500), Line(c.Known.Reason, 1000), Line(c.Known.Expires, 40)
		if strings.HasPrefix(c.Known.Tracker, "https://") || strings.HasPrefix(c.Known.Tracker, "http://") {
			p.Tracker = c.Known.Tracker
		}
	}
}

// budget cleans s while there is room for it on the page.
func budget(s string, room *int) string {
	if len(s) > *room {
		return "(the page is full: see the file, or results.json)"
	}
	s = strings.TrimRight(Clean(s), "\n ")
	*room -= len(s)
	return s
}

func faultWords(f Fault) string {
	switch f {
	case FaultImage:
		return "the image’s fault"
	case FaultTest:
		return "the test’s fault"
	case FaultInfra:
		return "the infrastructure’s fault"
	case FaultNone:
		return "nobody’s fault"
	}
	return "fault " + Line(string(f), 40)
}

// pageSuites lists every case; a criterion with trouble stands open.
func pageSuites(suites []Suite) []pageSuite {
	var out []pageSuite
	seen := map[Standing]int{}
	places := places(suites)
	for i, s := range suites {
		n, total := tallyOf([]Suite{s})
		p := pageSuite{Anchor: fmt.Sprintf("criterion-%d", i+1), Name: Line(s.Name, 200), Criterion: Line(s.Criterion, 40),
			Title: Line(s.Title, 300), Took: roughly(s.Duration), Shares: shares(n, total)}
		worst, held := Holds, false
		for _, c := range s.Cases {
			st := c.Standing()
			held = held || st == Holds
			worst = max(worst, st)
			row := rowOf(c)
			if st != Holds && st != Absent {
				if seen[st]++; seen[st] <= places[st] {
					row.Target = anchorOf(st, seen[st])
				}
			}
			p.Cases = append(p.Cases, row)
		}
		switch {
		case len(s.Cases) == 0:
			worst = Open // nothing in it ran
		case worst == Absent && held:
			worst = Holds
		}
		p.Open = worst >= Open
		p.Icon, p.Class, p.Word = worst.icon(), worst.class(), worst.word()
		p.Sums = sums(n, total)
		out = append(out, p)
	}
	return out
}

// places is how many cases of each standing the page tells of in full.
func places(suites []Suite) map[Standing]int {
	out := map[Standing]int{}
	room := pageCases
	for _, g := range grouped(suites) {
		out[g.standing] = min(room, len(g.cases))
		room -= out[g.standing]
	}
	return out
}

// sums says a criterion's counts in words, leaving out what there is none of.
func sums(t tally, total int) string {
	words := []string{fmt.Sprintf("%d of %d passed", t[Holds], total)}
	for _, s := range []Standing{Rejects, Open, Noted, Excused, Absent} {
		if t[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", t[s], strings.TrimSuffix(s.word(), " failure")))
		}
	}
	return strings.Join(words, ", ")
}

// pageSkips puts together what was skipped for one reason.
func pageSkips(suites []Suite) []pageSkip {
	var out []pageSkip
	at := map[string]int{}
	for _, s := range suites {
		for _, c := range s.Cases {
			if c.Standing() != Absent {
				continue
			}
			reason := Line(c.Message, 1000)
			if reason == "" {
				reason = "no reason given"
			}
			i, ok := at[reason]
			if !ok {
				i = len(out)
				at[reason] = i
				out = append(out, pageSkip{Reason: reason})
			}
			out[i].IDs = append(out[i].IDs, Line(string(c.ID), 200))
		}
	}
	return out
}
