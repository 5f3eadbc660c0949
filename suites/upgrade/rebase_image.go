package upgrade

import (
	"context"
	"errors"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Name: "rebase", Title: "%s switches to another image and reboots by itself: its tree boots, and the host follows it from then on",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute,
}, rebaseImage, host.Bootc)...)

func rebaseImage(ctx context.Context, t *check.T, h deployments.Host) error {
	trees, err := deployments.Trees(t)
	if err != nil {
		return err
	}
	if err := h.TrustImages(ctx); err != nil {
		return err
	}
	return switchTo(ctx, t, h, host.Image{Name: trees.NewerImage, Transport: "registry"}, h.Newer())
}

// switchTo has the host switch to an image of a tree and reboot by itself.
func switchTo(ctx context.Context, t *check.T, h deployments.Host, to host.Image, tree check.Tree) error {
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	boot := t.BootID()
	out, err := h.Rebase(ctx, host.RebaseOptions{Target: to.Name, Transport: to.Transport, Reboot: true})
	if err != nil {
		return err
	}
	if !out.Rebooting {
		return check.FailWith(out.Output, "%s was asked to switch to %s and changes nothing", h.Tool(), to.Name)
	}
	err = t.AwaitReboot(ctx, boot)
	if errors.Is(err, guest.ErrRebootNotSeen) {
		return check.FailWith(out.Output, "%s was asked to reboot after the switch to %s, and the system stays up", h.Tool(), to.Name)
	}
	if err != nil {
		return err
	}
	booted, err := h.Switched(ctx, before, tree)
	if err != nil {
		return err
	}
	if i := booted.Image; i == nil || i.Name != to.Name || i.Transport != to.Transport {
		return check.Failf("after a switch by %s the deployment follows %s, want %s by %s", h.Tool(), followed(booted), to.Name, to.Transport)
	}
	return nil
}

// followed is what a deployment follows, for a message.
func followed(d host.Deployment) string {
	switch {
	case d.Image != nil:
		return d.Image.Name + " by " + d.Image.Transport
	case d.Origin != "":
		return d.Origin + ", which is no image"
	}
	return "nothing"
}
