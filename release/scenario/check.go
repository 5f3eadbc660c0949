package scenario

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/stream-metadata-go/stream"
	"golang.org/x/net/html"

	"assay/release"
	"assay/release/publish"
	"assay/release/site"
	"assay/release/tracker/trackertest"
)

// Seen is what the world sees of a day.
type Seen struct {
	Main, Stable publish.Pointer
	// Bugs, Mails and Warns are as in Day.
	Bugs, Mails, Warns string
}

// Evening looks at everything that readers, maintainers and subscribers have by
// now, and compares it with the day's row. The error names all that differs.
func (w *World) Evening(ctx context.Context, d Day, a Account) (s Seen, err error) {
	var errs []error
	want := func(what, got, want string) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s: %q, want %q", what, got, want))
		}
	}
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, x := range []struct {
		stream  release.Stream
		changes release.BuildID
		to      *publish.Pointer
	}{{Main, d.Main, &s.Main}, {Stable, d.Stable, &s.Stable}} {
		was := w.outs[x.stream]
		now := was
		if x.changes != "" {
			now = x.changes
		}
		*x.to, err = w.Reader.Release(ctx, x.stream)
		note(err)
		want("what is out of "+string(x.stream), string(x.to.Build), string(now))
		w.outs[x.stream] = now
		note(w.pages(ctx, x.stream, *x.to, now != was))
	}
	refs, err := w.Reader.Tree(ctx)
	note(err)
	note(w.tree(ctx, refs, s))

	s.Bugs = w.newBugs()
	want("bugs", s.Bugs, d.Bugs)
	s.Mails, err = w.newMails(ctx, s)
	note(err)
	want("mails", s.Mails, d.Mails)
	if d.Warns != "" {
		w.warns = strings.Trim(d.Warns, "-")
	}
	w.Counts.Results, err = w.results()
	note(err)
	s.Warns, err = w.warnings(ctx, Main)
	note(err)
	want("warnings on the page", s.Warns, w.warns)
	if !strings.Contains(a.Main+a.Stable, d.Because) {
		errs = append(errs, fmt.Errorf("the stage says %q and %q, and not %q", a.Main, a.Stable, d.Because))
	}
	return s, errors.Join(errs...)
}

// results counts the messages about tests that came so far, each once.
func (w *World) results() (n int, err error) {
	files, err := filepath.Glob(filepath.Join(w.Dir, "results", "result_*.json"))
	if err != nil {
		return 0, err
	}
	asked, answered := map[string]bool{}, map[string]bool{}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		var deed struct{ Work release.TestNews }
		if err := json.Unmarshal(raw, &deed); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		test := fmt.Sprint(deed.Work.Build, deed.Work.Artifact, deed.Work.Attempt)
		word := asked
		if deed.Work.Answer != nil {
			word = answered
		}
		if word[test] {
			return 0, fmt.Errorf("test %s was told of twice: %s", test, path)
		}
		word[test] = true
	}
	for test := range answered {
		if !asked[test] {
			return 0, fmt.Errorf("test %s was told to be answered, and never to be asked for", test)
		}
	}
	return len(files), nil
}

// tree compares refs with the pointers, and the content of commits with the
// builds they are of.
func (w *World) tree(ctx context.Context, refs map[string]string, s Seen) error {
	n := 0
	for _, p := range []publish.Pointer{s.Main, s.Stable} {
		for _, c := range p.Commits {
			n++
			if refs[c.Ref] != c.Commit {
				return fmt.Errorf("ref %s is at %q, the pointer says %s", c.Ref, refs[c.Ref], c.Commit)
			}
			text, err := w.Reader.Content(ctx, c.Commit)
			if err != nil {
				return err
			}
			if !strings.Contains(text, "VERSION_ID=43."+string(p.Build)+"\n") && !strings.HasSuffix(text, "VERSION_ID=43."+string(p.Build)) {
				return fmt.Errorf("hosts that follow %s get %q, and %s is out", c.Ref, text, p.Build)
			}
		}
	}
	if n != len(refs) {
		return fmt.Errorf("the repository has the refs %v, the pointers name %d", refs, n)
	}
	return nil
}

// pages reads the stream's page and metadata, and compares them with the
// pointer. Of a new release the reader downloads an image from the page and
// verifies it with the page's own commands.
func (w *World) pages(ctx context.Context, s release.Stream, p publish.Pointer, news bool) error {
	home := "streams/" + string(s) + "/"
	page, err := w.Reader.get(ctx, home+"index.html")
	if errors.Is(err, fs.ErrNotExist) && !news && w.outs[s] == "" {
		return nil // the first release brings pages along
	}
	if err != nil {
		return err
	}
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return err
	}
	shown := sums(doc)
	for _, f := range p.Files {
		if strings.HasSuffix(f.Name, ".qcow2") && !slices.Contains(shown, f.SHA256) {
			return fmt.Errorf("the page of %s does not show %s with %s", s, f.Name, f.SHA256)
		}
	}
	if p.Build == "" && len(shown) > 0 {
		return fmt.Errorf("the page of %s offers %q, and nothing is out", s, shown)
	}
	if err := w.front(ctx, p); err != nil {
		return err
	}
	if err := w.metadata(ctx, s, p); err != nil {
		return err
	}
	if !news || p.Build == "" {
		return nil
	}
	return w.download(ctx, s, p, doc)
}

// front reads the front page and follows its links.
func (w *World) front(ctx context.Context, p publish.Pointer) error {
	front, err := w.Reader.get(ctx, "index.html")
	if err != nil || p.Build != "" && !bytes.Contains(front, []byte(p.Build)) {
		return fmt.Errorf("the front page does not show %s: %w", p.Build, errors.Join(err))
	}
	doc, err := html.Parse(bytes.NewReader(front))
	if err != nil {
		return err
	}
	for n := range doc.Descendants() {
		if href := attr(n, "href"); n.Data == "a" && !strings.HasPrefix(href, "#") {
			if _, err := w.Reader.get(ctx, href); err != nil {
				return fmt.Errorf("the front page leads to %s: %w", href, err)
			}
		}
	}
	return nil
}

// sums are the checksums that a page shows.
func sums(doc *html.Node) (out []string) {
	for n := range doc.Descendants() {
		if t := textOf(n); n.Data == "code" && len(t) == 64 {
			out = append(out, t)
		}
	}
	return out
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// download follows the page: the first Download button, and the commands below
// "Verify", in a new folder.
func (w *World) download(ctx context.Context, s release.Stream, p publish.Pointer, doc *html.Node) error {
	dir, err := os.MkdirTemp(w.Reader.home, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script, image := "", ""
	for n := range doc.Descendants() {
		switch {
		case n.Data == "a" && attr(n, "class") == "button" && image == "":
			image = attr(n, "href")
		case n.Data == "pre" && attr(n, "aria-label") == "Commands to verify x86_64":
			script = textOf(n)
		}
	}
	rest, relative := strings.CutPrefix(image, "../../")
	if !relative || script == "" || !strings.Contains(image, string(p.Build)) {
		return fmt.Errorf("the page of %s leads to %q, with the commands %q", s, image, script)
	}
	content, err := w.Reader.get(ctx, rest)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, filepath.Base(rest)), content, 0o600)
	}
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	c.Dir, c.Env = dir, append(os.Environ(), "LC_ALL=C", "GNUPGHOME="+dir)
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Good signature") || !strings.Contains(string(out), filepath.Base(rest)+": OK") {
		return fmt.Errorf("the commands of the page of %s do not verify %s: %w\n%s", s, rest, errors.Join(err), out)
	}
	return nil
}

// metadata reads the CoreOS form.
func (w *World) metadata(ctx context.Context, s release.Stream, p publish.Pointer) error {
	home := "streams/" + string(s) + "/"
	var m stream.Stream
	var u site.Updates
	for name, to := range map[string]any{"stream.json": &m, "updates.json": &u} {
		b, err := w.Reader.get(ctx, home+name)
		if err == nil {
			err = json.Unmarshal(b, to)
		}
		if err != nil {
			return fmt.Errorf("%s of %s: %w", name, s, err)
		}
	}
	n := 0
	for arch, a := range m.Architectures {
		for _, platform := range a.Artifacts {
			for _, f := range platform.Formats {
				n++
				content, err := w.Reader.get(ctx, f.Disk.Location)
				if err != nil {
					return fmt.Errorf("stream.json of %s: %w", s, err)
				}
				if sum := sha256.Sum256(content); platform.Release != string(p.Build) || hex.EncodeToString(sum[:]) != f.Disk.Sha256 {
					return fmt.Errorf("stream.json of %s has %s of %s with %s, and %s is out", s, platform.Release, arch, f.Disk.Sha256, p.Build)
				}
			}
		}
	}
	if p.Build != "" && n != len(wanted(s)) {
		return fmt.Errorf("stream.json of %s has %d images", s, n)
	}
	for _, r := range u.Releases {
		if r.Metadata.Deadend != nil && (p.Revoked == nil || r.Version != string(p.Revoked.Build)) || r.Metadata.Rollout != nil && r.Metadata.Deadend != nil {
			return fmt.Errorf("updates.json of %s calls %s a dead end", s, r.Version)
		}
	}
	if r := p.Revoked; r != nil && !slices.ContainsFunc(u.Releases, func(x site.UpdateRelease) bool { return x.Version == string(r.Build) && x.Metadata.Deadend != nil }) {
		return fmt.Errorf("updates.json of %s does not call %s a dead end, and it was revoked", s, r.Build)
	}
	return nil
}

// warnings are the titles of the page's alerts.
func (w *World) warnings(ctx context.Context, s release.Stream) (string, error) {
	page, err := w.Reader.get(ctx, "streams/"+string(s)+"/index.html")
	if errors.Is(err, fs.ErrNotExist) && w.outs[s] == "" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	doc, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return "", err
	}
	var out []string
	for n := range doc.Descendants() {
		if n.Data != "section" || !strings.HasPrefix(attr(n, "class"), "alert") {
			continue
		}
		for h := range n.Descendants() {
			if h.Data == "h2" {
				out = append(out, textOf(h))
			}
		}
	}
	return strings.Join(out, "; "), nil
}

// subjectOf reads the subject of a bug off its title, as its maintainer does.
func subjectOf(title string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(title, string(Main)), ": ")
	switch {
	case strings.HasPrefix(rest, "no image"):
		return string(release.SubjectNoImage)
	case strings.HasSuffix(rest, " fails"):
		return "check:" + strings.TrimSuffix(rest, " fails")
	case strings.HasSuffix(rest, " was revoked"):
		return "revoked:" + strings.TrimSpace(strings.TrimSuffix(rest, " was revoked"))
	}
	return title
}

// said is what a comment of the stage tells of.
func said(comment string) string {
	for word, texts := range map[string][]string{
		"closed":    {"passes again", "There is an image again", "This is settled"},
		"reopened":  {"fails again", "It is so again"},
		"commented": {"in another way", "There is news"},
	} {
		for _, t := range texts {
			if strings.Contains(comment, t) {
				return word
			}
		}
	}
	return fmt.Sprintf("said to be %.60q", comment)
}

// newBugs is what happened in the tracker since the last look.
func (w *World) newBugs() string {
	var out []string
	w.Counts.Bugs, w.Counts.Comments = 0, 0
	for _, b := range w.project.Bugs(w.t) {
		was, known := w.bugs[b.Ref]
		w.bugs[b.Ref] = b
		w.Counts.Bugs++
		w.Counts.Comments += len(b.Comments)
		subject, open := subjectOf(b.Title), was.Open
		if !known {
			out = append(out, subject+" opened")
			open = true
		}
		for _, c := range b.Comments[min(len(was.Comments), len(b.Comments)):] {
			word := said(c)
			out = append(out, subject+" "+word)
			open = word != "closed" && (open || word == "reopened")
		}
		switch {
		case open && !b.Open:
			out = append(out, subject+" closed by its maintainer")
		case open != b.Open || len(b.Comments) < len(was.Comments):
			out = append(out, fmt.Sprintf("%s is open: %t", subject, b.Open))
		}
		if twice := repeated(b); twice != "" {
			out = append(out, subject+" was told twice: "+twice)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// repeated is a text that stands in a bug twice.
func repeated(b trackertest.Bug) string {
	all := append([]string{b.Body}, b.Comments...)
	for i, text := range all {
		if slices.Contains(all[:i], text) {
			return text
		}
	}
	return ""
}

// newMails are the subjects of the mails since the last look; a mail has to be
// about what is out, and its links have to lead somewhere.
func (w *World) newMails(ctx context.Context, s Seen) (string, error) {
	mails, errs := w.post.got(w.mails)
	w.mails += len(mails)
	w.Counts.Mails = w.mails
	var subjects []string
	for _, m := range mails {
		_, subject, _ := strings.Cut(m.Subject, ": ")
		subjects = append(subjects, subject)
		if strings.Contains(subject, "revoked") {
			w.Counts.Revocations++
		} else {
			w.Counts.Releases++
		}
		for _, p := range []publish.Pointer{s.Main, s.Stable} {
			for _, f := range p.Files {
				if subject == string(p.Build)+" is released" && strings.HasSuffix(f.Name, ".qcow2") && (!strings.Contains(m.Text, f.Name) || !strings.Contains(m.Text, f.SHA256)) {
					errs = append(errs, fmt.Sprintf("the mail %q does not name %s with %s", m.Subject, f.Name, f.SHA256))
				}
			}
		}
		for _, word := range strings.Fields(m.Text) {
			if strings.HasPrefix(word, w.URL+"/") {
				if _, err := w.Reader.get(ctx, word); err != nil {
					errs = append(errs, fmt.Sprintf("the mail %q leads nowhere: %v", m.Subject, err))
				}
			}
		}
	}
	slices.Sort(subjects)
	if len(errs) > 0 {
		return strings.Join(subjects, "; "), errors.New(strings.Join(errs, "\n"))
	}
	return strings.Join(subjects, "; "), nil
}
