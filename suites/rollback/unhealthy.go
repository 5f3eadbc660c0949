package rollback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "unhealthy", Title: "an update whose boot fails is left by itself for the tree of before, where the image promises it",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: 30 * time.Minute, Run: deployments.With(unhealthy),
})

// promiseScript prints who falls back to the tree of before: greenboot, whose
// health check runs at boot, or boot counting, which the boot loader does (the
// UAPI group's Automatic Boot Assessment; ostree's option since 2025).
const promiseScript = `
systemctl is-enabled --quiet greenboot-healthcheck.service 2>/dev/null && echo greenboot && exit 0
tries=$(ostree config --repo=/sysroot/ostree/repo get sysroot.boot-counting-tries 2>/dev/null)
if [ "${tries:-0}" -gt 0 ] 2>/dev/null || ls /boot/loader/entries/*+[0-9]*.conf >/dev/null 2>&1; then echo counting; fi
exit 0`

// healthScript fails in every tree but that of commit $commit. A host that is
// booted otherwise is no matter of ours.
const healthScript = `#!/bin/sh
# Made by Assay.
for word in $(cat /proc/cmdline); do
	case $word in ostree=*) root=$(readlink -f "/sysroot${word#ostree=}") ;; esac
done
case ${root##*/} in %s.*|'') exit 0 ;; esac
exit 1
`

const (
	greenbootFolder = "/etc/greenboot/check/required.d"
	greenbootCheck  = greenbootFolder + "/50-assay.sh"
	countingCheck   = "/etc/assay-health"
	countingUnit    = "assay-health.service"
	countingText    = `[Unit]
Description=a health check that fails (assay)
Before=boot-complete.target
FailureAction=reboot
[Service]
Type=oneshot
ExecStart=/bin/sh ` + countingCheck + `
[Install]
RequiredBy=boot-complete.target
`
)

// boots bounds how often the system may try the new tree: the usual number of
// tries is three.
const boots = 8

func unhealthy(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	promise, err := probe.Output(ctx, t, "sh", promiseScript)
	if err != nil {
		return err
	}
	before, was, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	script := fmt.Sprintf(healthScript, was.Checksum)
	switch strings.TrimSpace(promise) {
	case "greenboot":
		if _, err := guest.Output(ctx, t, "mkdir", "-p", greenbootFolder); err != nil {
			return err
		}
		if err := t.WriteFile(ctx, greenbootCheck, strings.NewReader(script), 0o755); err != nil {
			return err
		}
	case "counting":
		if err := t.WriteFile(ctx, countingCheck, strings.NewReader(script), 0o755); err != nil {
			return err
		}
		if err := t.WriteFile(ctx, "/etc/systemd/system/"+countingUnit, strings.NewReader(countingText), 0o644); err != nil {
			return err
		}
		if _, err := guest.Output(ctx, t, "systemctl", "enable", countingUnit); err != nil {
			return err
		}
	default:
		return check.Skipf("the image has neither greenboot nor counted boots, and promises no way back by itself")
	}
	if err := h.Update(ctx); err != nil {
		return err
	}
	if err := h.Pending(ctx, before, h.Newer()); err != nil {
		return err
	}
	boot := t.BootID()
	var lost *guest.TransportError
	if _, err := guest.Ask(ctx, t, "systemctl", "--no-block", "reboot"); err != nil && !errors.As(err, &lost) {
		return err
	}
	return fallsBack(ctx, t, h, boot, was)
}

// fallsBack waits until the system, by reboots of its own, is back in the tree
// that was booted.
func fallsBack(ctx context.Context, t *check.T, h deployments.Host, boot string, was host.Deployment) error {
	for n := 1; n <= boots; n++ {
		err := t.AwaitReboot(ctx, boot)
		if n > 1 && errors.Is(err, guest.ErrRebootNotSeen) {
			return check.Failf("the system stays in an update that its own health check finds bad, and does not fall back to %s", deployments.Describe(was))
		}
		if err != nil {
			return err
		}
		boot = t.BootID()
		s, booted, err := h.Booted(ctx)
		var lost *guest.TransportError
		if errors.As(err, &lost) && ctx.Err() == nil {
			continue // it is going down already
		}
		if err != nil {
			return err
		}
		t.Log("boot %d: %s", n, deployments.Describe(booted))
		if deployments.Same(booted, was) {
			if n == 1 {
				return check.FailWith(deployments.List(s), "the system never tried the update that it was to boot")
			}
			return nil
		}
	}
	return check.Failf("the system tried an update %d times that its own health check finds bad, and does not fall back to %s", boots, deployments.Describe(was))
}
