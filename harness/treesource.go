package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"

	"assay/fixtures/treeimage"
	"assay/harness/guest"
	"assay/harness/host"
	"assay/harness/trees"
	"assay/suites/check"
)

// treeSource has the trees to upgrade to, made when the first guest needs them.
type treeSource struct {
	s    *session
	make func(context.Context) (*check.Trees, error)

	mu    sync.Mutex
	got   *check.Trees
	none  *noTreesError
	tries int
}

func newTreeSource(s *session) *treeSource {
	ts := &treeSource{s: s}
	ts.make = ts.readOrDerive
	return ts
}

// checkUpdates reads what was given to upgrade to before anything boots.
func checkUpdates(ctx context.Context, opt Options) error {
	if opt.UpdateImage != "" {
		if _, err := treeimage.Images(opt.UpdateImage, goArch("")); err != nil {
			return &SelectionError{fmt.Sprintf("cannot use --update-image: %v", err)}
		}
	}
	if opt.UpdateRepo == "" {
		return nil
	}
	if _, err := exec.LookPath("ostree"); err != nil {
		return &InfraError{errors.New("cannot read --update-repo: the program ostree is not installed (Debian: apt-get install ostree)")}
	}
	if _, err := trees.Read(ctx, opt.UpdateRepo, opt.UpdateRef, check.Tree{}); err != nil {
		return &SelectionError{fmt.Sprintf("cannot use --update-repo with --update-ref %s: %v", opt.UpdateRef, err)}
	}
	return nil
}

// noTreesError means that there is nothing to upgrade to, and why.
type noTreesError struct{ err error }

func (e *noTreesError) Error() string { return e.err.Error() }
func (e *noTreesError) Unwrap() error { return e.err }

// get returns the trees. A *noTreesError says why there are none; any other
// error is the infrastructure's, and the next call tries again, as often as
// anything is retried.
func (ts *treeSource) get(ctx context.Context) (*check.Trees, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	switch {
	case ts.got != nil:
		return ts.got, nil
	case ts.none != nil:
		return nil, ts.none
	case ts.tries > ts.s.opt.Retries:
		return nil, fmt.Errorf("cannot have a tree to upgrade to: it failed %d times", ts.tries)
	}
	ts.tries++
	got, err := ts.make(ctx)
	if err == nil {
		ts.s.mu.Lock()
		arch := ts.s.run.Image.Arch
		ts.s.mu.Unlock()
		err = ts.s.services.address(got, arch)
	}
	if err != nil {
		errors.As(err, &ts.none)
		return nil, err
	}
	ts.got = got
	return got, nil
}

func (ts *treeSource) readOrDerive(ctx context.Context) (*check.Trees, error) {
	s := ts.s
	s.mu.Lock()
	m, digest := s.run.Image, s.imageDigest
	s.mu.Unlock()
	booted := check.Tree{Ref: m.OSTreeRef, Commit: m.OSTreeCommit, Version: m.OSTreeVersion, Digest: digest}
	if booted.Commit == "" && booted.Digest != "" && s.opt.UpdateImage != "" {
		return &check.Trees{Booted: booted}, nil // bootc without ostree: images alone
	}
	if booted.Commit == "" {
		return nil, &noTreesError{errors.New("the image is no ostree host (for bootc's composefs backend give --update-image)")}
	}
	if s.opt.UpdateRepo != "" {
		t, err := trees.Read(ctx, s.opt.UpdateRepo, s.opt.UpdateRef, booted)
		if err != nil {
			return nil, &noTreesError{err}
		}
		if s.opt.UpdateImage == "" {
			t.NoImages = "an ostree repository was given to upgrade to; give --update-image, too"
		}
		return t, nil
	}
	return ts.derive(ctx, booted)
}

// derive makes an update from the image's own tree, in a guest of its own.
func (ts *treeSource) derive(ctx context.Context, booted check.Tree) (_ *check.Trees, err error) {
	s := ts.s
	i, g, err := ts.guest(ctx)
	if err != nil {
		return nil, err
	}
	end := s.span("boot", "derive", i.name, "deriving an update in "+i.name)
	defer func() {
		end(err == nil)
		g.Close()
		s.dismiss(i, nil)
	}()
	dir := s.treeRepo()
	if err := os.RemoveAll(dir); err != nil { // of a try that failed
		return nil, err
	}
	t, release, err := trees.Derive(ctx, g, dir, booted)
	var refused *trees.RefusedError
	switch {
	case errors.As(err, &refused) && s.opt.UpdateImage != "" && host.IsImage(booted.Ref):
		// It is upgraded to the images that were given, and to no commit.
		return &check.Trees{Booted: booted}, nil
	case errors.As(err, &refused):
		return nil, &noTreesError{err}
	}
	if err == nil && s.opt.UpdateImage == "" {
		err = ts.deriveImages(ctx, g, t, release)
	}
	return t, err
}

// deriveImages makes and serves container images of the derived trees for a host
// that follows an image. What keeps it from that is told to whoever wants one.
func (ts *treeSource) deriveImages(ctx context.Context, g guest.Guest, t *check.Trees, release string) error {
	s := ts.s
	dir := filepath.Join(s.runDir.Path, "images")
	if err := os.RemoveAll(dir); err != nil { // of a try that failed
		return err
	}
	image, err := trees.ReadImage(ctx, g, t.Booted.Commit)
	if err == nil {
		err = image.Derive(dir, release)
	}
	var none *trees.NoImageError
	if errors.As(err, &none) {
		t.NoImages = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	t.DerivedImages = true
	return s.services.images.serve(dir)
}

// guest is one to derive in: a fork, or a boot where there is none.
func (ts *treeSource) guest(ctx context.Context) (*instance, *guest.SSH, error) {
	s := ts.s
	if !s.opt.NoFork {
		if snap, err := s.states.get(ctx, check.Booted); err == nil {
			return s.enterFork(ctx, snap, s.guestName("derive"))
		}
	}
	i, g, err := s.bringUpOnce(ctx, s.guestName("derive"))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot boot a guest to derive an update in: %w", err)
	}
	return i, g, nil
}

// usesTrees reports a check that something is upgraded for.
func usesTrees(r check.Registered) bool { return r.NeedsTrees || r.State == check.Upgraded }

// lack says what the harness did not serve to the guest while the check ran, empty for nothing:
// what failed for want of it is not the image's fault.
func (s *session) lack(r check.Registered, guest string, e check.Event) string {
	if !usesTrees(r) {
		return ""
	}
	return s.services.lacks.since(guest, e.Started)
}

// prepare makes the trees when one of the checks asks for them. That there are
// none is no error. Whoever calls it holds no room on the host.
func (ts *treeSource) prepare(ctx context.Context, checks []check.Registered) error {
	if !slices.ContainsFunc(checks, usesTrees) {
		return nil
	}
	_, err := ts.get(ctx)
	var none *noTreesError
	if errors.As(err, &none) {
		return nil
	}
	return err
}

// offer tells a guest's checks which trees were prepared for them.
func (ts *treeSource) offer(i *instance, checks []check.Registered) {
	if !slices.ContainsFunc(checks, usesTrees) {
		return
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	i.env.Trees = ts.got
	if ts.none != nil {
		i.env.NoTrees = ts.none.Error()
	}
}
