package upgrade

import (
	"context"
	"slices"
	"strings"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "status-equal", Title: "atomic host tells the same status as rpm-ostree", State: check.Upgraded, Run: statusEqual,
}, check.Check{
	Name: "status-unprivileged", Title: "an ordinary user sees the deployments that root sees", State: check.Upgraded,
	Run: deployments.ForEach(statusUnprivileged),
})

func statusEqual(ctx context.Context, t *check.T) error {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return err
	}
	atomic, ok := found.Driver(host.AtomicHost)
	rpmOSTree, both := found.Driver(host.RPMOSTree)
	if !ok || !both {
		return check.Skipf("the image does not ship both atomic host and rpm-ostree")
	}
	a, err := atomic.Status(ctx)
	if err != nil {
		return deployments.Judge(err)
	}
	r, err := rpmOSTree.Status(ctx)
	if err != nil {
		return deployments.Judge(err)
	}
	shown := "atomic host:\n" + deployments.List(a) + "rpm-ostree:\n" + deployments.List(r)
	if len(a.Deployments) != len(r.Deployments) {
		return check.FailWith(shown, "atomic host tells of %d deployments, rpm-ostree of %d", len(a.Deployments), len(r.Deployments))
	}
	for i, d := range a.Deployments {
		if diff := d.Differences(r.Deployments[i]); len(diff) > 0 {
			return check.FailWith(shown, "atomic host and rpm-ostree tell differently of deployment %d: %s", i, strings.Join(diff, "; "))
		}
	}
	return nil
}

// nobody is a user that every system has and that may do nothing.
const nobody = "nobody"

func statusUnprivileged(ctx context.Context, _ *check.T, h deployments.Host) error {
	if h.Tool() == host.Bootc {
		return check.Skipf("it promises its status to root alone")
	}
	s, err := h.Status(ctx)
	if err != nil {
		return err
	}
	seen, err := h.As(nobody).Status(ctx)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(s.Deployments, seen.Deployments, func(a, b host.Deployment) bool {
		return a.Checksum == b.Checksum && a.Booted == b.Booted
	}) {
		return check.FailWith("root:\n"+deployments.List(s)+nobody+":\n"+deployments.List(seen), "%s tells an ordinary user of other deployments than root", h.Tool())
	}
	return nil
}
