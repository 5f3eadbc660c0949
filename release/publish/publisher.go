package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/release"
	"assay/release/sign/commit"
)

// Publisher publishes to one target. It is a release.Publisher.
type Publisher struct {
	name   string
	config Config
	opt    Options
	store  store
	// work is this target's folder of the spool, out the part of it that has
	// files under the paths of the target.
	work, out string
	at        func(string)
}

var _ release.Publisher = (*Publisher)(nil)

// Options are what a publisher needs of others.
type Options struct {
	// Spool is a folder of this host that lasts: a repository is kept there, and
	// files on their way. On the file system of a directory target, nothing is
	// copied. Each target has a folder of its own in it.
	Spool string
	// Signers sign the summary of the ostree repository, and the commits of a
	// fallback. None leaves the summary unsigned.
	Signers []Signer
	// Documents makes the pages and metadata that change with a release; nil is
	// none but the pointer.
	Documents func(ctx context.Context, e release.Effect) (Documents, error)
	// Front makes pages at the root of the target, such as the list of streams.
	// They follow the pointer, each replaced by itself.
	Front func(ctx context.Context, e release.Effect) (Documents, error)
	// Transport is for tests; nil is the usual one.
	Transport http.RoundTripper
}

// Signer signs bytes that ostree keeps signatures of, and returns the signature
// together with old ones, in the form of summary.sig. A sign.Signer is one.
type Signer interface {
	SignOSTree(ctx context.Context, what string, message, old []byte) ([]byte, error)
}

// Documents are files by name; folders are allowed in names. Those of a stream
// stand in streams/STREAM and are switched together with the pointer.
type Documents map[string][]byte

// New makes the publisher of the target that the policy calls name.
func New(name string, c Config, o Options) (*Publisher, error) {
	fail := func(err error) (*Publisher, error) { return nil, fmt.Errorf("cannot use target %s: %w", name, err) }
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		return fail(errors.New("its name cannot be that of a folder"))
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	if !filepath.IsAbs(o.Spool) {
		return fail(fmt.Errorf("spool %q: want an absolute path", o.Spool))
	}
	p := &Publisher{name: name, config: c, opt: o, work: filepath.Join(o.Spool, name), at: func(string) {}}
	p.out = filepath.Join(p.work, "out")
	if err := errors.Join(os.MkdirAll(p.out, 0o755), os.MkdirAll(p.tmp(), 0o755)); err != nil {
		return fail(err)
	}
	var err error
	switch {
	case c.Directory != nil:
		p.store = &directory{root: c.Directory.Path, spool: p.out, at: func(s string) { p.at(s) }}
	case c.Rsync != nil:
		p.store, err = newRsync(*c.Rsync, p.out, p.work)
	default:
		var b *bucket
		if b, err = newBucket(*c.S3, p.out, p.work, o.Transport); err == nil {
			b.at = func(s string) { p.at(s) }
		}
		p.store = b
	}
	if err != nil {
		return fail(err)
	}
	return p, nil
}

func (p *Publisher) tmp() string { return filepath.Join(p.work, "tmp") }

// Do takes the step of e.Publish, or finds it taken. Readers have the old
// release or the new one whatever becomes of it.
func (p *Publisher) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	w := e.Publish
	if w == nil {
		return release.Receipt{}, fmt.Errorf("cannot publish %s: the effect has nothing to publish", e.Key)
	}
	receipt, err := p.do(ctx, e)
	if err != nil {
		what := strings.TrimSpace(string(e.Stream) + " " + string(w.Release.Build))
		if next := nextStep(err); next != "" {
			return receipt, fmt.Errorf("cannot publish %s to %s (%s): %w. What was out is out still; %s, and the step is tried again", what, p.name, w.Step, err, next)
		}
		return receipt, fmt.Errorf("cannot publish %s to %s (%s): %w", what, p.name, w.Step, err)
	}
	return receipt, nil
}

func (p *Publisher) do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return release.Receipt{}, err
	}
	defer unlock()
	j, err := p.newJob(e)
	if err != nil {
		return release.Receipt{}, err
	}
	steps := map[release.Step]func(context.Context) error{release.StepStage: j.stage, release.StepObjects: j.objects,
		release.StepRefs: j.refs, release.StepImages: j.images, release.StepPointer: j.pointer}
	take := steps[e.Publish.Step]
	if take == nil {
		return release.Receipt{}, fmt.Errorf("step %.40q is none of %v: %w", e.Publish.Step, release.PublishSteps, release.ErrPermanent)
	}
	if e.Publish.Step != release.StepStage && e.Publish.Step != release.StepObjects {
		if err := j.claim(ctx); err != nil {
			return release.Receipt{}, err
		}
	}
	if err := take(ctx); err != nil {
		return release.Receipt{}, err
	}
	r := release.Receipt{Ref: string(e.Publish.Step)}
	if p.config.URL != "" {
		r.URL = strings.TrimSuffix(p.config.URL, "/") + "/" + j.pointerPath()
	}
	return r, nil
}

// lock keeps other publishers from the spool and from the target.
func (p *Publisher) lock(ctx context.Context) (func(), error) {
	spool, err := flock(filepath.Join(p.work, "lock"))
	if err != nil {
		return nil, err
	}
	target, err := p.store.lock(ctx)
	if err != nil {
		spool()
		return nil, err
	}
	// What was left half written when we were killed.
	left, err := os.ReadDir(p.tmp())
	for _, l := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(p.tmp(), l.Name())))
	}
	return func() { target(); spool() }, err
}

// job is one Do.
type job struct {
	*Publisher
	effect release.Effect
	stream release.Stream
	build  release.BuildID // empty when nothing is out
	work   *release.PublishWork
	// checked are files of the spool whose digests were found to be right, by
	// their paths.
	checked map[string]entry
}

func (p *Publisher) newJob(e release.Effect) (*job, error) {
	j := &job{Publisher: p, effect: e, stream: e.Stream, build: e.Publish.Release.Build, work: e.Publish, checked: map[string]entry{}}
	if err := j.stream.Validate(); err != nil {
		return nil, err // it becomes a folder
	}
	if j.build == "" {
		if e.Publish.Step != release.StepPointer {
			return nil, fmt.Errorf("there is no release: %w", release.ErrPermanent)
		}
		return j, nil
	}
	if err := j.build.Validate(); err != nil {
		return nil, err
	}
	if e.Publish.Build == nil || e.Publish.Build.ID != j.build {
		return nil, fmt.Errorf("it is not the build of the release: %w", release.ErrPermanent)
	}
	return j, nil
}

// dir is the release's folder.
func (j *job) dir() string { return releasesDir + "/" + string(j.stream) + "/" + string(j.build) }

func (j *job) pointerPath() string { return streamsDir + "/" + string(j.stream) + "/" + pointerFile }

// cause is the place in the history of what made this the release. Later ones
// are never taken back by earlier ones that were slow.
func (j *job) cause() uint64 {
	c := j.work.Release.Seq
	if r := j.work.Revoked; r != nil && r.Revoked != nil {
		c = max(c, r.Revoked.Seq)
	}
	return c
}

// state is our own account of a stream at a target.
type state struct {
	Cause uint64          `json:"cause"`
	Build release.BuildID `json:"build"`
}

// claim marks the target before anything changes that readers see, and refuses
// when a later release was there before.
func (j *job) claim(ctx context.Context) error {
	file := stateDir + "/" + string(j.stream) + ".json"
	mine := state{j.cause(), j.build}
	b, err := j.store.read(ctx, file, 4096)
	if err == nil {
		var s state
		if err := json.Unmarshal(b, &s); err != nil {
			return fmt.Errorf("cannot read %s of the target, which says how far it is: %w", file, err)
		}
		if s == mine {
			return nil
		}
		if s.Cause > mine.Cause {
			return fmt.Errorf("the target has a later release (%s, event %d) than this one (event %d); if its history was begun anew, remove %s there: %w",
				s.Build, s.Cause, mine.Cause, file, release.ErrPermanent)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err = json.Marshal(mine)
	if err != nil {
		return err
	}
	it, err := j.spoolFile(file, b)
	if err != nil {
		return err
	}
	it.replace = true
	return j.store.put(ctx, false, []item{it})
}

// spoolFile writes a file into the spool.
func (p *Publisher) spoolFile(path string, b []byte) (item, error) {
	if err := checkPath(path); err != nil {
		return item{}, err
	}
	if err := writeFile(p.tmp(), p.local(path), b); err != nil {
		return item{}, err
	}
	return spooled(p.out, path)
}

func (p *Publisher) local(path string) string { return filepath.Join(p.out, filepath.FromSlash(path)) }

// spooled is the item of a file in the spool.
func spooled(spool, path string) (item, error) {
	d, n, err := digestOf(context.Background(), filepath.Join(spool, filepath.FromSlash(path)))
	return item{path: path, digest: d, size: n}, err
}

// pointerFile is what readers begin with.
const pointerFile = "release.json"

// Pointer is streams/STREAM/release.json: what is out. Everything that it names
// is there.
type Pointer struct {
	Stream release.Stream `json:"stream"`
	// Build is empty when nothing is out.
	Build release.BuildID `json:"build,omitempty"`
	// Decided is when it became the release.
	Decided time.Time `json:"decided,omitzero"`
	// Folder is relative to the root of the target.
	Folder  string          `json:"folder,omitempty"`
	Files   []PointerFile   `json:"files,omitempty"`
	Commits []PointerCommit `json:"commits,omitempty"`
	// Revoked is the release that was taken back since, and why.
	Revoked *PointerRevoked `json:"revoked,omitempty"`
}

// PointerFile is one file of a release.
type PointerFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// PointerCommit is an ostree commit of a release. Tested is the commit that was
// tested: another one where the release needed a commit of its own, with the
// same content.
type PointerCommit struct {
	Arch   string `json:"arch"`
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	Tested string `json:"tested"`
}

// PointerRevoked is a release that must not be used.
type PointerRevoked struct {
	Build  release.BuildID `json:"build"`
	Reason string          `json:"reason"`
}

// pointer switches the stream to this release, once everything it names is in
// its place.
func (j *job) pointer(ctx context.Context) error {
	ptr := Pointer{Stream: j.stream, Build: j.build}
	if r := j.work.Revoked; r != nil && r.Revoked != nil {
		ptr.Revoked = &PointerRevoked{r.Build, r.Revoked.Reason}
	}
	if j.build != "" {
		if err := j.release(ctx, &ptr); err != nil {
			return err
		}
	}
	docs := Documents{}
	if j.opt.Documents != nil {
		var err error
		if docs, err = j.opt.Documents(ctx, j.effect); err != nil {
			return fmt.Errorf("cannot make the pages: %w", err)
		}
	}
	b, err := json.MarshalIndent(ptr, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{pointerFile: append(b, '\n')}
	for name, content := range docs {
		if files[name] != nil {
			return fmt.Errorf("a page is called %s, as the pointer is", name)
		}
		files[name] = content
	}
	s, err := j.newSet("streams-"+string(j.stream), files, pointerFile)
	if err != nil {
		return err
	}
	s.public = []place{{"", streamsDir + "/" + string(j.stream)}}
	if err := j.store.swap(ctx, s); err != nil {
		return err
	}
	j.at("pointer switched")
	got, err := j.store.read(ctx, j.pointerPath(), maxDocument)
	if err != nil {
		return err
	}
	if string(got) != string(files[pointerFile]) {
		return fmt.Errorf("the pointer was switched, and %s is another still", j.pointerPath())
	}
	if err := j.front(ctx); err != nil {
		return err
	}
	return j.tidy()
}

// front replaces the pages at the root.
func (j *job) front(ctx context.Context) error {
	if j.opt.Front == nil {
		return nil
	}
	docs, err := j.opt.Front(ctx, j.effect)
	if err != nil {
		return fmt.Errorf("cannot make the front page: %w", err)
	}
	var items []item
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		if top, _, _ := strings.Cut(name, "/"); slices.Contains([]string{releasesDir, repoDir, streamsDir, ownDir}, top) {
			return fmt.Errorf("a page at the root is called %s, which has a meaning of its own", name)
		}
		it, err := j.spoolFile(name, docs[name])
		if err != nil {
			return err
		}
		it.replace = true
		items = append(items, it)
	}
	return j.store.put(ctx, false, items)
}

// maxDocument bounds one document, in bytes.
const maxDocument = 64 << 20

// release fills in what the pointer says of the release, and checks that it is
// there.
func (j *job) release(ctx context.Context, ptr *Pointer) error {
	items, err := j.manifest(ctx)
	if err != nil {
		return err
	}
	there, err := j.store.sizes(ctx, j.dir())
	if err != nil {
		return err
	}
	for _, it := range items {
		if size, ok := there[it.path]; !ok || size != it.size {
			return fmt.Errorf("%w: %s, which the pointer would name; the images are to be published first", errMissing, it.path)
		}
		ptr.Files = append(ptr.Files, PointerFile{strings.TrimPrefix(it.path, j.dir()+"/"), it.digest.Hex(), it.size})
	}
	ptr.Decided, ptr.Folder = j.work.Release.At, j.dir()
	commits, err := j.commits(ctx)
	if err != nil {
		return err
	}
	for _, c := range commits {
		ptr.Commits = append(ptr.Commits, PointerCommit{string(c.arch), c.ref, c.checksum, c.tested})
	}
	return nil
}

// newSet writes a set of documents into the spool.
func (j *job) newSet(name string, files map[string][]byte, last string) (set, error) {
	s := set{name: name}
	var all strings.Builder
	for f := range files {
		if err := checkPath(f); err != nil {
			return s, err
		}
		if len(files[f]) > maxDocument {
			return s, fmt.Errorf("document %s has %d bytes, more than %d", f, len(files[f]), maxDocument)
		}
		s.files = append(s.files, f)
	}
	slices.SortFunc(s.files, func(a, b string) int {
		if (a == last) != (b == last) {
			if a == last {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	for _, f := range s.files {
		fmt.Fprintf(&all, "%q %s\n", f, commit.Checksum(files[f]))
	}
	s.id = commit.Checksum([]byte(all.String()))[:32]
	for _, f := range s.files {
		if _, err := j.spoolFile(s.dir()+"/"+f, files[f]); err != nil {
			return s, err
		}
	}
	return s, nil
}

// tidy empties the spool of what is published; the repository stays.
func (j *job) tidy() error {
	err := os.RemoveAll(j.local(setsDir))
	if j.build != "" {
		err = errors.Join(err, os.RemoveAll(j.local(j.dir())))
	}
	return err
}
