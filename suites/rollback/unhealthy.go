package rollback

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
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

// deployedScript tells a host whose tree the kernel's command line names, as
// healthScript wants it. One of composefs without ostree has another argument.
const deployedScript = `for word in $(cat /proc/cmdline); do case $word in ostree=*) echo yes ;; esac; done`

// healthScript fails in every tree but that of the commit, and leaves word of
// it. Before, it gives whoever waits for the end of this boot some seconds to
// log in: a bad boot has no end that could be waited for, and of one that nobody
// saw nobody knows that the host reboots for ever.
const healthScript = `#!/bin/sh
# Made by Assay.
for word in $(cat /proc/cmdline); do
	case $word in ostree=*) root=$(readlink -f "/sysroot${word#ostree=}") ;; esac
done
case ${root##*/} in %s.*|'') exit 0 ;; esac
echo "` + triedWords + ` ${root##*/}"
cat /proc/sys/kernel/random/boot_id >>` + triedFile + `
sync
n=0
while [ $n -lt %d ]; do
	grep -qa 'is-system-runnin[g]' /proc/[0-9]*/cmdline 2>/dev/null && break
	n=$((n + 1))
	sleep 1
done
exit 1
`

// lookIn bounds how long a bad boot waits for somebody to log in. Connections
// are tried all the time, so that it takes little longer than the SSH server's
// start; with lookInMost, whatever the host's speed, none is taken for stuck.
const (
	lookIn     = 20 * time.Second
	lookInMost = 100 * time.Second
)

// What the health check leaves behind: a file of boot ids and a line in the
// journal, as not every policy lets a health check write files.
const (
	triedFile  = "/var/lib/assay-tried"
	triedWords = "assay finds this boot bad:"
)

// triedScript prints what is left of the boots after boot $1 (without dashes):
// the ids in file $2, and of the journal's boots the words $3 of whoever runs
// health checks (anybody else's may be sudo's, which logs this very script) and
// the tree that the kernel was told to boot.
const triedScript = `
command -v journalctl >/dev/null || exit 127
sed 's/^/recorded=/' "$2" 2>/dev/null
later=
for id in $(journalctl --no-pager --list-boots 2>/dev/null | grep -oE '(^| )[0-9a-f]{32}( |$)'); do
	if [ "$id" = "$1" ]; then later=1; echo "from=$id"; continue; fi
	[ -n "$later" ] || continue
	echo "boot=$id"
	journalctl --no-pager -q -o cat -b "$id" -u greenboot-healthcheck.service -u ` + countingUnit + ` 2>/dev/null | grep -F -m 1 -e "$3" | sed 's/^/bad=/'
	journalctl --no-pager -q -o cat -b "$id" _TRANSPORT=kernel 2>/dev/null | grep -m 1 'ommand line: ' | grep -oE 'ostree=[^ ]+' | sed 's/^/root=/'
done
exit 0`

// evidence is what triedScript found.
type evidence struct {
	bad   int      // boots that the health check found bad
	known bool     // the journal reaches back to the boot of before
	boots int      // later boots in the journal, this one included
	roots []string // trees they were told to boot
}

func readEvidence(out string) (e evidence) {
	for _, l := range probe.Lines(out) {
		k, v, _ := strings.Cut(l, "=")
		switch k {
		case "recorded", "bad":
			e.bad++
		case "from":
			e.known = true
		case "boot":
			e.boots++
		case "root":
			if !slices.Contains(e.roots, v) {
				e.roots = append(e.roots, v)
			}
		}
	}
	return e
}

// tried wants the update to have been booted since boot from, though nobody
// saw it: a bad boot may end before anybody can log in.
func tried(ctx context.Context, t *check.T, s host.Status, from string) error {
	out, err := probe.OutputWithin(ctx, t, triedLimit, "journalctl", triedScript, strings.ReplaceAll(from, "-", ""), triedFile, triedWords)
	if err != nil {
		return err
	}
	e := readEvidence(out)
	t.Log("since the reboot: %d boots in the journal, %d traces of the health check, trees %q", e.boots, e.bad, e.roots)
	switch {
	case e.bad > 0, len(e.roots) > 1:
		return nil
	case !e.known:
		return check.Infraf("cannot tell whether the update was tried: the health check left no word, and the journal does not reach back to the boot of before")
	}
	return check.FailWith(deployments.List(s)+out, "the system never tried the update that it was to boot")
}

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

// unseenWaits is how many waits for a reboot, each of them long enough for
// several boots, may end with nobody let in.
const unseenWaits = 2

// goOn is how long a system that has ended a bad boot may take to leave it: the
// health check was part of that boot, and what follows from it is under way. A
// unit may take 90 seconds to stop, whatever the host's speed.
const (
	goOn     = time.Minute
	stopUnit = 90 * time.Second
)

// triedLimit is for reading the kernel's part of some ten boots in the journal.
const triedLimit = 2 * time.Minute

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
	deployed, err := probe.Output(ctx, t, "sh", deployedScript)
	if err != nil {
		return err
	}
	if strings.TrimSpace(deployed) == "" || !commit.MatchString(was.Checksum) {
		return check.Skipf("the host was not booted from an ostree deployment that a health check could tell from another")
	}
	script := fmt.Sprintf(healthScript, was.Checksum, int(min(scaled(t, lookIn), lookInMost)/time.Second))
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

// commit is a whole ostree checksum, as deployments' folders are named.
var commit = regexp.MustCompile(`^[0-9a-f]{64}$`)

func scaled(t *check.T, d time.Duration) time.Duration {
	return time.Duration(float64(d) * t.Scale())
}

// fallsBack waits until the system, by reboots of its own, is back in the tree
// that was booted, and wants it to have tried the other.
func fallsBack(ctx context.Context, t *check.T, h deployments.Host, from string, was host.Deployment) error {
	boot, unseen := from, 0
	bad, seen := 0, 0 // boots of the update that came to their end, boots at all
	for ended := false; seen < boots; {
		err := awaitReboot(ctx, t, boot, ended)
		ended = false
		var lost *guest.TransportError
		var notReady *guest.NotReadyError
		unanswered := (errors.As(err, &notReady) || errors.As(err, &lost)) && ctx.Err() == nil
		stays := errors.Is(err, guest.ErrRebootNotSeen)
		switch {
		case stays && boot == from:
			return check.Failf("the system does not go down when it is told to reboot into an update")
		case stays: // in which tree?
		case unanswered:
			t.Log("no boot comes to its end: %v", err)
			if notReady != nil && notReady.Boots > 1 {
				seen += notReady.Boots
				continue
			}
			if unseen++; unseen > unseenWaits {
				return err
			}
			continue
		case err != nil:
			return err
		}
		boot = t.BootID()
		s, booted, err := h.Booted(ctx)
		if errors.As(err, &lost) && ctx.Err() == nil {
			seen++
			continue // it is going down already
		}
		if err != nil {
			return err
		}
		t.Log("seen after %d other boots: %s", seen, deployments.Describe(booted))
		if deployments.Same(booted, was) {
			if bad > 0 {
				return nil
			}
			return tried(ctx, t, s, from)
		}
		if stays {
			return check.FailWith(deployments.List(s), "the system stays in an update that its own health check finds bad, and does not fall back to %s", deployments.Describe(was))
		}
		ended = true
		bad++
		seen++
	}
	return check.Failf("the system rebooted %d times by itself since it was told to boot an update that its own health check finds bad, and does not fall back to %s", seen, deployments.Describe(was))
}

// awaitReboot is T.AwaitReboot. A boot that has come to its end is left soon or
// not at all.
func awaitReboot(ctx context.Context, t *check.T, boot string, ended bool) error {
	if ended {
		limit := stopUnit + scaled(t, goOn)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("the system did not reboot by itself within %s", limit))
		defer cancel()
	}
	return t.AwaitReboot(ctx, boot)
}
