package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/sign"
	"assay/release/sign/commit"
	"assay/release/sign/source"
)

// published is a commit as it is released.
type published struct {
	arch          artifact.Arch
	ref, checksum string
	tested        string
	repo, version string
	raw, detached []byte
}

// commits are those of the release, each the tested one itself or the promoted
// one that the signers signed, with all their signatures.
func (j *job) commits(ctx context.Context) (out []published, err error) {
	promoted := map[string][]byte{} // by the commit that was tested
	detached := map[string]*commit.Detached{}
	for _, f := range j.work.Signed {
		if !isCommitFile(f.Name) {
			continue
		}
		b, err := j.signed(ctx, f)
		if err != nil {
			return nil, err
		}
		if sum, ok := strings.CutSuffix(f.Name, ".commitmeta"); ok {
			d, err := commit.ParseDetached(b)
			if err != nil {
				return nil, fmt.Errorf("cannot read %s: %w", f.Name, err)
			}
			if detached[sum] == nil {
				detached[sum] = &commit.Detached{}
			}
			detached[sum].Merge(d)
			continue
		}
		c, err := commit.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", f.Name, err)
		}
		of := c.Get(commit.KeyPromotionOf).String()
		if promoted[of] != nil && string(promoted[of]) != string(b) {
			return nil, fmt.Errorf("two commits promote %s; let all signers of a stream share one spool: %w", of, release.ErrPermanent)
		}
		promoted[of] = b
	}
	for _, c := range j.work.Release.Commits {
		tested, err := j.object(ctx, c)
		if err != nil {
			return nil, err
		}
		p := published{arch: c.Arch, ref: c.Ref, checksum: c.Checksum, tested: c.Checksum, repo: c.Repo, version: c.Version, raw: tested}
		if b := promoted[c.Checksum]; b != nil {
			if err := sign.CheckPromotion(c.Checksum, tested, b); err != nil {
				return nil, err
			}
			parsed, err := commit.Parse(b)
			if err != nil {
				return nil, err
			}
			p.ref, p.checksum, p.raw = parsed.Get(commit.KeyBinding).Strings()[0], commit.Checksum(b), b
		}
		if d := detached[p.checksum]; d != nil {
			p.detached = d.Bytes()
		}
		if err := j.renew(ctx, &p); err != nil {
			return nil, err
		}
		if err := checkPath(p.ref); err != nil || strings.Contains(p.ref, "..") {
			return nil, fmt.Errorf("ref %.100q cannot be published", p.ref)
		}
		out = append(out, p)
	}
	return out, nil
}

// renew gives the content of a release a new commit, when the one that is out
// is later than its own, as after a revocation or when a person releases an
// older build: a host takes no commit that is older than what it has. The new
// commit is a second later than the one that is out, so that every build after
// that is later still.
func (j *job) renew(ctx context.Context, p *published) error {
	if len(j.opt.Signers) == 0 || j.config.SameCommitOnFallback {
		return nil
	}
	now, err := j.head(ctx, p.ref)
	if err != nil || now == "" || now == p.checksum {
		return err
	}
	raw, err := j.store.read(ctx, objectPath(now, "commit"), commit.MaxSize)
	if err != nil {
		return fmt.Errorf("cannot read ostree commit %s, which is out: %w", now, err)
	}
	out, err := commit.Parse(raw)
	if err != nil {
		return err
	}
	old, err := commit.Parse(p.raw)
	if err != nil {
		return err
	}
	switch {
	case out.Get(commit.KeyPromotionOf).String() == p.tested && out.Parent == p.checksum:
		// It is out already. Whoever put another content there is found out.
		if out.Content() != old.Content() || commit.Checksum(raw) != now {
			return fmt.Errorf("ostree commit %s, which is out, has another content than %s, which was tested: %w", now, p.tested, errChanged)
		}
		p.raw = raw
	case !out.Time.After(old.Time):
		return nil
	default:
		why := fmt.Sprintf("hosts that have %s take no older commit", now)
		if r := j.work.Revoked; r != nil {
			why = fmt.Sprintf("%s was revoked, and hosts that have it take no older commit", r.Build)
		}
		c := old.Promote(commit.Origin{Of: p.tested, Build: string(j.stream) + "/" + string(j.build), Ref: p.ref, Parent: p.checksum, Why: why})
		c.Time = out.Time.Add(time.Second)
		p.raw = c.Bytes()
	}
	p.checksum = commit.Checksum(p.raw)
	p.detached, err = j.renewedSignature(ctx, p)
	return err
}

// renewedSignature signs a renewed commit once: the spool keeps the signature,
// and so does the target.
func (j *job) renewedSignature(ctx context.Context, p *published) ([]byte, error) {
	keep := filepath.Join(j.Publisher.work, "commits", p.checksum)
	b, err := os.ReadFile(keep) //nolint:gosec // our spool
	if err != nil {
		b, err = j.store.read(ctx, objectPath(p.checksum, "commitmeta"), commit.MaxSize)
	}
	if err != nil || j.config.Trust.VerifyOSTree(ctx, "ostree commit", p.raw, b) != nil {
		if b, err = j.sign(ctx, "ostree commit "+p.checksum, p.raw); err != nil {
			return nil, err
		}
	}
	return b, writeFile(j.tmp(), keep, b)
}

// signed reads what a signer made of a commit. The spool keeps it for the time
// when the signer's is gone, and the target has it once it was out.
func (j *job) signed(ctx context.Context, f release.File) ([]byte, error) {
	keep := filepath.Join(j.Publisher.work, "commits", f.Digest.Hex())
	sum, kind, _ := strings.Cut(f.Name, ".")
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%.100q cannot be the name of a signed commit: %w", f.Name, release.ErrPermanent)
	}
	var errs []error
	for _, read := range []func() ([]byte, error){
		func() ([]byte, error) { return os.ReadFile(keep) }, //nolint:gosec // our spool
		func() ([]byte, error) { return source.Read(ctx, f.Location, commit.MaxSize) },
		func() ([]byte, error) { return j.store.read(ctx, objectPath(sum, kind), commit.MaxSize) },
	} {
		b, err := read()
		if err == nil && "sha256:"+commit.Checksum(b) == string(f.Digest) {
			return b, writeFile(j.tmp(), keep, b)
		}
		if err == nil {
			err = fmt.Errorf("%w: want %s", errDigest, f.Digest)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("cannot read %s: %w", f.Name, errors.Join(errs...))
}

// object is the commit object that was tested, from our spool, its build
// or the target.
func (j *job) object(ctx context.Context, c release.Commit) ([]byte, error) {
	var errs []error
	for _, repo := range []string{j.local(repoDir), c.Repo, ""} {
		var b []byte
		var err error
		if repo != "" {
			b, err = source.Object(ctx, repo, c.Checksum, "commit", commit.MaxSize)
		} else { // a build that is gone was out before
			repo = "the target"
			b, err = j.store.read(ctx, objectPath(c.Checksum, "commit"), commit.MaxSize)
		}
		if err == nil && commit.Checksum(b) == c.Checksum {
			return b, nil
		}
		if err == nil {
			err = fmt.Errorf("%w: %s has other bytes for it", errDigest, repo)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("cannot read ostree commit %s: %w", c.Checksum, errors.Join(errs...))
}
