package upgrade

import (
	"context"
	"errors"
	"regexp"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "check-only", Title: "asking whether there is an update tells of it and changes nothing",
	Isolated: true, NeedsTrees: true, Tools: []host.Tool{host.RPMOSTree, host.AtomicHost, host.Bootc}, Limit: 8 * time.Minute,
	Run: deployments.ForEach(checkOnly),
})

// unchangedExit is how rpm-ostree ends that found nothing to do, and saysNone what
// it says of that.
const unchangedExit = 77

var saysNone = regexp.MustCompile(`(?i)no updates? available|no upgrades? available`)

func checkOnly(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if err := h.Follow(ctx); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	preview := false
	out, err := h.Upgrade(ctx, host.UpgradeOptions{Check: true})
	var lacks *host.UnsupportedError
	if errors.As(err, &lacks) {
		preview = true
		out, err = h.Upgrade(ctx, host.UpgradeOptions{Preview: true})
	}
	if err != nil {
		return err
	}
	switch {
	case h.Derived() && out.Update == nil && out.Exit == unchangedExit && !saysNone.MatchString(out.Output):
		// rpm-ostree before 2018.2 counts packages, and a derived tree changes none.
	case out.Reason != "":
		return check.FailWith(out.Output, "%s is asked for updates and says that there is none, though %s is served", h.Tool(), deployments.DescribeTree(h.Newer()))
	case out.Update == nil && preview && h.Derived():
		// A preview tells packages, and a derived tree changes none.
	case out.Update == nil:
		return check.FailWith(out.Output, "%s is asked for updates and tells of none, though %s is served", h.Tool(), deployments.DescribeTree(h.Newer()))
	case out.Update.Version != "" && h.Newer().Version != "" && out.Update.Version != h.Newer().Version:
		return check.FailWith(out.Output, "%s tells of an update to version %s, want %s", h.Tool(), out.Update.Version, h.Newer().Version)
	}
	return h.Unchanged(ctx, before, "a look for updates by "+string(h.Tool()))
}
