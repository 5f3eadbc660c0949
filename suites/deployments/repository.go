package deployments

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// PartialScript prints which of the commits $@ the repository marks as
// incomplete: fsck passes over those without a look.
const PartialScript = `for c in "$@"; do [ -e "/sysroot/ostree/repo/state/$c.commitpartial" ] && echo "$c"; done
exit 0`

// ImportedScript tells whether the repository's objects were made of a container
// image's layers, for each of which the importer keeps a branch.
const ImportedScript = `[ -d /sysroot/ostree/repo/refs/heads/ostree/container/blob ] && echo imported
exit 0`

// Sound wants every object of the host's ostree repository to be what its checksum
// says, and what is deployed to have all of its objects. It reads the whole
// repository, and fsck marks commits whose objects it misses.
func Sound(ctx context.Context, t *check.T) error {
	h, err := By(ctx, t, host.OSTree)
	if err != nil {
		return err
	}
	s, _, err := h.Booted(ctx)
	if err != nil {
		return Judge(err)
	}
	var deployed []string
	for _, d := range s.Deployments {
		deployed = append(deployed, d.Checksum)
	}
	out, err := probe.Output(ctx, t, "sh", PartialScript, deployed...)
	if err != nil {
		return err
	}
	if partial := probe.Lines(out); len(partial) > 0 {
		return check.FailWith(out, "ostree's repository calls the deployed commit %s incomplete: objects of it are, or once were, missing", partial[0])
	}
	err = host.Fsck(ctx, t)
	var refused *host.RefusedError
	if !errors.As(err, &refused) {
		return err
	}
	said := refused.Result.Stdout + refused.Result.Stderr
	what, others := damage(said, deployed)
	if bad := badFile.FindString(what); bad != "" {
		out, err := probe.Output(ctx, t, "sh", ImportedScript)
		if err != nil {
			return err
		}
		if strings.TrimSpace(out) != "" {
			if err := unlikeItsPackage(ctx, t, bad, s.Deployments); err != nil {
				return err
			}
			// bootc-dev/bootc#1216: hard links of a layer may come with another label
			// than their object's, and then fsck stops there on a host that works.
			return check.Skipf("the repository was imported from a container image, in which bootc may give sound objects another label (bootc-dev/bootc#1216): %s", bad)
		}
	}
	switch {
	case what != "":
		return check.FailWith(Said(refused), "ostree fsck finds the repository damaged: %s", what)
	case refused.Result.Signal != "" || refused.Result.Exit > 128:
		return check.Infraf("ostree fsck was killed before its end: %w", refused)
	}
	end := lastError(said)
	if refused.Result.Exit == 1 && (end == missedSome && len(others) > 0 || missedBefore.MatchString(end)) {
		t.Log("ostree fsck misses objects of commits that are not deployed (a layer, a package, an old tree), which an image may leave out: %s", probe.Some(append(others, end)))
		return nil
	}
	if end == "" {
		end = fmt.Sprintf("it ends with status %d and tells neither of an error nor that it found none", refused.Result.Exit)
	}
	return check.FailWith(Said(refused), "ostree fsck does not find the repository sound: %s", end)
}

// The words of ot-builtin-fsck.c. missedSome is its last error when objects are
// missing, or with --all damaged, missedBefore when an earlier fsck marked commits
// for that.
const missedSome = "Repository corruption encountered"

var (
	missedBefore  = regexp.MustCompile(`^\d+ partial commits from fsck-detected corruption$`)
	missingObject = regexp.MustCompile(`(?m)^Object missing in commits? (.*): ([0-9a-f]{64}\.[a-z]+)`)
	badObject     = regexp.MustCompile(`(?m)^error: (.*(?:[Cc]orrupted|checksum expected).*)$`)
	badFile       = regexp.MustCompile(`fsck content object [0-9a-f]{64}: Corrupted file object`)
	aCommit       = regexp.MustCompile(`[0-9a-f]{64}`)
)

// damage is what of fsck's words speaks of damage to what is deployed; others are
// objects missing from other commits. A missing object does not end fsck, but
// where the repository cannot be written it cannot take note of it, and ends.
func damage(said string, deployed []string) (what string, others []string) {
	for _, m := range missingObject.FindAllStringSubmatch(said, -1) {
		of := aCommit.FindAllString(m[1], -1)
		if at := slices.IndexFunc(of, func(c string) bool { return slices.Contains(deployed, c) }); at >= 0 {
			return fmt.Sprintf("object %s of the deployed commit %s is missing", m[2], of[at]), nil
		}
		others = append(others, m[2])
	}
	if m := badObject.FindStringSubmatch(said); m != nil {
		return m[1], others
	}
	return "", others
}

// lastError is what ended fsck; empty when it did not tell.
func lastError(said string) string {
	for _, l := range slices.Backward(probe.Lines(said)) {
		if e, ok := strings.CutPrefix(l, "error: "); ok {
			return e
		}
	}
	return ""
}
