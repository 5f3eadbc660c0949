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

var _ = check.Register(suite, check.Check{
	Name: "unlocked", Title: "what was changed in an unlocked /usr is gone after an upgrade, and /usr is locked again",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: deployments.With(unlocked),
})

const (
	overlayFile       = "/usr/share/assay-unlocked"
	writeOverlay      = `echo changed >"$1" && sync`
	lookOverlayScript = `[ -e "$1" ] && echo file=1
findmnt -n -o FSTYPE /usr 2>/dev/null | grep -q overlay && echo overlay=1
exit 0`
)

func unlocked(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if err := unlock(ctx, t); err != nil {
		return err
	}
	r, err := probe.Run(ctx, t, 0, writeOverlay, overlayFile)
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.Failf("/usr is unlocked and cannot be written: %s", r.Said())
	}
	booted, err := h.UpdateAndReboot(ctx)
	if err != nil {
		return err
	}
	out, err := probe.Output(ctx, t, "sh", lookOverlayScript, overlayFile)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["file"] != "":
		return check.Failf("the file %s, made in an unlocked /usr, is there after an upgrade", overlayFile)
	case p["overlay"] != "":
		return check.Failf("/usr is an overlay after an upgrade: it was unlocked until the next boot only")
	case booted.Unlocked != "":
		return check.Failf("%s tells that the new deployment is unlocked (%s)", h.Tool(), booted.Unlocked)
	}
	return nil
}

// unlock makes /usr writable until the next boot, with the first tool that can.
func unlock(ctx context.Context, t *check.T) error {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return err
	}
	for _, d := range found.Drivers {
		_, err := d.Unlock(ctx, host.UnlockOptions{})
		var lacks *host.UnsupportedError
		var refused *host.RefusedError
		switch {
		case errors.As(err, &lacks):
			continue
		case errors.As(err, &refused):
			return check.Skipf("the deployment cannot be unlocked: %s", refused.Said())
		}
		return err
	}
	return check.Skipf("no tool of the image can unlock a deployment")
}
