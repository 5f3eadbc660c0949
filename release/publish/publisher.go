package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/release"
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
	// Documents makes the pages and metadata of a stream, for readers who are
	// given what the pointer says; nil is none but the pointer.
	Documents func(ctx context.Context, e release.Effect, p Pointer) (Documents, error)
	// Front makes pages at the root of the target, such as the list of streams.
	// They follow the pointer, each replaced by itself.
	Front func(ctx context.Context, e release.Effect, p Pointer) (Documents, error)
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
	p.config.Trust.Temp = p.tmp()
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
	if err := p.sweepIfFree(); err != nil {
		return fail(err)
	}
	return p, nil
}

// sweepIfFree removes what a killed publisher left, unless another is at work.
func (p *Publisher) sweepIfFree() error {
	unlock, err := flock(p.lockFile())
	if errors.Is(err, errBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	return p.sweep()
}

func (p *Publisher) lockFile() string { return filepath.Join(p.work, "lock") }

// sweep empties the folder for moments; the caller has the lock.
func (p *Publisher) sweep() error {
	left, err := os.ReadDir(p.tmp())
	for _, l := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(p.tmp(), l.Name())))
	}
	return err
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
		release.StepRefs: j.refs, release.StepImages: j.images, release.StepPointer: j.pointer, release.StepPages: j.pages,
		release.StepRetire: j.retire}
	take := steps[e.Publish.Step]
	if take == nil {
		return release.Receipt{}, fmt.Errorf("step %.40q is none of %v: %w", e.Publish.Step, release.PublishSteps, release.ErrPermanent)
	}
	if slices.Contains([]release.Step{release.StepRefs, release.StepImages, release.StepPointer}, e.Publish.Step) {
		if err := j.claim(ctx); err != nil {
			return release.Receipt{}, err
		}
	}
	if err := take(ctx); err != nil {
		return release.Receipt{}, err
	}
	r := release.Receipt{Ref: string(e.Publish.Step), Commits: j.given}
	if p.config.URL != "" {
		r.URL = strings.TrimSuffix(p.config.URL, "/") + "/" + j.pointerPath()
	}
	return r, nil
}

// lock keeps other publishers from the spool and from the target.
func (p *Publisher) lock(ctx context.Context) (func(), error) {
	spool, err := flock(p.lockFile())
	if err != nil {
		return nil, err
	}
	target, err := p.store.lock(ctx)
	if err != nil {
		spool()
		return nil, err
	}
	if err := p.sweep(); err != nil {
		target()
		spool()
		return nil, err
	}
	return func() { target(); spool() }, nil
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
	// given are the ostree commits that the pointer names, once it is switched.
	given []release.Commit
}

func (p *Publisher) newJob(e release.Effect) (*job, error) {
	j := &job{Publisher: p, effect: e, stream: e.Stream, build: e.Publish.Release.Build, work: e.Publish, checked: map[string]entry{}}
	if err := j.stream.Validate(); err != nil {
		return nil, err // it becomes a folder
	}
	if j.build == "" {
		if !slices.Contains([]release.Step{release.StepPointer, release.StepPages, release.StepRetire}, e.Publish.Step) {
			return nil, fmt.Errorf("there is no release: %w", release.ErrPermanent)
		}
		return j, nil
	}
	if err := j.build.Validate(); err != nil {
		return nil, err
	}
	if e.Publish.Step == release.StepPages || e.Publish.Step == release.StepRetire {
		return j, nil // it is about what is there
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

// stateFile is our own account of the stream, at the target.
func (j *job) stateFile() string { return stateDir + "/" + string(j.stream) + ".json" }

// claimed is the last claim of the stream at the target; none is zero.
func (j *job) claimed(ctx context.Context) (s state, err error) {
	b, err := j.store.read(ctx, j.stateFile(), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		if err := json.Unmarshal(b, &s); err != nil {
			return s, fmt.Errorf("cannot read %s of the target, which says how far it is: %w", j.stateFile(), err)
		}
	}
	return s, err
}

// claim marks the target before anything changes that readers see, and refuses
// when a later release was there before.
func (j *job) claim(ctx context.Context) error {
	mine := state{j.cause(), j.build}
	s, err := j.claimed(ctx)
	if err != nil || s == mine {
		return err
	}
	if s.Cause > mine.Cause {
		return fmt.Errorf("the target has a later release (%s, event %d) than this one (event %d); if its history was begun anew, remove %s there: %w",
			s.Build, s.Cause, mine.Cause, j.stateFile(), release.ErrPermanent)
	}
	b, err := json.Marshal(mine)
	if err != nil {
		return err
	}
	it, err := j.spoolFile(j.stateFile(), b)
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
