package upgrade

import (
	"context"
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

// olderRefScript names commit $3 in the host's own repository at $1 as $2, so
// that the host can follow a branch that was set back: its own, since a commit
// names the branches it is good for. /sysroot may be read-only, but for who asks in a mount namespace of its own.
const olderRefScript = `command -v unshare >/dev/null || exit 127
exec unshare -m sh -c 'mount -o remount,rw /sysroot 2>/dev/null; exec ostree refs --repo="$1" --force --create="$2" "$3"' sh "$@"`

const hostRepo = "/sysroot/ostree/repo"

func olderRefused(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if h.Tool() == host.Bootc {
		return check.Skipf("it does not promise to refuse older images")
	}
	if _, err := probe.Output(ctx, t, "unshare", olderRefScript, hostRepo, trees.Ref, trees.Booted.Commit); err != nil {
		return err
	}
	if err := host.Follow(ctx, t, "file://"+hostRepo, trees.Ref, false); err != nil {
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
