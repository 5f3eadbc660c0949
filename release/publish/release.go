package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"assay/artifact"
	"assay/release"
	"assay/release/sign"
	"assay/release/sign/source"
)

// manifestFile lists the files of a release, beside them.
const manifestFile = "files.json"

// entry is a line of the manifest.
type entry struct {
	Name   string          `json:"name"`
	Digest artifact.Digest `json:"digest"`
	Size   int64           `json:"size"`
}

// input is a file of a release and where it comes from.
type input struct {
	entry
	location string
}

// wanted lists what the decision released: images with the digests that were
// tested, and what the signers made of them.
func (j *job) wanted() (out []input, images []release.Artifact, err error) {
	for _, t := range j.work.Release.Artifacts {
		a := j.work.Build.Artifact(t.Artifact)
		if a == nil || a.Digest != t.Digest {
			return nil, nil, fmt.Errorf("image %s is not in the build with the digest that was tested, %s: %w", t.Artifact, t.Digest, release.ErrPermanent)
		}
		images = append(images, a.Artifact)
		out = append(out, input{entry{a.Name, a.Digest, a.Size}, a.Location})
	}
	for _, f := range j.work.Signed {
		if isCommitFile(f.Name) {
			continue
		}
		out = append(out, input{entry{f.Name, f.Digest, -1}, f.Location})
	}
	slices.SortFunc(out, func(a, b input) int { return strings.Compare(a.Name, b.Name) })
	for i, f := range out {
		if err := checkPath(f.Name); err != nil || strings.Contains(f.Name, "/") || f.Name == manifestFile || f.Name == "docs" {
			return nil, nil, fmt.Errorf("%.100q cannot be the name of a published file: %w", f.Name, errors.Join(err, release.ErrPermanent))
		}
		if i > 0 && out[i-1].Name == f.Name {
			return nil, nil, fmt.Errorf("two files are called %s: %w", f.Name, release.ErrPermanent)
		}
	}
	return out, images, nil
}

func isCommitFile(name string) bool {
	return strings.HasSuffix(name, ".commit") || strings.HasSuffix(name, ".commitmeta")
}

// manifest is the items of the release, as the first staging wrote them down,
// its own file included. They are checked against the decision each time.
func (j *job) manifest(ctx context.Context) ([]item, error) {
	wanted, _, err := j.wanted()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(j.local(j.dir() + "/" + manifestFile))
	for _, p := range []string{j.dir(), stagingDir + "/" + j.dir()} {
		if errors.Is(err, fs.ErrNotExist) {
			b, err = j.store.read(ctx, p+"/"+manifestFile, maxDocument)
		}
	}
	if err != nil {
		return nil, err
	}
	items, err := j.readManifest(b, wanted)
	if err != nil {
		return nil, err
	}
	self, err := j.spoolFile(j.dir()+"/"+manifestFile, b)
	return append(items, self), err
}

func (j *job) readManifest(b []byte, wanted []input) (items []item, err error) {
	var entries []entry
	if err := json.Unmarshal(b, &entries); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", manifestFile, err)
	}
	for _, e := range entries {
		it := item{path: j.dir() + "/" + e.Name, digest: e.Digest, size: e.Size}
		i := slices.IndexFunc(wanted, func(w input) bool { return w.Name == e.Name })
		switch {
		case checkPath(it.path) != nil || e.Size < 0 || e.Digest == "":
			return nil, fmt.Errorf("cannot read %s: it lists %.100q", manifestFile, e.Name)
		case i < 0 && !strings.HasPrefix(e.Name, "docs/"):
			return nil, fmt.Errorf("%s is in %s of the release and not in the decision: %w", e.Name, manifestFile, errChanged)
		case i >= 0 && wanted[i].Digest != e.Digest:
			return nil, fmt.Errorf("%s is %s in the decision and %s in %s: %w", e.Name, wanted[i].Digest, e.Digest, manifestFile, errChanged)
		}
		if i >= 0 {
			wanted = slices.Delete(slices.Clone(wanted), i, i+1)
		}
		items = append(items, it)
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("%s is in the decision and not in %s of the release: %w", wanted[0].Name, manifestFile, errChanged)
	}
	return items, nil
}

// stage brings every file of the release into the spool, verifies digests and
// signatures, and copies them to where no reader looks.
func (j *job) stage(ctx context.Context) error {
	items, err := j.manifest(ctx)
	if err == nil {
		// A release that is public already, as after a revocation, needs nothing.
		if done, err := j.isPublic(ctx, items); done || err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	wanted, images, err := j.wanted()
	if err != nil {
		return err
	}
	var entries []entry
	for _, w := range wanted {
		size, err := j.obtain(ctx, w)
		if err != nil {
			return err
		}
		entries = append(entries, entry{w.Name, w.Digest, size})
		j.at("obtained " + w.Name)
	}
	if err := j.trusted(ctx, images); err != nil {
		return err
	}
	if items == nil {
		docs, err := j.documentation(ctx)
		if err != nil {
			return err
		}
		b, err := json.MarshalIndent(append(entries, docs...), "", "  ")
		if err != nil {
			return err
		}
		if _, err := j.spoolFile(j.dir()+"/"+manifestFile, append(b, '\n')); err != nil {
			return err
		}
		if items, err = j.manifest(ctx); err != nil {
			return err
		}
	}
	j.at("listed")
	if err := j.spoolWhole(ctx, items); err != nil {
		return err
	}
	if err := j.store.put(ctx, true, items); err != nil {
		return err
	}
	j.at("staged")
	return j.store.verify(ctx, true, items)
}

// isPublic reports whether the release stands in its public place, byte for
// byte. What stands there otherwise is an error.
func (j *job) isPublic(ctx context.Context, items []item) (bool, error) {
	there, err := j.store.sizes(ctx, j.dir())
	if err != nil || len(there) == 0 {
		return false, err
	}
	for _, it := range items {
		if _, ok := there[it.path]; !ok {
			return false, nil
		}
	}
	if err := j.spoolWhole(ctx, items); err != nil {
		return false, err
	}
	if err := j.store.verify(ctx, false, items); err != nil {
		return false, fmt.Errorf("%w: %w", errChanged, err)
	}
	return true, nil
}

// spoolWhole brings back what the spool lacks of a release that the target has,
// public or staged documentation included.
func (j *job) spoolWhole(ctx context.Context, items []item) error {
	wanted, _, err := j.wanted()
	if err != nil {
		return err
	}
	for _, it := range items {
		name := strings.TrimPrefix(it.path, j.dir()+"/")
		i := slices.IndexFunc(wanted, func(w input) bool { return w.Name == name })
		w := input{entry: entry{name, it.digest, it.size}}
		if i >= 0 {
			w.location = wanted[i].location
		}
		if _, err := j.obtain(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// obtain brings a file into the spool: from where the build has it or, should it
// be gone there, from where it was published. Its digest is checked.
func (j *job) obtain(ctx context.Context, w input) (size int64, err error) {
	p := j.dir() + "/" + w.Name
	to := j.local(p)
	good := func() bool {
		if n, ok := j.checked[p]; ok && n.Digest == w.Digest {
			size = n.Size
			return true // the spool is ours, and locked
		}
		d, n, err := digestOf(ctx, to)
		size = n
		if err != nil || d != w.Digest || w.Size >= 0 && n != w.Size {
			return false
		}
		j.checked[p] = entry{w.Name, d, n}
		return true
	}
	if good() {
		return size, nil
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("cannot get %s: %w", w.Name, context.Cause(ctx))
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return 0, err
	}
	err = fs.ErrNotExist
	if w.location != "" {
		if err = j.fetch(ctx, w, to); err == nil && !good() {
			err = fmt.Errorf("%w: %s has another digest than %s", errDigest, w.location, w.Digest)
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx) // and not what it made of the file
	}
	if err != nil && ctx.Err() == nil {
		if j.store.download(ctx, item{path: p, digest: w.Digest, size: max(w.Size, maxDocument)}) == nil && good() {
			err = nil
		}
	}
	if err != nil {
		_ = os.Remove(to)
		return 0, fmt.Errorf("cannot get %s: %w", w.Name, err)
	}
	return size, nil
}

// fetch copies a file of the build into the spool, sharing its blocks where it
// can.
func (j *job) fetch(ctx context.Context, w input, to string) error {
	tmp := filepath.Join(j.tmp(), "fetch")
	_ = os.Remove(tmp)
	if filepath.IsAbs(w.location) {
		err := reflink(w.location, tmp)
		if err != nil && j.config.LinkSources && isForAll(w.location) {
			err = os.Link(w.location, tmp)
		}
		if err == nil {
			return os.Rename(tmp, to)
		}
	}
	r, err := source.Open(ctx, w.location)
	if err != nil {
		return err
	}
	defer r.Close()
	limit := w.Size
	if limit < 0 {
		limit = maxDocument
	}
	if err := copyFile(ctx, tmp, io.LimitReader(r, limit+1)); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}

// isForAll reports whether a link to the file could be served: it is no symbolic
// link, and others may read it.
func isForAll(file string) bool {
	info, err := os.Lstat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}

// documentation copies the documentation as it is now; its digests are fixed
// from here on.
func (j *job) documentation(ctx context.Context) (out []entry, err error) {
	if j.config.Documentation == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(j.config.Documentation)
	if err != nil {
		return nil, fmt.Errorf("cannot read the documentation: %w", err)
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(path.Base(p), ".") {
			return err
		}
		f, err := root.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(bound{ctx, f}, maxDocument+1))
		if err != nil {
			return err
		}
		if len(b) > maxDocument {
			return fmt.Errorf("%s has more than %d bytes", p, maxDocument)
		}
		it, err := j.spoolFile(j.dir()+"/docs/"+p, b)
		out = append(out, entry{"docs/" + p, it.digest, it.size})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the documentation: %w", err)
	}
	return out, nil
}

// trusted verifies all signatures, with other programs than made them.
func (j *job) trusted(ctx context.Context, images []release.Artifact) error {
	s := sign.Set{Artifacts: images, Dir: j.local(j.dir()), Whole: true,
		Open: func(name string) (io.ReadCloser, error) { return os.Open(j.local(j.dir() + "/" + path.Base(name))) }}
	for _, f := range j.work.Signed {
		if !isCommitFile(f.Name) {
			s.Signed = append(s.Signed, f.Name)
		}
	}
	commits, err := j.commits(ctx)
	if err != nil {
		return err
	}
	for _, c := range commits {
		s.Commits = append(s.Commits, sign.SignedCommit{Checksum: c.checksum, Raw: c.raw, Detach: c.detached})
	}
	return j.config.Trust.Verify(ctx, s)
}

// images brings what is staged to its public place.
func (j *job) images(ctx context.Context) error {
	items, err := j.manifest(ctx)
	if err != nil {
		return err
	}
	if done, err := j.isPublic(ctx, items); done || err != nil {
		return err
	}
	if err := j.store.verify(ctx, true, items); errors.Is(err, errMissing) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDigest) {
		// Half of it was moved, or the staging place was emptied: stage again.
		if err := j.stage(ctx); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if err := j.store.move(ctx, j.dir(), items); err != nil {
		return err
	}
	j.at("images moved")
	return j.store.verify(ctx, false, items)
}
