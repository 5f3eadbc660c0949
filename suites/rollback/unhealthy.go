package rollback

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: unhealthyLimit, Run: deployments.With(unhealthy),
})

// unhealthyLimit leaves ten tries, and what is seen beside them, two minutes each.
const unhealthyLimit = 30 * time.Minute

// promiseScript prints who falls back to the tree of before, and after how many
// tries: greenboot, whose health check runs at boot, or boot counting, which the
// boot loader does (the UAPI group's Automatic Boot Assessment; ostree's option
// since 2025). An entry's name ends with the tries that are left and, after a
// dash, those that were made.
const promiseScript = `
if systemctl is-enabled --quiet greenboot-healthcheck.service 2>/dev/null; then
	tries=$(sed -n 's/^[[:space:]]*GREENBOOT_MAX_BOOT_ATTEMPTS[[:space:]]*=["'\''[:space:]]*\([0-9][0-9]*\).*/\1/p' /etc/greenboot/greenboot.conf 2>/dev/null | tail -n 1)
	echo "greenboot ${tries:-3}"
	exit 0
fi
tries=$({
	ostree config --repo=/sysroot/ostree/repo get sysroot.boot-counting-tries 2>/dev/null
	ls /boot/loader/entries 2>/dev/null | sed -nE 's/.*[+]0*([0-9]+)(-0*([0-9]+))?[.]conf$/\1 \3/p' | while read -r left made; do echo $((left + ${made:-0})); done
} | grep -x '[0-9][0-9]*' | sort -n | tail -n 1)
[ "${tries:-0}" -gt 0 ] 2>/dev/null && echo "counting $tries"
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
// health checks and the tree that the kernel was told to boot. Anybody else's
// words may be sudo's, which logs this very script; a script's belong to
// greenboot's unit with greenboot-rs, which repeats them when it has failed, and
// with greenboot, which runs it under systemd-cat in that unit.
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

// triedLimit is for reading the kernel's part of some ten boots in the journal.
const triedLimit = 2 * time.Minute

func unhealthy(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	said, err := probe.Output(ctx, t, "sh", promiseScript)
	if err != nil {
		return err
	}
	by, number, _ := strings.Cut(strings.TrimSpace(said), " ")
	tries, err := strconv.Atoi(number)
	switch most := int(unhealthyLimit/tryTakes) - moreBoots; {
	case by == "":
		return check.Skipf("the image has neither greenboot nor counted boots, and promises no way back by itself")
	case err != nil || tries > most:
		return check.Skipf("the image promises to leave a bad update after %s tries, and there is time for %d", number, most)
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
	script := fmt.Sprintf(healthScript, was.Checksum, int(min(t.Scaled(lookIn), lookInMost)/time.Second))
	switch by {
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
		return fmt.Errorf("cannot read who falls back: %q", said)
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
	return fallsBack(ctx, t, h, boot, was, tries)
}

// commit is a whole ostree checksum, as deployments' folders are named.
var commit = regexp.MustCompile(`^[0-9a-f]{64}$`)
