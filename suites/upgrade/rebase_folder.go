package upgrade

import (
	"context"
	"errors"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "rebase-folder", Title: "%s switches to an image in a folder of the host, as one without a registry does",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: 20 * time.Minute,
}, rebaseFolder, host.Bootc)...)

// imageFolder is where the image is put. bootc reads it as another user.
const (
	imageFolder = "/var/tmp/assay-image"
	folderTag   = "newer"
)

// folderScript copies image $1 of a plain-HTTP registry into folder $2 as an OCI
// layout with tag $3. bootc has skopeo read it as an ordinary user.
const folderScript = `command -v skopeo >/dev/null 2>&1 || exit 127
rm -rf "$2" && mkdir -m 0755 "$2" && skopeo copy --src-tls-verify=false "docker://$1" "oci:$2:$3" && chmod -R a+rX "$2"`

func rebaseFolder(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if trees.DerivedImages {
		return check.Skipf("the update's image is derived from the host's own and is served without the layers that the host has; a whole one is wanted (--update-image)")
	}
	if err := h.TrustImages(ctx); err != nil {
		return err
	}
	r, err := probe.Run(ctx, t, 8*time.Minute, folderScript, trees.NewerImage, imageFolder, folderTag)
	switch {
	case err != nil:
		return err
	case r.Exit == probe.Missing:
		return probe.NotShipped("skopeo")
	case !r.OK():
		return notCopied(r)
	}
	newer := h.Newer()
	newer.Digest = "" // skopeo may have given it another form
	err = switchTo(ctx, t, h, host.Image{Name: imageFolder + ":" + folderTag, Transport: "oci"}, newer)
	var refused *host.RefusedError
	if errors.As(err, &refused) {
		switch refused.Reason {
		case host.Unsigned:
			return check.Skipf("the host's policy.json takes no unsigned image from a folder: %s", probe.OneLine(refused.Said()))
		case host.NoSpace:
			return check.Skipf("the disk has no room for the update beside its image in a folder: %s", probe.OneLine(refused.Said()))
		}
	}
	return err
}

// notCopied judges a copy into a folder that failed. Room and policy for one are
// not what a switch promises.
func notCopied(r guest.Result) error {
	said := r.Stdout + r.Stderr
	switch host.ReasonOf(said) {
	case host.NoSpace, host.Unsigned:
		return check.Skipf("skopeo cannot copy the update's image into a folder: %s", probe.OneLine(r.Said()))
	case host.Unreachable:
		return check.Infraf("the harness's own registry does not answer skopeo: %s", probe.OneLine(r.Said()))
	}
	return check.FailWith(probe.Clip(said, 4000), "skopeo cannot copy an image from a registry into a folder: %s", probe.OneLine(r.Said()))
}
