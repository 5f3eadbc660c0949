package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/release"
)

// Builds lists the builds of a stream that the target has files of.
func (p *Publisher) Builds(ctx context.Context, stream release.Stream) ([]release.BuildID, error) {
	if err := stream.Validate(); err != nil {
		return nil, err
	}
	root := releasesDir + "/" + string(stream)
	files, err := p.store.sizes(ctx, root)
	if err != nil {
		return nil, err
	}
	var out []release.BuildID
	for f := range files {
		b, _, _ := strings.Cut(strings.TrimPrefix(f, root+"/"), "/")
		if id, err := release.ParseBuildID(b); err == nil && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, release.BuildID.Compare)
	return out, nil
}

// retire removes the images of builds, and then what of the ostree repository
// nothing refers to any more: the only step that removes what was published. It
// looks at the target itself once more, and does all of the list or, when it
// has to refuse one build, nothing.
func (j *job) retire(ctx context.Context) error {
	if err := j.mayRetire(ctx); err != nil {
		return err
	}
	for _, b := range j.work.Retire {
		j.at("retire " + string(b))
		if err := j.store.remove(ctx, releasesDir+"/"+string(j.stream)+"/"+string(b)); err != nil {
			return fmt.Errorf("cannot remove %s: %w", b, err)
		}
	}
	return j.collect(ctx)
}

// mayRetire refuses what readers are given or are about to be.
func (j *job) mayRetire(ctx context.Context) error {
	for _, b := range j.work.Retire {
		if err := b.Validate(); err != nil {
			return err // it becomes a folder
		}
	}
	raw, err := j.store.read(ctx, j.pointerPath(), maxDocument)
	var ptr Pointer
	if err == nil {
		err = json.Unmarshal(raw, &ptr)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot see what is out: %w", err)
	}
	claimed, err := j.claimed(ctx)
	if err != nil {
		return err
	}
	for _, b := range j.work.Retire {
		if b == ptr.Build || b == claimed.Build {
			return fmt.Errorf("cannot remove %s: it is out, or on its way out: %w", b, release.ErrPermanent)
		}
	}
	return nil
}

// collect removes what no ref and no commit that is kept needs. The spool's
// repository is pruned first, and the target is made like it: so it has to have
// all of what stays.
func (j *job) collect(ctx context.Context) error {
	there, err := j.store.sizes(ctx, repoDir+"/objects")
	if err != nil || len(there) == 0 {
		return err
	}
	heads, err := j.heads(ctx)
	if err != nil {
		return err
	}
	var keep []string
	for _, c := range j.work.Keep {
		if _, ok := there[objectPath(c, "commit")]; ok {
			keep = append(keep, c)
		}
	}
	for _, sum := range heads {
		keep = append(keep, sum)
	}
	slices.Sort(keep)
	keep = slices.Compact(keep)
	if len(keep) == 0 {
		return fmt.Errorf("the target has an ostree repository, and nothing in it would be kept: that cannot be meant: %w", release.ErrPermanent)
	}
	if err := j.initRepo(ctx); err != nil {
		return err
	}
	for _, c := range keep {
		if err := j.complete(ctx, c); err != nil {
			return fmt.Errorf("cannot tell what of the ostree repository is not needed: %w", err)
		}
	}
	if err := j.prune(ctx, keep); err != nil {
		return err
	}
	j.at("pruned")
	// The summary lists static deltas: those that go are taken from it first.
	if err := j.switchRefs(ctx, heads); err != nil {
		return err
	}
	return j.removeSurplus(ctx)
}

// complete has all of a commit in the spool's repository, from the target where
// it was lost.
func (j *job) complete(ctx context.Context, sum string) error {
	whole := func() bool {
		// It reads each directory and the head of each file.
		_, err := j.ostree(ctx, []string{"ls"}, "--recursive", sum)
		return err == nil
	}
	if j.isWhole(sum) && whole() {
		return nil
	}
	if err := j.markPartial(sum); err != nil { // else ostree does not look
		return err
	}
	var err error
	switch {
	case j.config.Directory != nil:
		_, err = j.ostree(ctx, []string{"pull-local"}, "--untrusted", filepath.Join(j.config.Directory.Path, repoDir), sum)
	case j.config.URL != "":
		url := strings.TrimSuffix(j.config.URL, "/") + "/" + repoDir
		if _, err = j.ostree(ctx, []string{"remote", "add"}, "--force", "--no-gpg-verify", "target", url); err == nil {
			_, err = j.ostree(ctx, []string{"pull"}, "target", sum)
		}
	default:
		err = errors.New("the spool has lost a part of it, and the target has no url to get it from")
	}
	if err == nil && (!j.isWhole(sum) || !whole()) {
		err = errors.New("a part of it is not there")
	}
	if err != nil {
		return fmt.Errorf("ostree commit %s: %w", sum, err)
	}
	return nil
}

// prune takes from the spool's repository what the commits to keep do not need.
func (j *job) prune(ctx context.Context, keep []string) error {
	refs := j.local(repoDir + "/refs")
	if err := os.RemoveAll(refs); err != nil {
		return err
	}
	for _, dir := range []string{"heads", "remotes", "mirrors"} {
		if err := os.MkdirAll(filepath.Join(refs, dir), 0o755); err != nil {
			return err
		}
	}
	for _, c := range keep {
		if err := writeFile(j.tmp(), filepath.Join(refs, "heads", "keep", c), []byte(c+"\n")); err != nil {
			return err
		}
	}
	if _, err := j.ostree(ctx, []string{"prune"}, "--refs-only", "--depth=0"); err != nil {
		return fmt.Errorf("cannot prune the spool's repository: %w", err)
	}
	// Deltas between commits of which one is gone help nobody.
	deltas, err := j.ostree(ctx, []string{"static-delta", "list"})
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(deltas)) {
		name := strings.TrimSpace(line)
		from, to, ok := strings.Cut(name, "-")
		if !ok {
			from, to = "", name
		}
		if len(to) != 64 || slices.Contains(keep, to) && (from == "" || slices.Contains(keep, from)) {
			continue
		}
		if _, err := j.ostree(ctx, []string{"static-delta", "delete"}, name); err != nil {
			return err
		}
	}
	return nil
}

// removeSurplus removes objects and deltas of the target that the spool has not:
// first what refers to others.
func (j *job) removeSurplus(ctx context.Context) error {
	mine, err := j.repoItems()
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, it := range mine {
		kept[it.path] = true
	}
	ranks := []func(string) bool{
		func(p string) bool { return strings.HasPrefix(p, repoDir+"/deltas/") },
		func(p string) bool { return strings.HasSuffix(p, ".commit") || strings.HasSuffix(p, ".commitmeta") },
		func(p string) bool { return strings.HasSuffix(p, ".dirtree") || strings.HasSuffix(p, ".dirmeta") },
		func(string) bool { return true },
	}
	surplus := make([][]string, len(ranks))
	for _, dir := range []string{repoDir + "/deltas", repoDir + "/objects"} {
		there, err := j.store.sizes(ctx, dir)
		if err != nil {
			return err
		}
		for p := range there {
			if kept[p] || checkPath(p) != nil || kept[strings.TrimSuffix(p, "meta")] && strings.HasSuffix(p, ".commitmeta") {
				continue // the signatures of a commit stay with it
			}
			i := slices.IndexFunc(ranks, func(is func(string) bool) bool { return is(p) })
			surplus[i] = append(surplus[i], p)
		}
	}
	for _, files := range surplus {
		if len(files) == 0 {
			continue
		}
		slices.Sort(files)
		j.at("remove " + files[0])
		if err := j.store.removeFiles(ctx, files); err != nil {
			return fmt.Errorf("cannot remove %d files of the ostree repository: %w", len(files), err)
		}
	}
	return nil
}
