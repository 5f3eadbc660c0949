package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/release/sign/commit"
	"assay/release/sign/program"
)

// objects brings the commits, what they consist of, and static deltas to the
// target. No ref names them yet.
func (j *job) objects(ctx context.Context) error {
	commits, err := j.commits(ctx)
	if err != nil {
		return err
	}
	if err := j.initRepo(ctx); err != nil {
		return err
	}
	for _, c := range commits {
		if err := j.pull(ctx, c); err != nil {
			return fmt.Errorf("cannot get ostree commit %s: %w", c.tested, err)
		}
		j.at("pulled")
		if err := j.delta(ctx, c); err != nil {
			return err
		}
	}
	items, err := j.repoItems()
	if err != nil {
		return err
	}
	if err := j.store.put(ctx, false, items); err != nil {
		return err
	}
	j.at("objects put")
	return nil
}

// ostree runs ostree on the spool's repository.
func (j *job) ostree(ctx context.Context, command []string, args ...string) ([]byte, error) {
	return program.Run(ctx, program.Command{Args: slices.Concat([]string{"ostree"}, command, []string{"--repo=" + j.local(repoDir)}, args),
		Env: []string{"TMPDIR=" + j.tmp()}})
}

func (j *job) initRepo(ctx context.Context) error {
	_, err := j.ostree(ctx, []string{"init"}, "--mode=archive")
	return err
}

// pull brings a commit into the spool's repository; every object's checksum is
// checked on the way.
func (j *job) pull(ctx context.Context, c published) error {
	var err error
	if filepath.IsAbs(c.repo) {
		_, err = j.ostree(ctx, []string{"pull-local"}, "--untrusted", c.repo, c.tested)
	} else {
		remote := "build-" + commit.Checksum([]byte(c.repo))[:16]
		if _, err = j.ostree(ctx, []string{"remote", "add"}, "--if-not-exists", "--no-gpg-verify", remote, c.repo); err == nil {
			_, err = j.ostree(ctx, []string{"pull"}, remote, c.tested)
		}
	}
	if err != nil && !j.isWhole(c.tested) {
		if out, err2 := j.isOut(ctx); err2 != nil || !out {
			return err
		}
		// The build is gone, and all of the commit is out.
		if err := j.markPartial(c.tested); err != nil {
			return err
		}
		if err := j.markPartial(c.checksum); err != nil {
			return err
		}
	}
	if err == nil {
		_ = os.Remove(j.partialFile(c.checksum)) // a promoted commit has what the tested one has
	}
	return errors.Join(writeFile(j.tmp(), j.objectFile(c.checksum, "commit"), c.raw), j.writeDetached(c))
}

// isOut reports whether the release's folder is public, which comes after its
// objects.
func (j *job) isOut(ctx context.Context) (bool, error) {
	there, err := j.store.sizes(ctx, j.dir())
	_, ok := there[j.dir()+"/"+manifestFile]
	return ok, err
}

func (j *job) writeDetached(c published) error {
	if len(c.detached) == 0 {
		return nil
	}
	return writeFile(j.tmp(), j.objectFile(c.checksum, "commitmeta"), c.detached)
}

// objectPath is where a metadata object is at the target.
func objectPath(checksum, kind string) string {
	return repoDir + "/objects/" + checksum[:2] + "/" + checksum[2:] + "." + kind
}

// objectFile is the same in the spool's repository.
func (j *job) objectFile(checksum, kind string) string { return j.local(objectPath(checksum, kind)) }

// partialFile is ostree's mark of a commit of which a repository has not all.
func (j *job) partialFile(checksum string) string {
	return j.local(repoDir + "/state/" + checksum + ".commitpartial")
}

func (j *job) markPartial(checksum string) error {
	return writeFile(j.tmp(), j.partialFile(checksum), nil)
}

// isWhole reports whether the spool's repository has all of a commit.
func (j *job) isWhole(checksum string) bool {
	_, err := os.Stat(j.objectFile(checksum, "commit"))
	_, partial := os.Stat(j.partialFile(checksum))
	return err == nil && partial != nil
}

// delta makes the static delta from what is out.
func (j *job) delta(ctx context.Context, c published) error {
	if !j.config.StaticDeltas {
		return nil
	}
	now, err := j.head(ctx, c.ref)
	if err != nil || now == "" || now == c.checksum {
		return err
	}
	if !j.isWhole(now) || !j.isWhole(c.checksum) {
		return nil // the spool is new and has not what is out: readers pull objects
	}
	_, err = j.ostree(ctx, []string{"static-delta", "generate"}, "--if-not-exists", "--from="+now, "--to="+c.checksum)
	if err != nil {
		return fmt.Errorf("cannot make a static delta from %s to %s: %w", now, c.checksum, err)
	}
	return nil
}

// head is the commit of a ref at the target, empty when there is none.
func (j *job) head(ctx context.Context, ref string) (string, error) {
	b, err := j.store.read(ctx, repoDir+"/refs/heads/"+ref, 1024)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	sum := strings.TrimSpace(string(b))
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return "", fmt.Errorf("ref %s of the target is at %.80q, which is no commit", ref, sum)
	}
	return sum, nil
}

// repoItems lists what is published of the spool's repository for ever: content
// first, then commits, then deltas.
func (j *job) repoItems() (items []item, err error) {
	rank := func(it item) int {
		switch filepath.Ext(it.path) {
		case ".commit", ".commitmeta":
			return 1
		}
		if strings.Contains(it.path, "/deltas/") {
			return 2
		}
		return 0
	}
	for _, dir := range []string{"config", "objects", "deltas"} {
		root := j.local(repoDir + "/" + dir)
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && p == root {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(j.out, p)
			it := item{path: filepath.ToSlash(rel), size: info.Size()}
			if dir == "config" {
				return err // it names where builds are; readers get one of their own
			}
			it.replace = dir == "deltas" || strings.HasSuffix(p, ".commitmeta")
			items = append(items, it)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return rank(a) - rank(b) })
	config, err := j.readersConfig()
	return append([]item{config}, items...), err
}

// readersConfig is the configuration of the published repository.
func (j *job) readersConfig() (item, error) {
	const text = "[core]\nrepo_version=1\nmode=archive-z2\n"
	b, err := os.ReadFile(j.local(repoDir + "/config"))
	if err == nil && string(b) != text {
		err = writeFile(j.tmp(), j.local(repoDir+"/config"), []byte(text))
	}
	return item{path: repoDir + "/config", size: int64(len(text)), replace: true}, err
}

// refs moves the refs of the release, the summary and its signature, in one
// switch where the target can.
func (j *job) refs(ctx context.Context) error {
	commits, err := j.commits(ctx)
	if err != nil {
		return err
	}
	if err := j.initRepo(ctx); err != nil {
		return err
	}
	heads, err := j.heads(ctx)
	if err != nil {
		return err
	}
	for _, c := range commits {
		there, err := j.store.read(ctx, objectPath(c.checksum, "commit"), commit.MaxSize)
		if err != nil || commit.Checksum(there) != c.checksum {
			return fmt.Errorf("ostree commit %s is not at the target; its objects are to be published first: %w", c.checksum, errors.Join(err, errMissing))
		}
		heads[c.ref] = c.checksum
	}
	if err := j.switchRefs(ctx, heads); err != nil {
		return err
	}
	for _, c := range commits {
		if now, err := j.head(ctx, c.ref); err != nil || now != c.checksum {
			return fmt.Errorf("ref %s was switched to %s, and is at %q: %w", c.ref, c.checksum, now, errors.Join(err))
		}
	}
	return nil
}

// switchRefs makes these the refs of the target, with their summary.
func (j *job) switchRefs(ctx context.Context, heads map[string]string) error {
	files, err := j.summary(ctx, heads)
	if err != nil {
		return fmt.Errorf("cannot make the summary of the repository: %w", err)
	}
	for ref, sum := range heads {
		files["refs/heads/"+ref] = []byte(sum + "\n")
	}
	// ostree's own commands want the folder for refs of remotes, which is empty.
	files["refs/remotes/.keep"] = nil
	s, err := j.newSet("refs", files, "summary")
	if err != nil {
		return err
	}
	s.public = []place{{"refs", repoDir + "/refs"}, {"summary.sig", repoDir + "/summary.sig"}, {"summary", repoDir + "/summary"}}
	if files["summary.sig"] == nil {
		s.public = slices.Delete(s.public, 1, 2)
	}
	if err := j.swap(ctx, s); err != nil {
		return err
	}
	j.at("refs switched")
	return nil
}

// heads are the refs of the target, also those of other streams.
func (j *job) heads(ctx context.Context) (map[string]string, error) {
	there, err := j.store.sizes(ctx, repoDir+"/refs/heads")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for p := range there {
		ref := strings.TrimPrefix(p, repoDir+"/refs/heads/")
		if out[ref], err = j.head(ctx, ref); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// summary makes the summary of these refs in the spool's repository, and signs
// it.
func (j *job) summary(ctx context.Context, heads map[string]string) (map[string][]byte, error) {
	local := j.local(repoDir + "/refs/heads")
	if err := os.RemoveAll(local); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(local, 0o755); err != nil {
		return nil, err
	}
	for ref, sum := range heads {
		if err := checkPath(ref); err != nil {
			return nil, err
		}
		// A new spool lacks the commits of other streams; the summary needs no
		// more of them than the objects themselves.
		if _, err := os.Stat(j.objectFile(sum, "commit")); errors.Is(err, fs.ErrNotExist) {
			b, err := j.store.read(ctx, objectPath(sum, "commit"), commit.MaxSize)
			if err != nil || commit.Checksum(b) != sum {
				return nil, fmt.Errorf("ref %s of the target is at commit %s, which is not there: %w", ref, sum, errors.Join(err, errMissing))
			}
			if err := errors.Join(j.markPartial(sum), writeFile(j.tmp(), j.objectFile(sum, "commit"), b)); err != nil {
				return nil, err
			}
		}
		if err := writeFile(j.tmp(), filepath.Join(local, filepath.FromSlash(ref)), []byte(sum+"\n")); err != nil {
			return nil, err
		}
	}
	if _, err := j.ostree(ctx, []string{"summary"}, "--update"); err != nil {
		return nil, err
	}
	summary, err := os.ReadFile(j.local(repoDir + "/summary"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"summary": summary}
	sig, err := j.sign(ctx, "ostree summary", summary)
	if sig != nil {
		files["summary.sig"] = sig
	}
	return files, err
}

// sign has all signers sign something of ostree's; without any it returns nil.
func (j *job) sign(ctx context.Context, what string, message []byte) (sig []byte, err error) {
	for _, s := range j.opt.Signers {
		if sig, err = s.SignOSTree(ctx, what, message, sig); err != nil {
			return nil, err
		}
	}
	if sig == nil {
		return nil, nil
	}
	return sig, j.config.Trust.VerifyOSTree(ctx, what, message, sig)
}
