package trees

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"assay/suites/check"
)

// historyLimit bounds how far back a repository is read.
const historyLimit = 50

// Read finds out which versions the ostree repository in dir has on ref. It
// needs the program ostree.
func Read(ctx context.Context, dir, ref string, booted check.Tree) (*check.Trees, error) {
	if !safeRef.MatchString(ref) {
		return nil, fmt.Errorf("cannot read ref %q of %s: it is no ostree ref", ref, dir)
	}
	if st, err := os.Stat(filepath.Join(dir, "objects")); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("%s is no ostree repository: it has no folder objects; `ostree init --repo` makes one", dir)
	}
	tip, err := ostree(ctx, dir, "rev-parse", ref)
	if err != nil {
		return nil, whichRefs(ctx, dir, ref, err)
	}
	t := &check.Trees{Ref: ref, Booted: booted}
	past := false // the booted tree, on the way back
	for c := tip; c != "" && len(t.Older) < historyLimit; {
		v, err := ostree(ctx, dir, "show", "--print-metadata-key=version", c)
		if err != nil {
			v = "" // not every commit has one
		}
		tree := check.Tree{Ref: ref, Commit: c, Version: strings.Trim(v, "'")}
		switch {
		case c == booted.Commit && c == tip:
			return nil, fmt.Errorf("cannot upgrade to ref %s of %s: its newest tree is %s, which the image has", ref, dir, c)
		case c == tip:
			t.Newer = tree
			// Signatures are detached metadata, a file beside the commit.
			_, err := os.Stat(filepath.Join(dir, "objects", c[:2], c[2:]+".commitmeta"))
			t.Signed = err == nil
		case c == booted.Commit:
			past = true
		case past:
			t.Older = append(t.Older, tree)
		}
		// A history that was pruned ends without its root.
		if c, err = ostree(ctx, dir, "rev-parse", c+"^"); err != nil {
			break
		}
		if _, err := ostree(ctx, dir, "show", c); err != nil {
			break
		}
	}
	return t, nil
}

// whichRefs says which refs a repository has whose ref cannot be read.
func whichRefs(ctx context.Context, dir, ref string, cause error) error {
	out, err := ostree(ctx, dir, "refs")
	if err != nil {
		return err
	}
	refs := strings.Fields(out)
	switch {
	case len(refs) == 0:
		return fmt.Errorf("the ostree repository %s has no refs at all", dir)
	case slices.Contains(refs, ref):
		return cause
	}
	more := ""
	if n := len(refs) - refsShown; n > 0 {
		refs, more = refs[:refsShown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("the ostree repository %s has no ref %s, but %s%s", dir, ref, strings.Join(refs, ", "), more)
}

// refsShown bounds how many refs an error lists.
const refsShown = 10

// ostree runs a command on the repository in dir and returns its output.
func ostree(ctx context.Context, dir, verb string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "ostree", append([]string{verb, "--repo=" + dir}, args...)...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the ostree repository %s (ostree %s): %w", dir, verb, err)
	}
	return strings.TrimSpace(string(out)), nil
}
