package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/sign/commit"
)

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
	Arch    string `json:"arch"`
	Ref     string `json:"ref"`
	Commit  string `json:"commit"`
	Tested  string `json:"tested"`
	Version string `json:"version,omitempty"`
}

// Given are the commits as readers get them.
func (p Pointer) Given() (out []release.Commit) {
	for _, c := range p.Commits {
		out = append(out, release.Commit{Arch: artifact.Arch(c.Arch), Ref: c.Ref, Checksum: c.Commit, Version: c.Version})
	}
	return out
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
	b, err := json.MarshalIndent(ptr, "", "  ")
	if err != nil {
		return err
	}
	if err := j.switchTo(ctx, ptr, append(b, '\n')); err != nil {
		return err
	}
	j.given = ptr.Given()
	return j.tidy()
}

// switchTo makes the pages for readers who are given what the pointer says, and
// gives them both at once.
func (j *job) switchTo(ctx context.Context, ptr Pointer, raw []byte) error {
	docs := Documents{}
	if j.opt.Documents != nil {
		var err error
		if docs, err = j.opt.Documents(ctx, j.effect, ptr); err != nil {
			return err
		}
	}
	files := map[string][]byte{pointerFile: raw}
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
	if err := j.swap(ctx, s); err != nil {
		return err
	}
	j.at("pointer switched")
	got, err := j.store.read(ctx, j.pointerPath(), maxDocument)
	if err != nil {
		return err
	}
	if string(got) != string(raw) {
		return fmt.Errorf("the pointer was switched, and %s is another still", j.pointerPath())
	}
	return j.front(ctx, ptr)
}

// pages makes the pages anew beside the pointer that is there, which stays as
// it is.
func (j *job) pages(ctx context.Context) error {
	if j.opt.Documents == nil && j.opt.Front == nil {
		return nil
	}
	raw, err := j.store.read(ctx, j.pointerPath(), maxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the target had a pointer, and %s is gone: %w", j.pointerPath(), err)
	}
	if err != nil {
		return err
	}
	var ptr Pointer
	if err := json.Unmarshal(raw, &ptr); err != nil || ptr.Stream != j.stream {
		return fmt.Errorf("cannot read %s of the target: it is no pointer of %s: %w", j.pointerPath(), j.stream, errors.Join(err))
	}
	if err := j.switchTo(ctx, ptr, raw); err != nil {
		return err
	}
	// What of a release is on its way stays in the spool.
	return os.RemoveAll(j.local(setsDir))
}

// front replaces the pages at the root.
func (j *job) front(ctx context.Context, ptr Pointer) error {
	if j.opt.Front == nil {
		return nil
	}
	docs, err := j.opt.Front(ctx, j.effect, ptr)
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
		ptr.Commits = append(ptr.Commits, PointerCommit{string(c.arch), c.ref, c.checksum, c.tested, c.version})
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
	return s, j.spoolSet(s, files)
}

// spoolWriters is how many documents are written at a time: each waits for the
// disk, and what waits together is there together.
const spoolWriters = 16

// spoolSet writes the documents of a set into the spool.
func (j *job) spoolSet(s set, files map[string][]byte) error {
	var wg sync.WaitGroup
	errs, turn := make([]error, len(s.files)), make(chan struct{}, spoolWriters)
	for i, f := range s.files {
		turn <- struct{}{}
		wg.Go(func() {
			_, errs[i] = j.spoolFile(s.dir()+"/"+f, files[f])
			<-turn
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// tidy empties the spool of what is published; the repository stays.
func (j *job) tidy() error {
	err := os.RemoveAll(j.local(setsDir))
	if j.build != "" {
		err = errors.Join(err, os.RemoveAll(j.local(j.dir())))
	}
	return err
}
