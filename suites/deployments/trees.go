package deployments

import (
	"context"
	"strings"

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

// Newer is the update as the host's tool can have it. An image is known by its
// digest or version: it becomes another commit on each host.
func (h Host) Newer() check.Tree {
	if h.Tool() == host.Bootc {
		return h.t.Env.Trees.OfImage(h.t.Env.Trees.NewerImage)
	}
	return h.t.Env.Trees.Newer
}

// Kernel is the update with another kernel as the tool can have it: one that is
// derived, or one that was given and may have the same. A skip where there is none.
func (h Host) Kernel() (check.Tree, error) {
	trees, err := Trees(h.t)
	switch {
	case err != nil:
		return check.Tree{}, err
	case !h.Derived():
		return h.Newer(), nil
	case h.Tool() == host.Bootc && trees.KernelImage != "":
		return trees.OfImage(trees.KernelImage), nil
	case h.Tool() != host.Bootc && trees.Kernel.Commit != "":
		return trees.Kernel, nil
	}
	return check.Tree{}, check.Skipf("no update with another kernel can be derived from the image's own tree")
}

// UpdateKernel makes the tree of Kernel the next one to boot.
func (h Host) UpdateKernel(ctx context.Context, tree check.Tree) error {
	switch {
	case !h.Derived():
		return h.Update(ctx)
	case h.Tool() == host.Bootc:
		return h.SetTo(ctx, tree)
	}
	if err := host.Follow(ctx, h.t, h.t.Env.Trees.URL, tree.Ref, false); err != nil {
		return err
	}
	return h.Advance(ctx)
}

// Older is the n-th older tree that the tool can have, counted from 0, or a skip.
func (h Host) Older(n int) (check.Tree, error) {
	trees, err := Trees(h.t)
	if err != nil {
		return check.Tree{}, err
	}
	older := trees.Older
	if h.Tool() == host.Bootc {
		older = nil
		for _, image := range trees.OlderImages {
			older = append(older, trees.OfImage(image))
		}
	}
	if n >= len(older) {
		return check.Tree{}, check.Skipf("the update's history holds %d older trees", len(older))
	}
	return older[n], nil
}

// Derived reports that the trees the tool can have are made from the image's
// own, and differ from it as check.Trees tells.
func (h Host) Derived() bool {
	if h.Tool() == host.Bootc {
		return h.t.Env.Trees.DerivedImages
	}
	return h.t.Env.Trees.Derived
}

// Follow makes upgrades come from what is served: a remote and ref, or the
// image that the host follows, under its own name.
func (h Host) Follow(ctx context.Context) error {
	trees, err := Trees(h.t)
	if err != nil {
		return err
	}
	if h.Tool() != host.Bootc {
		return h.FollowAt(ctx, trees.URL, false)
	}
	_, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if booted.Image == nil {
		return check.Skipf("bootc does not tell which image the host follows")
	}
	name := repository(booted.Image.Name)
	if err := h.acceptUnsigned(ctx, *booted.Image, booted.Image.Name, trees.FollowImage); err != nil {
		return err
	}
	return host.FollowImage(ctx, h.t, name, trees.FollowImage)
}

// acceptUnsigned is host.AcceptUnsigned, and notes what that changed.
func (h Host) acceptUnsigned(ctx context.Context, image host.Image, names ...string) error {
	changed, err := host.AcceptUnsigned(ctx, h.t, image, names...)
	for _, c := range changed {
		h.t.Log("so that the host takes what is served, %s", c)
	}
	return err
}

// FollowAt makes upgrades come from the served repository at url, with
// signatures checked if verify is set. A host that follows images has no such
// thing: a skip.
func (h Host) FollowAt(ctx context.Context, url string, verify bool) error {
	trees, err := Trees(h.t)
	if err != nil {
		return err
	}
	if h.Tool() == host.Bootc {
		return check.Skipf("bootc follows container images, not a repository")
	}
	return host.Follow(ctx, h.t, url, trees.Ref, verify)
}

// Update makes the newer tree the next one to boot, as a user's upgrade does. A
// tool that finds nothing to upgrade to has failed.
func (h Host) Update(ctx context.Context) error {
	if err := h.Follow(ctx); err != nil {
		return err
	}
	return h.Advance(ctx)
}

// Advance is Update for a host that follows what is served. One that was set to
// a version's image is set to the newest.
func (h Host) Advance(ctx context.Context) error {
	if h.Tool() == host.Bootc {
		_, booted, err := h.Booted(ctx)
		if err != nil {
			return err
		}
		if booted.Image != nil && repository(booted.Image.Name) == h.t.Env.Trees.ImageName {
			return h.SetTo(ctx, h.Newer())
		}
	}
	out, err := h.Upgrade(ctx, host.UpgradeOptions{})
	if err == nil && !out.Changed {
		return check.FailWith(out.Output, "%s finds nothing to upgrade to, though %s is served", h.Tool(), DescribeTree(h.Newer()))
	}
	return err
}

// SetTo makes a tree that is served the next one to boot: by its checksum, or
// as an image. Follow comes before it.
func (h Host) SetTo(ctx context.Context, tree check.Tree) error {
	if _, err := Trees(h.t); err != nil {
		return err
	}
	var out host.Outcome
	var err error
	if h.Tool() == host.Bootc {
		if err := h.TrustImages(ctx); err != nil {
			return err
		}
		out, err = h.Rebase(ctx, host.RebaseOptions{Target: tree.Image, Transport: "registry"})
	} else {
		out, err = h.Deploy(ctx, host.DeployOptions{Revision: tree.Commit})
	}
	if err == nil && !out.Changed {
		return check.FailWith(out.Output, "%s was asked to deploy %s and changes nothing", h.Tool(), DescribeTree(tree))
	}
	return err
}

// TrustImages lets the host fetch the images that are served, by plain HTTP.
func (h Host) TrustImages(ctx context.Context) error {
	trees, err := Trees(h.t)
	if err != nil {
		return err
	}
	if err := h.acceptUnsigned(ctx, host.Image{}, trees.ImageName); err != nil {
		return err
	}
	registry, _, _ := strings.Cut(trees.ImageName, "/")
	return host.TrustRegistry(ctx, h.t, registry)
}

// Origin is what a deployment follows: a refspec or an image's name.
func Origin(d host.Deployment) string {
	if d.Image != nil {
		return d.Image.Name
	}
	return d.Origin
}

// repository and tag are the parts of an image's name.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if t := tag(image); t != "" {
		return strings.TrimSuffix(image, ":"+t)
	}
	return image
}

func tag(image string) string {
	if at := strings.LastIndexByte(image, ':'); at > strings.LastIndexByte(image, '/') {
		return image[at+1:]
	}
	return ""
}

// base is the commit that a deployment's tree came as.
func base(d host.Deployment) string {
	if d.BaseChecksum != "" {
		return d.BaseChecksum
	}
	return d.Checksum
}

// Is reports whether a deployment is of a tree. One of an image has a commit of
// its own, so that its digest counts, or where that is not told its version.
func Is(d host.Deployment, tree check.Tree) bool {
	if d.Image != nil && d.Image.Digest != "" && tree.Digest != "" {
		return d.Image.Digest == tree.Digest
	}
	if d.Image != nil || tree.Commit == "" {
		return d.Version == tree.Version
	}
	return host.SameChecksum(base(d), tree.Commit)
}

// UpdateAndReboot updates to the newest tree, reboots into it, and returns its
// deployment once Switched holds.
func (h Host) UpdateAndReboot(ctx context.Context) (host.Deployment, error) {
	before, _, err := h.Booted(ctx)
	if err != nil {
		return host.Deployment{}, err
	}
	if err := h.Update(ctx); err != nil {
		return host.Deployment{}, err
	}
	if err := h.Reboot(ctx); err != nil {
		return host.Deployment{}, err
	}
	return h.Switched(ctx, before, h.Newer())
}
