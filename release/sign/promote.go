package sign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"assay/release"
	"assay/release/sign/commit"
	"assay/release/sign/source"
)

// Promotion says under which ref a release's commits are found. Where it is the
// ref that the tested commit is bound to, that commit itself is released.
// Otherwise clients would refuse it, and a new commit with the same content is
// made, which names the one that was tested.
type Promotion struct {
	// Ref is the release's ref; {stream}, {arch}, {version} and {ref} (the
	// build's own) are filled in. Empty is {ref}.
	Ref string `yaml:"ref"`
	// Repo has what was released so far, a path or a URL: the commit that its
	// ref is at becomes the parent of a new one. Empty is no parent.
	Repo string `yaml:"repo"`
}

func (p Promotion) ref(stream release.Stream, c release.Commit) string {
	if p.Ref == "" {
		return c.Ref
	}
	return strings.NewReplacer("{stream}", string(stream), "{arch}", string(c.Arch), "{version}", c.Version, "{ref}", c.Ref).Replace(p.Ref)
}

// released is the commit to sign for one that was tested: itself, or a promoted
// one.
func (s *Signer) released(ctx context.Context, stream release.Stream, build release.BuildID, c release.Commit) (SignedCommit, error) {
	tested, err := source.Object(ctx, c.Repo, c.Checksum, "commit", commit.MaxSize)
	if err != nil {
		return SignedCommit{}, fmt.Errorf("cannot read ostree commit %s: %w", c.Checksum, err)
	}
	if got := commit.Checksum(tested); got != c.Checksum {
		return SignedCommit{}, fmt.Errorf("cannot sign ostree commit %s: %s has other bytes for it: %w", c.Checksum, c.Repo, release.ErrPermanent)
	}
	ref := s.promotion.ref(stream, c)
	if ref == c.Ref {
		return s.withOld(ctx, c, SignedCommit{Checksum: c.Checksum, Raw: tested})
	}
	// Two signers have to sign the same commit, and one that was killed the same
	// as before: the first that is written counts.
	file := filepath.Join(s.spool, string(stream), string(build), "commits", c.Checksum)
	raw, err := os.ReadFile(file) //nolint:gosec // our spool
	if errors.Is(err, fs.ErrNotExist) {
		if raw, err = s.promote(ctx, stream, build, c, tested, ref); err == nil {
			raw, err = s.writeOnce(file, raw)
		}
	}
	if err != nil {
		return SignedCommit{}, fmt.Errorf("cannot promote ostree commit %s: %w", c.Checksum, err)
	}
	return SignedCommit{Checksum: commit.Checksum(raw), Raw: raw}, CheckPromotion(c.Checksum, tested, raw)
}

// withOld keeps the signatures a commit has already, as those of a build system.
func (s *Signer) withOld(ctx context.Context, c release.Commit, out SignedCommit) (SignedCommit, error) {
	var err error
	out.Detach, err = source.Object(ctx, c.Repo, c.Checksum, "commitmeta", commit.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return out, err
}

func (s *Signer) promote(ctx context.Context, stream release.Stream, build release.BuildID, c release.Commit, tested []byte, ref string) ([]byte, error) {
	t, err := commit.Parse(tested)
	if err != nil {
		return nil, err
	}
	o := commit.Origin{Of: c.Checksum, Build: string(stream) + "/" + string(build), Ref: ref,
		Why: fmt.Sprintf("the tested commit is bound to %s, and is released as %s", c.Ref, ref)}
	if s.promotion.Repo != "" {
		parent, raw, err := head(ctx, s.promotion.Repo, ref)
		if err != nil {
			return nil, fmt.Errorf("cannot see what is at %s of %s: %w", ref, s.promotion.Repo, err)
		}
		if raw != nil {
			if p, err := commit.Parse(raw); err == nil && p.Get(commit.KeyPromotionOf).String() == c.Checksum && p.Get(commit.KeyBuild).String() == o.Build {
				return raw, nil // it is out already
			}
		}
		o.Parent = parent
	}
	return t.Promote(o).Bytes(), nil
}

// head is the commit a ref is at; empty when there is no such ref.
func head(ctx context.Context, repo, ref string) (checksum string, raw []byte, err error) {
	if strings.Contains(ref, "..") {
		return "", nil, fmt.Errorf("ref %.80q has .. in it", ref)
	}
	b, err := source.Read(ctx, strings.TrimSuffix(repo, "/")+"/refs/heads/"+ref, 1024)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	checksum = strings.TrimSpace(string(b))
	if len(checksum) != 64 {
		return "", nil, fmt.Errorf("%.80q is no commit", checksum)
	}
	raw, err = source.Object(ctx, repo, checksum, "commit", commit.MaxSize)
	return checksum, raw, err
}

// CheckPromotion checks that a promoted commit names the tested one as its
// origin and has the same content to the byte.
func CheckPromotion(testedChecksum string, tested, promoted []byte) error {
	t, err := commit.Parse(tested)
	if err != nil {
		return err
	}
	p, err := commit.Parse(promoted)
	if err != nil {
		return err
	}
	switch {
	case commit.Checksum(tested) != testedChecksum:
		return fmt.Errorf("ostree commit %s has other bytes", testedChecksum)
	case p.Get(commit.KeyPromotionOf).String() != testedChecksum:
		return fmt.Errorf("promoted commit %s is of %.80q, not of %s", commit.Checksum(promoted), p.Get(commit.KeyPromotionOf).String(), testedChecksum)
	case p.Content() != t.Content():
		return fmt.Errorf("promoted commit %s has another content than %s, which was tested: %w", commit.Checksum(promoted), testedChecksum, release.ErrPermanent)
	case len(p.Get(commit.KeyBinding).Strings()) != 1:
		return fmt.Errorf("promoted commit %s is not bound to one ref", commit.Checksum(promoted))
	}
	return nil
}
