package upgrade

import (
	"context"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "older-refused", Title: "a tree that is older than the booted one is refused as an upgrade",
	State: check.Upgraded, Isolated: true, Limit: 8 * time.Minute, Run: deployments.ForEach(olderRefused),
})

// setBackScript makes a repository at $1 whose branch $3 is commit $4, as one
// that was set back: its objects are those of the host's own repository $2. The
// branch keeps its name, to which commits are bound.
const setBackScript = `set -e
rm -rf "$1"
mkdir -p "$1"
ostree init --repo="$1" --mode=bare
ostree config --repo="$1" set core.parent "$2"
ostree refs --repo="$1" --create="$3" "$4"`

const (
	hostRepo    = "/sysroot/ostree/repo"
	setBackRepo = "/var/tmp/assay-set-back"
)

func olderRefused(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if h.Tool() == host.Bootc {
		return check.Skipf("it does not promise to refuse older images")
	}
	// The branch that the older commit is bound to, where it is known: the
	// update's may be another.
	branch := trees.Booted.Ref
	if _, after, remote := strings.Cut(branch, ":"); remote {
		branch = after
	}
	if branch == "" {
		branch = trees.Ref
	}
	if _, err := probe.Output(ctx, t, "ostree", setBackScript, setBackRepo, hostRepo, branch, trees.Booted.Commit); err != nil {
		return err
	}
	if err := host.Follow(ctx, t, "file://"+setBackRepo, branch, false); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	_, err = h.Upgrade(ctx, host.UpgradeOptions{})
	if err := h.Refused(err, "upgrade to a tree that is older than the booted one", host.Older); err != nil {
		return err
	}
	return h.Unchanged(ctx, before, "an upgrade to an older tree by "+string(h.Tool()))
}
