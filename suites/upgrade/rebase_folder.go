package upgrade

import (
	"context"
	"errors"
	"time"

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
const imageFolder = "/var/tmp/assay-image"

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
	newer := h.Newer()
	r, err := probe.Run(ctx, t, 8*time.Minute, folderScript, trees.NewerImage, imageFolder, newer.Version)
	switch {
	case err != nil:
		return err
	case r.Exit == probe.Missing:
		return probe.NotShipped("skopeo")
	case !r.OK():
		// Room and policy for a copy are not what a switch promises.
		return check.Skipf("skopeo cannot copy the update's image into a folder: %s", probe.OneLine(r.Said()))
	}
	err = switchTo(ctx, t, h, host.Image{Name: imageFolder + ":" + newer.Version, Transport: "oci"})
	var refused *host.RefusedError
	if errors.As(err, &refused) && refused.Reason == host.Unsigned {
		return check.Skipf("the host's policy.json takes no unsigned image from a folder: %s", probe.OneLine(refused.Said()))
	}
	return err
}
