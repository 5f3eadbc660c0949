package base

import (
	"context"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "system-running", Title: "the system finishes booting and is running", Run: systemRunning,
	Limit: 3 * time.Minute,
})

// runningScript waits for the boot to end, at most $1 seconds, and prints the
// manager's state, then the names of failed units or of jobs that still run.
// Old systemd has no --wait and says its state at once.
const runningScript = `
state=$(timeout "$1" systemctl is-system-running --wait 2>/dev/null)
[ -n "$state" ] || state=$(systemctl is-system-running 2>/dev/null)
echo "$state"
case $state in
degraded) systemctl list-units --all --state=failed --plain --no-legend --no-pager ;;
initializing|starting) systemctl list-jobs --no-legend --no-pager ;;
esac
exit 0`

// settleTime is how long a boot may go on after the guest let us in, on a KVM host.
const settleTime = 90 * time.Second

func systemRunning(ctx context.Context, t *check.T) error {
	seconds := int(settleTime.Seconds() * t.Scale())
	out, err := probe.OutputWithin(ctx, t, settleTime+30*time.Second, "systemctl", runningScript, strconv.Itoa(seconds))
	if err != nil {
		return err
	}
	state, rest, _ := strings.Cut(out, "\n")
	switch state = strings.TrimSpace(state); state {
	case "running":
		return nil
	case "degraded":
		failed, passed, err := probe.Held(ctx, t, unitNames(rest))
		if err != nil {
			return err
		}
		if len(failed) == 0 && len(passed) > 0 {
			t.Log("degraded by units alone that ask the internet: %s", strings.Join(passed, ", "))
			return nil
		}
		return check.FailWith(rest, "the system is degraded: failed %s", probe.Some(failed))
	case "initializing", "starting":
		return check.FailWith(rest, "the boot never ends: still waiting for %s", probe.Some(jobNames(rest)))
	case "":
		return check.Failf("systemd does not answer: is-system-running printed nothing")
	default:
		return check.Failf("the system is %s, not running", state)
	}
}

// unitNames reads the first column of systemctl list-units; a mark before the
// name is dropped.
func unitNames(listing string) []string {
	var names []string
	for _, l := range probe.Lines(listing) {
		f := strings.Fields(strings.TrimLeft(l, "●○*× "))
		if len(f) > 0 {
			names = append(names, f[0])
		}
	}
	return names
}

// jobNames reads the unit column of systemctl list-jobs: id, unit, type, state.
// Running jobs come first: the others wait for them.
func jobNames(listing string) []string {
	var running, waiting []string
	for _, l := range probe.Lines(listing) {
		switch f := strings.Fields(l); {
		case len(f) < 4:
		case f[3] == "running":
			running = append(running, f[1])
		default:
			waiting = append(waiting, f[1])
		}
	}
	return append(running, waiting...)
}
