package site

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/packages"
)

// Input is all that the site says. Render changes nothing in it.
type Input struct {
	// Title heads the front page.
	Title string
	// About is a sentence or two below it.
	About string
	// URL is where readers find the root of the site: absolute, https (http for
	// trials). Feeds, metadata and commands use it.
	URL string
	// State is the folded history.
	State *release.State
	// Now is the moment the pages speak of. The pages of recent builds name it:
	// render when the history moves and when a release date begins, not on every
	// tick of a clock.
	Now time.Time
	// Streams are shown in this order.
	Streams []Stream
	// Only, when set, makes the files of this stream and nothing else.
	Only release.Stream
}

// Stream is one stream of releases and what the history does not know of it.
type Stream struct {
	Policy *release.Policy
	// Files is where releases/STREAM/BUILD/ can be had, absolute; Input.URL when
	// empty.
	Files string
	// Published says which builds have their files there; nil is every release.
	// A release whose files are not there is shown as on its way, and the one
	// before is offered; an old one is shown as no longer kept.
	Published map[release.BuildID]bool
	// NoPages means that the stream has no pages on this site yet, so that the
	// front page leads nowhere.
	NoPages bool
	// Keys are public keys to verify with, the current one first.
	Keys []Key
	// CloudImages are the images that clouds have of releases.
	CloudImages []CloudImage
	// Changes are the package differences of what is out, if they are known.
	Changes *Changes
	// Commits are the ostree commits of builds as they were published, where they
	// are not those that were tested (see sign.Promotion).
	Commits map[release.BuildID][]release.Commit
	// Rollout is over how long machines are to take a new release; 0 is at once.
	Rollout time.Duration
	// Barriers are releases that every machine has to pass through.
	Barriers []Barrier
}

// Key is a public key.
type Key struct {
	// Name is the key's name in the policy.
	Name string
	// OpenPGP is the key, armored or binary.
	OpenPGP []byte
}

// CloudImage is a copy of an image in a cloud.
type CloudImage struct {
	Build release.BuildID `json:"build"`
	Arch  artifact.Arch   `json:"arch"`
	// Provider is "aws", "gcp", "azure", "aliyun" or any other word.
	Provider string `json:"provider"`
	// Region is empty where there is none.
	Region string `json:"region,omitempty"`
	// Image is the provider's name of it.
	Image string `json:"image"`
	// Project is GCP's.
	Project string `json:"project,omitempty"`
}

// Changes is how the packages of a release differ from those of the one before.
type Changes struct {
	Build, From release.BuildID
	Diff        packages.Diff
}

// Barrier is a release that every machine has to pass through, and why.
type Barrier struct {
	Build  release.BuildID
	Reason string
}

// Files are the files of the site by name, with slashes.
type Files map[string][]byte

// Bounds, so that ten years of releases and a hostile announcement stay pages
// that open.
const (
	maxBuildPages  = 400 // releases with a page of their own, newest first
	maxMatrix      = 30  // builds in the matrix; each has a page, too
	maxYearPart    = 100 // releases on one page of the archive
	maxDecisions   = 200 // entries of the history page
	maxFeed        = 50
	maxImages      = 100 // files of a release that a page lists
	maxList        = 60  // items of any other list
	maxCloud       = 200
	maxText        = 600 // bytes of a sentence
	maxName        = 200
	maxChanges     = 200 // packages of each kind of change
	maxRevoked     = 200 // in the update metadata
	maxCriteria    = 40
	maxExplanation = 30 << 10
)

// Render makes all files of the site. With Only set they are named relative to
// streams/STREAM/, for publishing with the stream's pointer.
func Render(in Input) (Files, error) {
	if err := in.check(); err != nil {
		return nil, fmt.Errorf("cannot make the site: %w", err)
	}
	in.URL = strings.TrimRight(in.URL, "/")
	out := Files{}
	for i := range in.Streams {
		name := in.Streams[i].Policy.Stream
		if in.Only != "" && in.Only != name {
			continue
		}
		v, err := newView(&in, &in.Streams[i])
		if err != nil {
			return nil, fmt.Errorf("cannot make the pages of %s: %w", name, err)
		}
		prefix := ""
		if in.Only == "" {
			prefix = "streams/" + string(name) + "/"
		}
		for _, k := range v.keys {
			out[prefix+"keys/"+k.File] = k.binary
		}
		if err := v.render(out, prefix); err != nil {
			return nil, fmt.Errorf("cannot make the pages of %s: %w", name, err)
		}
	}
	if in.Only == "" {
		return out, renderFront(out, &in)
	}
	return out, nil
}

// RenderFront makes the files of the site that are about no single stream: what
// Render makes beside streams/.
func RenderFront(in Input) (Files, error) {
	if err := in.check(); err != nil {
		return nil, fmt.Errorf("cannot make the front page: %w", err)
	}
	in.URL = strings.TrimRight(in.URL, "/")
	out := Files{}
	return out, renderFront(out, &in)
}

func (in *Input) check() error {
	if in.State == nil || len(in.Streams) == 0 {
		return errors.New("want a state and at least one stream")
	}
	if err := CheckURL(in.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	seen := map[release.Stream]bool{}
	for _, s := range in.Streams {
		if s.Policy == nil {
			return errors.New("a stream has no policy")
		}
		if err := s.Policy.Check(); err != nil {
			return err
		}
		if seen[s.Policy.Stream] {
			return fmt.Errorf("stream %s is listed twice", s.Policy.Stream)
		}
		seen[s.Policy.Stream] = true
		if s.Files != "" {
			if err := CheckURL(s.Files); err != nil {
				return fmt.Errorf("stream %s: files: %w", s.Policy.Stream, err)
			}
		}
	}
	if in.Only != "" && !seen[in.Only] {
		return fmt.Errorf("stream %s is not listed", in.Only)
	}
	return nil
}

// CheckURL refuses what is no address that readers find pages or files below. It
// does not show one that may have a password in it.
func CheckURL(s string) error {
	const want = "want https://HOST/PATH, without user, query and fragment"
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "@"):
		return errors.New(want)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%.100q: %s", s, want)
	}
	return nil
}

// view is one stream while its pages are made.
type view struct {
	in     *Input
	s      *Stream
	p      *release.Policy
	l      *release.Line
	status release.Status
	signed map[uint64][]release.SignedFile
	keys   []publicKey
	// releases are those decided, newest first.
	releases []*release.Release
	// current is what readers are given; nil when there is nothing.
	current *release.Release
	// recent are the builds of the matrix, newest first; pages are all that have
	// a page.
	recent []*release.Build
	pages  map[release.BuildID]bool
}

func newView(in *Input, s *Stream) (*view, error) {
	v := &view{in: in, s: s, p: s.Policy, l: in.State.Line(s.Policy.Stream)}
	v.status = release.StatusOf(v.p, in.State, in.Now)
	v.signed = v.l.SignedFiles()
	v.releases = slices.Clone(v.l.Releases)
	slices.Reverse(v.releases)
	v.current = v.offered()
	v.pages = map[release.BuildID]bool{}
	for b := range v.l.Builds() {
		if len(v.recent) == maxMatrix {
			break
		}
		v.recent = append(v.recent, b)
		v.pages[b.ID] = true
	}
	for _, r := range v.releases[:min(len(v.releases), maxBuildPages)] {
		v.pages[r.Build] = true
	}
	var err error
	v.keys, err = publicKeys(s.Keys)
	return v, err
}

// offered is what is out or, while that cannot be had, what was before it. What
// is known to be bad is not gone back to.
func (v *view) offered() *release.Release {
	for i, t := range slices.Backward(v.l.Turns()) {
		r := t.Release
		if r == nil {
			return nil // nothing was out
		}
		b := v.l.Build(r.Build)
		bad := b != nil && (b.MarkedBad || b.Contradiction != "") && v.l.LastRevoked() != nil && i < len(v.l.Turns())-1
		if r.Revoked == nil && !bad && v.has(r.Build) {
			return r
		}
	}
	return nil
}

// has reports whether the files of a build are published.
func (v *view) has(b release.BuildID) bool { return v.s.Published == nil || v.s.Published[b] }

// onItsWay is the release that is decided and has no files yet; nil if none.
func (v *view) onItsWay() *release.Release {
	if out := v.l.Out(); out != nil && out != v.current && !v.has(out.Build) {
		return out
	}
	return nil
}

// pageOf is the page of a build, relative to the stream's folder; empty when it
// is too old to have one.
func (v *view) pageOf(b release.BuildID) string {
	if !v.pages[b] {
		return ""
	}
	return "builds/" + string(b) + ".html"
}

func (v *view) home() string { return v.in.URL + "/streams/" + string(v.p.Stream) }

// folder is where the files of a build are, absolute.
func (v *view) folder(b release.BuildID) string {
	return strings.TrimRight(cmp.Or(v.s.Files, v.in.URL), "/") + "/releases/" + string(v.p.Stream) + "/" + string(b)
}

// href is how a page in depth folders below streams/STREAM links to a file of a
// build: relative where site and files have one root, so that mirrors work.
func (v *view) href(depth int, b release.BuildID, name string) string {
	if v.s.Files != "" && strings.TrimRight(v.s.Files, "/") != v.in.URL {
		return v.folder(b) + "/" + url.PathEscape(name)
	}
	return strings.Repeat("../", depth+2) + path.Join("releases", string(v.p.Stream), string(b)) + "/" + url.PathEscape(name)
}

func (v *view) render(out Files, prefix string) error {
	for _, step := range []func(Files, string) error{v.renderHome, v.renderArchive, v.renderTests, v.renderHistory, v.renderBuilds, v.renderMetadata, v.renderFeed} {
		if err := step(out, prefix); err != nil {
			return err
		}
	}
	return nil
}
