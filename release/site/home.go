package site

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/packages"
)

// alert is something a reader has to know before anything else.
type alert struct {
	Class, Icon string // bad, open or note
	Title       string
	Text        []string
	Links       []release.Link
}

type homePage struct {
	frame
	Stream, About string
	Disclaimer    string
	Alerts        []alert
	Out           *outView
	Pending       string // what a reader is told when nothing is out
	Next          *moment
	Archs         []archView
	Cloud         []cloudView
	Commits       []release.Commit
	Changes       *changesView
	Known         []knownView
	KnownMore     int
	Bugs          []release.Link
	Docs          []release.Link
	Keys          []publicKey
	Older         []rowView
	Metadata      []release.Link
}

// outView is the release in one line.
type outView struct {
	Build       release.BuildID
	Compose     string
	At          moment
	Number      int
	Class, Word string
	Page        string
	Tests       string
	Reasons     []string
}

type archView struct {
	Arch   artifact.Arch
	Words  string
	Images []imageView
	More   int
	Verify string
	// Signed says what the commands prove.
	Signed, Whole bool
	Guides        []guideView
}

type imageView struct {
	Title, Use, Name, Href string
	Size                   string
	Bytes                  int64
	SHA256                 string
	Signature, Checksum    string // links
	SignatureName          string
	ChecksumName           string
	Tests                  string
}

type guideView struct {
	guide
	Image string
}

type cloudView struct {
	CloudImage
	Words, Launch string
}

type changesView struct {
	From  release.BuildID
	Kinds []changeKind
}

type changeKind struct {
	Title string
	List  []packages.Change
	More  int
}

type knownView struct {
	Text string
	Bug  *release.Link
}

// archWords are for people who do not know what uname calls their machine.
var archWords = map[artifact.Arch]string{
	artifact.X8664: "Intel and AMD, 64 bit", artifact.AArch64: "ARM, 64 bit", artifact.PPC64LE: "IBM Power", artifact.S390X: "IBM Z",
}

func (v *view) renderHome(out Files, prefix string) error {
	p := homePage{frame: v.frame("home", "Download", 0), Stream: string(v.p.Stream), About: text(v.p.About),
		Disclaimer: text(v.p.Disclaimer), Alerts: v.alerts(), Docs: links(v.p.Docs), Keys: v.keys}
	if v.status.Next != nil {
		m := at(v.status.Next.At)
		p.Next = &m
	}
	for _, b := range v.status.Bugs {
		p.Bugs = append(p.Bugs, bugLink(b))
	}
	p.Bugs, _ = cut(p.Bugs, maxList)
	p.Metadata = []release.Link{{Title: "Stream metadata (CoreOS form)", URL: "stream.json"}, {Title: "All releases (CoreOS form)", URL: "releases.json"},
		{Title: "Updates: rollouts and dead ends (CoreOS form)", URL: "updates.json"}, {Title: "Feed of releases (Atom)", URL: "releases.atom"}}
	for _, r := range v.releases {
		if r != v.current && len(p.Older) < 5 {
			p.Older = append(p.Older, v.row(r))
		}
	}
	if r := v.current; r != nil {
		p.Out = v.out(r)
		p.Archs = v.archs(r)
		p.Commits = v.commits(r)
		p.Changes = v.changes(r)
		p.Known, p.KnownMore = v.known(r)
		for _, c := range v.cloud(r.Build) {
			p.Cloud = append(p.Cloud, cloudView{c, providerWords(c.Provider), launch(c)})
		}
	} else {
		p.Pending = "There is no release to download yet."
		if len(v.releases) > 0 {
			p.Pending = "There is nothing to download at the moment."
		}
	}
	return add(out, prefix+"index.html", "home", p)
}

func cleanCloud(c CloudImage) CloudImage {
	c.Arch = artifact.Arch(text(string(c.Arch)))
	c.Provider, c.Region, c.Image, c.Project = text(c.Provider), text(c.Region), text(c.Image), text(c.Project)
	return c
}

func providerWords(p string) string {
	words := map[string]string{"aws": "Amazon EC2", "gcp": "Google Compute Engine", "azure": "Microsoft Azure", "aliyun": "Alibaba Cloud"}
	return cmp.Or(words[p], text(p))
}

// alerts are the warnings of a stream, the worst first.
func (v *view) alerts() (out []alert) {
	if r := v.l.LastRevoked(); r != nil {
		a := alert{Class: "bad", Icon: "cross", Title: string(r.Build) + " was revoked. Do not use it.",
			Text: []string{said(r.Revoked)}, Links: v.linksOf(r.Revoked, release.SubjectOfRevocation(r.Build))}
		if v.current != nil {
			a.Text = append(a.Text, fmt.Sprintf("Below is %s, the last release that is good. Machines that took %s should go back to it.", v.current.Build, r.Build))
		} else {
			a.Text = append(a.Text, "No earlier release is good, so there is none to go back to.")
		}
		out = append(out, a)
	}
	for _, r := range v.l.RevokedBefore(v.in.Now) {
		out = append(out, v.revokedBefore(r))
		if len(out) == maxAlerts {
			break
		}
	}
	if b := v.currentBuild(); b != nil && b.MarkedBad {
		out = append(out, alert{Class: "bad", Icon: "cross", Title: string(b.ID) + " was marked bad.", Text: []string{said(b.Marked)}, Links: v.linksOf(b.Marked, "")})
	}
	if r := v.onItsWay(); r != nil {
		out = append(out, alert{Class: "note", Icon: "wave", Title: string(r.Build) + " is on its way.", Text: []string{"It was released and is being published. This page shows it once everything is there."}})
	}
	if v.status.Stale {
		out = append(out, v.stale())
	}
	if b := v.l.Block; b != nil {
		out = append(out, alert{Class: "open", Icon: "bang", Title: "Releases are stopped.", Text: []string{said(b)}, Links: v.linksOf(b, "")})
	}
	if n := len(v.in.State.Findings()); n > 0 {
		out = append(out, alert{Class: "open", Icon: "bang", Title: "The record of releases is damaged.", Text: []string{"Nothing new is released until somebody has looked. What is offered here was released before."}})
	}
	return out
}

// maxAlerts bounds the warnings of revocations.
const maxAlerts = 4

// revokedBefore warns those who have a release that was no longer out when it
// was revoked.
func (v *view) revokedBefore(r *release.Release) alert {
	since, until := v.l.WasOut(r)
	a := alert{Class: "bad", Icon: "cross", Title: string(r.Build) + " was revoked. Do not use it.",
		Text:  []string{said(r.Revoked), fmt.Sprintf("It was out from %s to %s.", on(since).Human, on(until).Human)},
		Links: v.linksOf(r.Revoked, release.SubjectOfRevocation(r.Build))}
	if c := v.current; c != nil {
		verb := "go back"
		if c.Build.Compare(r.Build) > 0 {
			verb = "be updated"
		}
		a.Text = append(a.Text, fmt.Sprintf("Machines that have it should %s to %s, which is below.", verb, c.Build))
	}
	return a
}

func (v *view) stale() alert {
	a := alert{Class: "open", Icon: "bang", Title: "This image is stale."}
	day := ""
	if v.status.Date != nil {
		day = on(v.status.Date.At).Human
	}
	if v.current == nil {
		a.Title = "No build has passed yet."
		a.Text = []string{"The release of " + day + " did not come."}
	} else {
		a.Text = []string{fmt.Sprintf("The release of %s did not come, because no build has passed since %s.", day, v.current.Build)}
	}
	switch {
	case v.l.Block != nil: // which the next warning tells of
		a.Text = []string{"The release of " + day + " did not come."}
	case v.p.OnNothing == release.Retry:
		a.Text = append(a.Text, "The next build that passes will be released.")
	case v.status.Next != nil:
		a.Text = append(a.Text, "The next chance is on "+on(v.status.Next.At).Human+".")
	}
	for _, b := range v.status.Bugs {
		if strings.HasPrefix(string(b.Subject), "revoked:") {
			continue // it keeps no build from passing
		}
		if l := bugLink(b); l.URL != "" && len(a.Links) < 5 {
			a.Links = append(a.Links, l)
		}
	}
	return a
}

// said is who said something, when and why.
func said(s *release.Said) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s, %s)", sentence(s.Reason), text(s.By.String()), at(s.At).Human)
}

// linksOf are the links that go with what somebody said, and the open bug of a
// subject.
func (v *view) linksOf(s *release.Said, subject release.Subject) (out []release.Link) {
	if s != nil && link(s.Tracker) != "" {
		out = append(out, release.Link{Title: "Where it is discussed", URL: link(s.Tracker)})
	}
	for _, b := range v.l.Bugs() {
		if l := bugLink(b); subject != "" && b.Subject == subject && l.URL != "" {
			out = append(out, l)
		}
	}
	return out
}

func bugLink(b *release.Bug) release.Link {
	subject := string(b.Subject)
	if c, ok := strings.CutPrefix(subject, "check:"); ok {
		subject = c
	} else if c, ok := strings.CutPrefix(subject, "revoked:"); ok {
		subject = c + " was revoked"
	} else if b.Subject == release.SubjectNoImage {
		subject = "no image was made"
	}
	return release.Link{Title: text(fmt.Sprintf("Bug %s: %s", b.Ref, subject)), URL: link(b.URL)}
}

func links(in []release.Link) (out []release.Link) {
	for _, l := range in {
		if u := link(l.URL); u != "" {
			out = append(out, release.Link{Title: text(cmp.Or(l.Title, l.URL)), URL: u})
		}
	}
	out, _ = cut(out, maxList)
	return out
}

func (v *view) currentBuild() *release.Build {
	if v.current == nil {
		return nil
	}
	return v.l.Build(v.current.Build)
}

func (v *view) out(r *release.Release) *outView {
	o := &outView{Build: r.Build, At: on(r.At), Number: r.Number, Class: "good", Word: "Current release", Page: v.pageOf(r.Build)}
	b := v.l.Build(r.Build)
	if b != nil {
		o.Compose = text(b.Compose)
		o.Tests = testsOf(b, r)
	}
	if v.status.Stale || b != nil && b.MarkedBad {
		o.Class, o.Word = "open", "Last release, stale"
	}
	if b != nil && b.MarkedBad {
		o.Class, o.Word = "bad", "Last release, marked bad"
	}
	for _, s := range r.Reasons {
		o.Reasons = append(o.Reasons, sentence(s))
	}
	o.Reasons, _ = cut(o.Reasons, 5)
	return o
}

// testsOf sums the checks up that a release has passed.
func testsOf(b *release.Build, r *release.Release) string {
	n, images := 0, 0
	for _, t := range r.Artifacts {
		if a := b.Artifact(t.Artifact); a != nil && a.Answer() != nil {
			n += len(a.Answer().Passed) + len(a.Answer().PassedAdvisory)
			images++
		}
	}
	return fmt.Sprintf("%s passed on %s", plural(n, "check", "checks"), plural(images, "image", "images"))
}

func (v *view) archs(r *release.Release) (out []archView) {
	all := v.images(r)
	var names []artifact.Arch
	for _, i := range all {
		if !slices.Contains(names, i.ID.Arch()) {
			names = append(names, i.ID.Arch())
		}
	}
	slices.SortFunc(names, compareArch)
	b := v.l.Build(r.Build)
	for _, name := range names {
		a := archView{Arch: name, Words: archWords[name]}
		var mine []image
		for _, i := range all {
			if i.ID.Arch() == name {
				mine = append(mine, i)
			}
		}
		mine, a.More = cut(mine, maxImages)
		for n, i := range mine {
			w := imageView{Name: i.Name, Href: v.href(0, r.Build, i.Name), Size: size(i.Size), Bytes: i.Size, SHA256: i.Digest.Hex()}
			w.Title, w.Use = kindWords(i.ID.Kind())
			if i.Detached != nil {
				w.Signature, w.SignatureName = v.href(0, r.Build, i.Detached.Name), i.Detached.Name
			}
			if i.Checksum != nil {
				w.Checksum, w.ChecksumName = v.href(0, r.Build, i.Checksum.Name), i.Checksum.Name
			}
			if t := b.Artifact(i.ID); t != nil && t.Answer() != nil {
				w.Tests = plural(len(t.Answer().Passed)+len(t.Answer().PassedAdvisory), "check passed", "checks passed")
			}
			a.Images = append(a.Images, w)
			if n == 0 {
				a.Verify = v.verification(r, i.Artifact, i.Checksum, i.Detached)
				a.Whole = v.keyOf(i.Checksum) != nil
				a.Signed = a.Whole || v.keyOf(i.Detached) != nil
			}
			for _, g := range guides(v.p.Stream, i.Artifact, v.address(r, i.Name)) {
				a.Guides = append(a.Guides, guideView{g, i.Name})
			}
		}
		a.Guides, _ = cut(a.Guides, 12)
		out = append(out, a)
	}
	return out
}

// byArch sorts artifacts by architecture, else as they are.
func byArch(list []*release.BuildArtifact) []*release.BuildArtifact {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *release.BuildArtifact) int { return compareArch(a.ID.Arch(), b.ID.Arch()) })
	return list
}

// compareArch puts first what most people have.
func compareArch(a, b artifact.Arch) int {
	if (a == artifact.X8664) != (b == artifact.X8664) {
		if a == artifact.X8664 {
			return -1
		}
		return 1
	}
	return strings.Compare(string(a), string(b))
}

func (v *view) changes(r *release.Release) *changesView {
	c := v.s.Changes
	if c == nil || c.Build != r.Build {
		return nil
	}
	out := &changesView{From: c.From}
	for _, k := range []struct {
		title string
		list  []packages.Change
	}{{"Upgraded", c.Diff.Upgraded}, {"Added", c.Diff.Added}, {"Removed", c.Diff.Removed}, {"Downgraded", c.Diff.Downgraded}} {
		if len(k.list) == 0 {
			continue
		}
		kind := changeKind{Title: k.title}
		var list []packages.Change
		list, kind.More = cut(k.list, maxChanges)
		for _, p := range list {
			kind.List = append(kind.List, packages.Change{Name: text(p.Name), From: text(p.From), To: text(p.To)})
		}
		out.Kinds = append(out.Kinds, kind)
	}
	return out
}

// known lists what a release was made in spite of.
func (v *view) known(r *release.Release) (out []knownView, more int) {
	b := v.l.Build(r.Build)
	if b == nil {
		return nil, 0
	}
	j := release.JudgeBuild(v.p, b, r.At)
	for _, m := range slices.Concat(j.Reasons, j.Remarks) {
		if m.Code == release.ReasonRevoked {
			continue
		}
		k := knownView{Text: sentence(m.Text)}
		for _, bug := range v.l.Bugs() {
			if m.Check != "" && bug.Subject == release.SubjectOfCheck(m.Check) && bug.Ref != "" {
				l := bugLink(bug)
				k.Bug = &l
			}
		}
		out = append(out, k)
	}
	return cut(out, maxList)
}

// cardView is one stream on the front page.
type cardView struct {
	Title, About, Class, Word string
	Href                      string // empty where there are no pages
	Out                       *outView
	Next                      *moment
}

type frontPage struct {
	frame
	About   string
	Streams []cardView
}

func renderFront(out Files, in *Input) error {
	title := text(cmp.Or(in.Title, "Downloads"))
	p := frontPage{frame: frame{Title: title, Brand: title}, About: text(in.About)}
	for i := range in.Streams {
		v, err := newView(in, &in.Streams[i])
		if err != nil {
			return err
		}
		c := cardView{Title: text(cmp.Or(v.p.Title, string(v.p.Stream))), About: text(cmp.Or(v.p.Disclaimer, v.p.About)),
			Class: "mute", Word: "No release yet"}
		if !in.Streams[i].NoPages {
			c.Href = "streams/" + string(v.p.Stream) + "/index.html"
		}
		if v.current != nil {
			c.Out = v.out(v.current)
			c.Class, c.Word = c.Out.Class, map[string]string{"good": "Current", "open": "Stale", "bad": "Marked bad"}[c.Out.Class]
		}
		if r := v.l.LastRevoked(); r != nil {
			c.Class, c.Word = "bad", string(r.Build)+" was revoked"
		}
		if v.status.Next != nil && v.status.Next.At.Sub(in.Now) < 366*24*time.Hour {
			m := on(v.status.Next.At)
			c.Next = &m
		}
		p.Streams = append(p.Streams, c)
	}
	return add(out, "index.html", "front", p)
}
