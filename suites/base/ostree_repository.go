package base

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

// It reads every object of the repository, which takes a disk's time and, where
// the processor is emulated, minutes: hence the label.
var _ = check.Register(suite, check.Check{
	Name: "ostree-repository", Title: "every object of the ostree repository that the image ships is what its checksum says",
	Tools: []host.Tool{host.OSTree}, Labels: []string{"slow"}, Limit: 6 * time.Minute, Run: ostreeRepository,
})

// partialScript prints which of the commits $@ the repository marks as
// incomplete: fsck passes over those without a look.
const partialScript = `for c in "$@"; do [ -e "/sysroot/ostree/repo/state/$c.commitpartial" ] && echo "$c"; done
exit 0`

func ostreeRepository(ctx context.Context, t *check.T) error {
	h, err := deployments.By(ctx, t, host.OSTree)
	if err != nil {
		return err
	}
	s, _, err := h.Booted(ctx)
	if err != nil {
		return deployments.Judge(err)
	}
	var deployed []string
	for _, d := range s.Deployments {
		deployed = append(deployed, d.Checksum)
	}
	out, err := probe.Output(ctx, t, "sh", partialScript, deployed...)
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
	if what == "" {
		t.Log("ostree fsck misses objects of commits that are not deployed (a layer, a package, an old tree), which an image may leave out: %s", probe.Some(others))
		return nil
	}
	return check.FailWith(deployments.Said(refused), "ostree fsck finds the image's repository damaged: %s", what)
}

var (
	missingObject = regexp.MustCompile(`(?m)^Object missing in commits? (.*): ([0-9a-f]{64}\.[a-z]+)`)
	badObject     = regexp.MustCompile(`(?m)^error: (.*(?:[Cc]orrupted|checksum expected).*)$`)
	aCommit       = regexp.MustCompile(`[0-9a-f]{64}`)
)

// damage is what of fsck's words speaks of damage, empty when they tell no more
// than objects missing from commits that are not deployed: others. A missing
// object does not end fsck, but where the repository cannot be written it cannot
// take note of it, and ends.
func damage(said string, deployed []string) (what string, others []string) {
	if m := badObject.FindStringSubmatch(said); m != nil {
		return m[1], nil
	}
	for _, m := range missingObject.FindAllStringSubmatch(said, -1) {
		of := aCommit.FindAllString(m[1], -1)
		if at := slices.IndexFunc(of, func(c string) bool { return slices.Contains(deployed, c) }); at >= 0 {
			return fmt.Sprintf("object %s of the deployed commit %s is missing", m[2], of[at]), nil
		}
		others = append(others, m[2])
	}
	if len(others) > 0 {
		return "", others
	}
	// Unknown words, such as of a branch without its commit.
	for _, l := range slices.Backward(probe.Lines(said)) {
		if strings.HasPrefix(l, "error: ") {
			return strings.TrimPrefix(l, "error: "), nil
		}
	}
	return probe.OneLine(said), nil
}
