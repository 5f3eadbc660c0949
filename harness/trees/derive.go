package trees

import (
	"archive/tar"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
)

//go:embed derive.sh
var deriveScript string

// Limits of what a guest hands out.
const (
	deriveLimit = 2 * time.Minute // on a KVM host
	tarLimit    = 64 << 20
	maxObjects  = 100_000
)

// Derive makes an older and a newer version of the booted tree in the guest's
// own repository, and one with another kernel, as far as ostree can tell; it
// brings what is new to dir, which becomes a repository that can be served, and
// tells the kernel's release. The guest is changed: it is best thrown away.
func Derive(ctx context.Context, g guest.Guest, dir string, booted check.Tree) (_ *check.Trees, release string, err error) {
	boot, err := host.ReadPrepareRoot(ctx, g)
	if err != nil {
		return nil, "", err
	}
	if boot.Signed {
		return nil, "", &RefusedError{"its boot wants signed commits (composefs=signed): give --update-repo"}
	}
	version := booted.Version
	if version == "" {
		version = "0"
	}
	t := &check.Trees{Ref: branch(booted.Ref), Booted: booted, Derived: true,
		Newer: check.Tree{Version: version + ".assay.2"}, Older: []check.Tree{{Version: version + ".assay.1"}}}
	t.Newer.Ref, t.Older[0].Ref = t.Ref, t.Ref
	kernel := check.Tree{Version: version + kernelVersion, Ref: "assay/kernel"}
	r, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", deriveScript, "derive", booted.Commit, t.Older[0].Version, t.Newer.Version, t.Ref,
		kernel.Version, kernel.Ref, check.DerivedKernel}, Limit: deriveLimit})
	if err != nil {
		return nil, "", err
	}
	f := strings.Fields(r.Stdout)
	if !r.OK() || len(f) != 5 || !isCommit(f[0]) || !isCommit(f[1]) || !isCommit(f[2]) && f[2] != "-" || !kernelRelease.MatchString(f[3]) {
		return nil, "", &RefusedError{r.Said()}
	}
	t.Older[0].Commit, t.Newer.Commit = f[0], f[1]
	if err := fetch(ctx, g, f[4], dir); err != nil {
		return nil, "", fmt.Errorf("cannot bring the derived update out of the guest: %w", err)
	}
	if f[2] != "-" {
		kernel.Commit = f[2]
		t.Kernel = kernel
		if err := writeRepo(dir, kernel.Ref, kernel.Commit); err != nil {
			return nil, "", err
		}
		release = f[3]
	}
	return t, release, writeRepo(dir, t.Ref, t.Newer.Commit)
}

// kernelVersion ends the version of the tree with another kernel.
const kernelVersion = ".assay.3"

// kernelRelease is uname's, or the script's word for none.
var kernelRelease = regexp.MustCompile(`^[A-Za-z0-9_+~-][A-Za-z0-9._+~-]*$`)

// RefusedError means that the guest's ostree made no tree, or would not boot it:
// another guest of the image will not do better.
type RefusedError struct{ said string }

func (e *RefusedError) Error() string {
	return "cannot derive an update from the image's own tree: " + e.said
}

// branch is the part of a refspec that a server knows, fit for a file name.
func branch(refspec string) string {
	if _, b, ok := strings.Cut(refspec, ":"); ok {
		refspec = b
	}
	if !safeRef.MatchString(refspec) || strings.Contains(refspec, "..") {
		return "assay/update"
	}
	return refspec
}

var (
	safeRef = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`)
	commit  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	object  = regexp.MustCompile(`^objects/[0-9a-f]{2}/[0-9a-f]{62}\.(commit|dirtree|dirmeta|filez)$`)
)

func isCommit(s string) bool { return commit.MatchString(s) }

// fetch copies the objects of a repository in the guest to dir. What comes
// from the guest is data: only objects, by their names, and not too much.
func fetch(ctx context.Context, g guest.Guest, from, dir string) error {
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := unpack(ctx, io.LimitReader(pr, tarLimit), dir)
		pr.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // so that a writer never waits
		done <- err
	}()
	r, err := g.Run(ctx, guest.Command{Args: []string{"tar", "-C", from, "-cf", "-", "objects"}, Stdout: pw, MaxOutput: 1, Limit: deriveLimit})
	_ = pw.Close()
	if uerr := <-done; err == nil && uerr != nil {
		err = uerr
	}
	if err == nil && !r.OK() {
		err = errors.New(r.Said())
	}
	return err
}

// unpack writes at most tarLimit bytes and maxObjects files: an archive may
// claim far more than it holds, as holes.
func unpack(ctx context.Context, r io.Reader, dir string) error {
	tr := tar.NewReader(r)
	var written int64
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == nil && (ctx.Err() != nil || n > maxObjects) {
			return errors.Join(ctx.Err(), fmt.Errorf("the guest's repository has more than %d entries, or took too long", maxObjects))
		}
		if errors.Is(err, io.EOF) {
			_, _ = io.Copy(io.Discard, r) // tar's padding
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(h.Name, "./")
		switch {
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg || !object.MatchString(name):
			return fmt.Errorf("the guest's repository has an entry %.200q, which is no object", h.Name)
		case h.Size > tarLimit-written:
			return fmt.Errorf("the guest's repository claims more than %d bytes", tarLimit)
		}
		written += h.Size
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, tr)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
}

// writeRepo makes dir, which holds objects, a repository whose ref names a
// commit it has.
func writeRepo(dir, ref, tip string) error {
	if _, err := os.Stat(filepath.Join(dir, "objects", tip[:2], tip[2:]+".commit")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot serve commit %s: the guest did not hand it out", tip)
		}
		return err
	}
	for path, text := range map[string]string{
		"config":            "[core]\nrepo_version=1\nmode=archive-z2\n",
		"refs/heads/" + ref: tip + "\n",
	} {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
