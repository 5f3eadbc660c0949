package site

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"assay/release"
	"assay/reports"
)

// cell is one criterion on one image of one build.
type cell struct {
	Class, Icon, Text string
	Short             string
}

type matrixRow struct {
	Image string
	Words string
	Class string
	Cells []cell
}

type matrixBuild struct {
	Build       release.BuildID
	Page        string
	At          moment
	Class, Word string
	Rows        []matrixRow
	More        int
}

type testsPage struct {
	frame
	Criteria     []string
	CriteriaMore int
	Builds       []matrixBuild
	Waivers      []waiverView
	Marks        []markView
}

// Columns are those of the table.
func (p testsPage) Columns() int { return 2 + len(p.Criteria) }

type waiverView struct {
	Build              release.BuildID
	Page               string
	Check, Where       string
	By, Reason         string
	At, Until          moment
	Withdrawn, Expired string
	Link               string
}

type markView struct {
	Build       release.BuildID
	Page        string
	Class, Word string
	Said        string
	Link        string
}

func (v *view) renderTests(out Files, prefix string) error {
	p := testsPage{frame: v.frame("tests", "Builds and tests", 0)}
	p.Criteria, p.CriteriaMore = v.criteria()
	for _, b := range v.recent {
		p.Builds = append(p.Builds, v.matrixBuild(b, p.Criteria))
		p.Waivers = append(p.Waivers, v.waivers(b)...)
		if b.Marked != nil {
			m := markView{Build: b.ID, Page: v.pageOf(b.ID), Class: "note", Word: "marked good", Said: said(b.Marked), Link: link(b.Marked.Tracker)}
			if b.MarkedBad {
				m.Class, m.Word = "bad", "marked bad"
			}
			p.Marks = append(p.Marks, m)
		}
		if b.Revoked != nil {
			p.Marks = append(p.Marks, markView{b.ID, v.pageOf(b.ID), "bad", "revoked", said(b.Revoked), link(b.Revoked.Tracker)})
		}
	}
	p.Waivers, _ = cut(p.Waivers, 2*maxList)
	p.Marks, _ = cut(p.Marks, 2*maxList)
	return add(out, prefix+"tests.html", "tests", p)
}

// criteria are those that any recent build was asked about, sorted.
func (v *view) criteria() ([]string, int) {
	seen := map[string]bool{}
	for _, b := range v.recent {
		for _, a := range b.Artifacts {
			ans := a.Answer()
			if ans == nil {
				continue
			}
			for _, c := range slices.Concat(ans.Passed, ans.PassedAdvisory) {
				seen[c.Suite()] = true
			}
			for _, c := range ans.Cases {
				seen[c.Check.Suite()] = true
			}
		}
	}
	var names []string
	for n := range seen {
		names = append(names, reports.Line(n, 40))
	}
	slices.Sort(names)
	return cut(slices.Compact(names), maxCriteria)
}

// judged is how a build stands: a release as on the day it was decided.
func (v *view) judged(b *release.Build) (release.Judgement, *release.Release) {
	for _, r := range v.releases {
		if r.Build == b.ID {
			return release.JudgeBuild(v.p, b, r.At), r
		}
	}
	return release.JudgeBuild(v.p, b, v.in.Now), nil
}

func standing(v *view, b *release.Build, j release.Judgement, r *release.Release) (class, word string) {
	switch {
	case r != nil && r.Revoked != nil:
		return "bad", "revoked"
	case b.MarkedBad:
		return "bad", "marked bad"
	case r != nil && r == v.current:
		return "good", "current release"
	case r != nil:
		return "good", "released"
	case j.Standing == release.Good:
		return "good", "good"
	case j.Standing == release.Waiting:
		return "open", "waiting"
	}
	return "bad", "not released"
}

func (v *view) matrixBuild(b *release.Build, criteria []string) matrixBuild {
	j, r := v.judged(b)
	m := matrixBuild{Build: b.ID, Page: v.pageOf(b.ID), At: on(b.Created)}
	m.Class, m.Word = standing(v, b, j, r)
	var list []*release.BuildArtifact
	list, m.More = cut(byArch(b.Artifacts), maxList)
	for _, a := range list {
		row := matrixRow{Image: a.ID.String()}
		row.Words, row.Class = answerWords(a, j)
		cells := cellsOf(a, j)
		for _, c := range criteria {
			got, ok := cells[c]
			if !ok {
				got = tally{}
			}
			row.Cells = append(row.Cells, got.cell(c))
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

func answerWords(a *release.BuildArtifact, j release.Judgement) (words, class string) {
	isWaived := func() bool {
		return !slices.ContainsFunc(j.Reasons, func(r release.Reason) bool { return r.Artifact == a.ID }) &&
			slices.ContainsFunc(j.Remarks, func(r release.Reason) bool { return r.Artifact == a.ID && r.Code == release.ReasonWaived })
	}
	switch ans := a.Answer(); {
	case ans != nil && ans.Digest != a.Digest:
		return "other bytes were tested", "bad"
	case ans != nil && ans.Verdict == reports.Accepted:
		return "accepted", "good"
	case ans != nil && isWaived():
		return "waived", "note"
	case ans != nil && ans.Verdict == reports.Rejected:
		return "rejected", "bad"
	case ans != nil:
		return "undecided", "open"
	case a.Attempt > 0:
		return "test runs", "open"
	}
	return "not tested", "mute"
}

// tally counts the checks of a criterion on an image.
type tally struct{ passed, failed, undecided, waived, known, advisory, skipped int }

// cellsOf sums an image's checks up by criterion. Whether a failure decides is
// the judgement's to say: a check that failed and is in no reason against the
// build is advisory, known or waived.
func cellsOf(a *release.BuildArtifact, j release.Judgement) map[string]tally {
	out := map[string]tally{}
	ans := a.Answer()
	if ans == nil {
		return out
	}
	codes := map[reports.CaseID]release.ReasonCode{}
	for _, r := range slices.Concat(j.Remarks, j.Reasons) { // reasons against it count more
		if r.Check != "" && (r.Artifact == a.ID || r.Artifact == "") {
			codes[r.Check] = r.Code
		}
	}
	count := func(c reports.CaseID, add func(*tally)) {
		name := reports.Line(c.Suite(), 40)
		t := out[name]
		add(&t)
		out[name] = t
	}
	for _, c := range slices.Concat(ans.Passed, ans.PassedAdvisory) {
		count(c, func(t *tally) { t.passed++ })
	}
	for _, c := range ans.Cases {
		count(c.Check, func(t *tally) {
			switch code := codes[c.Check]; {
			case c.Outcome == reports.Skipped:
				t.skipped++
			case code == release.ReasonWaived:
				t.waived++
			case code == release.ReasonKnown:
				t.known++
			case code == release.ReasonFailed:
				t.failed++
			case code == release.ReasonUndecided:
				t.undecided++
			case code == release.ReasonAdvisory || !c.Blocking:
				t.advisory++
			case c.Outcome == reports.Failed:
				t.failed++
			default:
				t.undecided++
			}
		})
	}
	return out
}

func (t tally) cell(criterion string) cell {
	total := t.passed + t.failed + t.undecided + t.waived + t.known + t.advisory + t.skipped
	var words []string
	say := func(n int, what string) {
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, what))
		}
	}
	say(t.passed, "passed")
	say(t.failed, "failed")
	say(t.undecided, "without an answer")
	say(t.waived, "waived")
	say(t.known, "known")
	say(t.advisory, "advisory")
	say(t.skipped, "skipped")
	c := cell{Text: criterion + ": " + strings.Join(words, ", ")}
	switch {
	case total == 0:
		c = cell{"mute", "dash", criterion + ": nothing", ""}
	case t.failed > 0:
		c.Class, c.Icon, c.Short = "bad", "cross", fmt.Sprintf("%d failed", t.failed)
	case t.undecided > 0:
		c.Class, c.Icon, c.Short = "open", "ask", fmt.Sprintf("%d open", t.undecided)
	case t.waived > 0:
		c.Class, c.Icon, c.Short = "note", "wave", fmt.Sprintf("%d waived", t.waived)
	case t.known > 0:
		c.Class, c.Icon, c.Short = "note", "bang", fmt.Sprintf("%d known", t.known)
	case t.advisory > 0:
		c.Class, c.Icon, c.Short = "note", "bang", fmt.Sprintf("%d advisory", t.advisory)
	case t.passed == 0:
		c.Class, c.Icon, c.Short = "mute", "dash", "skipped"
	default:
		c.Class, c.Icon, c.Short = "good", "check", fmt.Sprint(t.passed)
	}
	return c
}

func (v *view) waivers(b *release.Build) (out []waiverView) {
	for _, w := range b.Waivers {
		x := waiverView{Build: b.ID, Page: v.pageOf(b.ID), Check: text(string(w.Check)), Where: "all images", By: text(w.By.String()),
			Reason: text(w.Reason), At: at(w.At), Until: at(w.Expires), Link: link(w.Tracker)}
		if w.Artifact != "" {
			x.Where = w.Artifact.String()
		}
		if w.Withdrawn != nil {
			x.Withdrawn = said(w.Withdrawn)
		} else if !w.Expires.After(v.in.Now) {
			x.Expired = "ended"
		}
		out = append(out, x)
	}
	return out
}

type buildPage struct {
	frame
	Stream, Build string
	Class, Word   string
	Compose       string
	From          string
	Created       *moment
	Released      *rowView
	Number        int
	Slot          string
	Reasons       []string // why it was released
	Against       []string
	Remarks       []string
	Images        []buildImage
	ImagesMore    int
	Commits       []release.Commit
	Waivers       []waiverView
	Marks         []markView
	Explanation   string
}

type buildImage struct {
	imageView
	Words, Class string
	Attempt      int
	Run, Results string
	Finished     *moment
	Reason       string
	Passed       int
	Cases        []caseView
	CasesMore    int
}

type caseView struct {
	Check, Class, Word, Message string
	Known, KnownLink            string
}

// renderBuilds makes a page for each recent build and each release.
func (v *view) renderBuilds(out Files, prefix string) error {
	recent := map[release.BuildID]bool{}
	for _, b := range v.recent {
		recent[b.ID] = true
	}
	for id := range v.pages {
		b := v.l.Build(id)
		if b == nil {
			continue
		}
		if err := add(out, prefix+v.pageOf(id), "build", v.buildPage(b, recent[id])); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) buildPage(b *release.Build, explain bool) buildPage {
	j, r := v.judged(b)
	p := buildPage{frame: v.frame("", "Build "+string(b.ID), 1), Stream: string(v.p.Stream), Build: string(b.ID), Compose: text(b.Compose), Waivers: v.waivers(b)}
	p.Class, p.Word = standing(v, b, j, r)
	if b.From != nil {
		p.From = text(b.From.String())
	}
	if !b.Created.IsZero() {
		m := at(b.Created)
		p.Created = &m
	}
	if b.Marked != nil {
		m := markView{Class: "note", Word: "marked good", Said: said(b.Marked), Link: link(b.Marked.Tracker)}
		if b.MarkedBad {
			m.Class, m.Word = "bad", "marked bad"
		}
		p.Marks = append(p.Marks, m)
	}
	if b.Revoked != nil {
		p.Marks = append(p.Marks, markView{Class: "bad", Word: "revoked", Said: said(b.Revoked), Link: link(b.Revoked.Tracker)})
	}
	if r != nil {
		w := v.row(r)
		p.Released, p.Number, p.Slot = &w, r.Number, text(string(r.Slot))
		for _, s := range r.Reasons {
			p.Reasons = append(p.Reasons, sentence(s))
		}
		p.Reasons, _ = cut(p.Reasons, maxList)
		p.Commits = v.commits(r)
	}
	for _, x := range j.Reasons {
		p.Against = append(p.Against, sentence(x.Text))
	}
	for _, x := range j.Remarks {
		if r != nil {
			break // the reasons of the release have them
		}
		p.Remarks = append(p.Remarks, sentence(x.Text))
	}
	p.Against, _ = cut(p.Against, maxList)
	p.Remarks, _ = cut(p.Remarks, maxList)
	p.Waivers, _ = cut(p.Waivers, maxList)
	list, more := cut(byArch(b.Artifacts), maxList)
	p.ImagesMore = more
	for _, a := range list {
		p.Images = append(p.Images, v.buildImage(a, j, r))
	}
	if explain {
		p.Explanation = release.Explain(v.p, v.in.State, b.ID, v.in.Now)
		if len(p.Explanation) > maxExplanation {
			p.Explanation = strings.ToValidUTF8(p.Explanation[:maxExplanation], "") + "…"
		}
	}
	return p
}

func (v *view) buildImage(a *release.BuildArtifact, j release.Judgement, r *release.Release) buildImage {
	i := buildImage{imageView: imageView{Title: a.ID.String(), Name: a.Name, SHA256: bare(a.Digest), Size: size(a.Size)}, Attempt: a.Attempt}
	i.Words, i.Class = answerWords(a, j)
	if r != nil && r.Revoked == nil && v.has(r.Build) && slices.ContainsFunc(r.Artifacts, func(t release.Tested) bool { return t.Artifact == a.ID }) {
		i.Href = v.href(1, r.Build, a.Name)
	}
	ans := a.Answer()
	if ans == nil {
		return i
	}
	i.Run, i.Results, i.Reason = text(ans.Run), link(ans.Results), text(ans.Reason)
	i.Passed = len(ans.Passed) + len(ans.PassedAdvisory)
	if !ans.Finished.IsZero() {
		m := at(ans.Finished)
		i.Finished = &m
	}
	codes := map[reports.CaseID]release.ReasonCode{}
	for _, x := range slices.Concat(j.Remarks, j.Reasons) {
		if x.Artifact == a.ID || x.Artifact == "" {
			codes[x.Check] = x.Code
		}
	}
	for _, c := range ans.Cases {
		w := caseView{Check: text(string(c.Check)), Message: text(c.Message), Word: string(c.Outcome), Class: "mute"}
		switch codes[c.Check] {
		case release.ReasonWaived:
			w.Word, w.Class = "waived", "note"
		case release.ReasonKnown:
			w.Word, w.Class = "known failure", "note"
		case release.ReasonAdvisory:
			w.Word, w.Class = "advisory", "note"
		default:
			switch {
			case c.Outcome == reports.Failed && c.Blocking:
				w.Class = "bad"
			case c.Outcome != reports.Skipped && c.Blocking:
				w.Class, w.Word = "open", "no answer"
			}
		}
		if c.Known != nil {
			w.Known, w.KnownLink = text(cmp.Or(c.Known.Reason, c.Known.Tracker)), link(c.Known.Tracker)
		}
		i.Cases = append(i.Cases, w)
	}
	order := map[string]int{"bad": 0, "open": 1, "note": 2, "mute": 3}
	slices.SortStableFunc(i.Cases, func(a, b caseView) int { return cmp.Compare(order[a.Class], order[b.Class]) })
	i.Cases, i.CasesMore = cut(i.Cases, maxList)
	return i
}
