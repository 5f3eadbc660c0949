package deployments

import (
	"context"

	"assay/harness/host"
	"assay/suites/check"
)

// Trees are the trees that are served, or a skip that says why there are none.
func Trees(t *check.T) (*check.Trees, error) {
	switch {
	case t.Env.Trees != nil:
		return t.Env.Trees, nil
	case t.Env.NoTrees != "":
		return nil, check.Skipf("there is no tree to upgrade to: %s", t.Env.NoTrees)
	}
	return nil, check.Skipf("there is no tree to upgrade to")
}

// Older is the n-th older tree, counted from 0, or a skip.
func Older(t *check.T, n int) (check.Tree, error) {
	trees, err := Trees(t)
	if err != nil {
		return check.Tree{}, err
	}
	if n >= len(trees.Older) {
		return check.Tree{}, check.Skipf("the update's history holds %d older trees", len(trees.Older))
	}
	return trees.Older[n], nil
}

// Follow makes upgrades come from the served trees at url, with signatures
// checked if verify is set. A host that follows images has no such thing.
func (h Host) Follow(ctx context.Context, url string, verify bool) error {
	trees, err := Trees(h.t)
	if err != nil {
		return err
	}
	if h.Tool() == host.Bootc {
		return check.Skipf("bootc follows container images, not a repository")
	}
	return host.Follow(ctx, h.t, url, trees.Ref, verify)
}

// Origin is what the host follows after Update.
func (h Host) Origin() string {
	if h.Tool() == host.Bootc {
		return h.t.Env.Trees.NewerImage
	}
	return "assay:" + h.t.Env.Trees.Ref
}

// Update makes the newer tree the next one to boot. A tool that finds nothing
// to upgrade to has failed.
func (h Host) Update(ctx context.Context) (host.Outcome, error) {
	trees, err := Trees(h.t)
	if err != nil {
		return host.Outcome{}, err
	}
	if h.Tool() == host.Bootc {
		if err := host.TrustRegistry(ctx, h.t, h.t.Env.Registry.Addr); err != nil {
			return host.Outcome{}, err
		}
		return h.Rebase(ctx, host.RebaseOptions{Target: trees.NewerImage, Transport: "registry"})
	}
	if err := h.Follow(ctx, trees.URL, false); err != nil {
		return host.Outcome{}, err
	}
	return h.UpgradeTo(ctx, trees.Newer)
}

// UpgradeTo upgrades from what the host follows already.
func (h Host) UpgradeTo(ctx context.Context, tree check.Tree) (host.Outcome, error) {
	out, err := h.Upgrade(ctx, host.UpgradeOptions{})
	if err == nil && !out.Changed {
		return out, check.FailWith(out.Output, "%s finds nothing to upgrade to, though %s is served", h.Tool(), DescribeTree(tree))
	}
	return out, err
}

// base is the commit that a deployment's tree came as.
func base(d host.Deployment) string {
	if d.BaseChecksum != "" {
		return d.BaseChecksum
	}
	return d.Checksum
}

// Is reports whether a deployment is of a tree. One of an image has a commit of
// its own, so that its version counts.
func Is(d host.Deployment, tree check.Tree) bool {
	if d.Image != nil && d.Version != "" && tree.Version != "" {
		return d.Version == tree.Version
	}
	return host.SameChecksum(base(d), tree.Commit)
}
