package base

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "flapping-units", Title: "no unit is restarted again and again", Run: flappingUnits,
	Limit: 3 * time.Minute,
})

const (
	// waitingRestarts is how often a unit that is not up may have been restarted
	// in a healthy boot: once is a race at boot, twice is a pattern.
	waitingRestarts = 2
	// settledRestarts is the same for a unit that is up at last.
	settledRestarts = 3
	// retryMargin is what a restart that is due takes to be counted, on a KVM host,
	// settleLimit what a unit has after that to come up or to fail again.
	retryMargin = 5 * time.Second
	settleLimit = 30 * time.Second
	// retryLimit is what is waited for restarts at most, in all: they come by the
	// clock, however slow the guest is.
	retryLimit = time.Minute
)

// flappingScript prints what is counted of every service in blocks. systemd
// before 235 does not count restarts.
const flappingScript = `systemctl show --no-pager --property=Id,ActiveState,SubState,NRestarts,Result,RestartUSec '*.service'`

// retryScript waits $1 seconds at most until every unit named, each followed by
// its count of restarts, was restarted once more, gives it $2 seconds to fail
// again and at most $3 more to come up, and prints them as flappingScript does.
const retryScript = `
now() { cut -d. -f1 /proc/uptime; }
end=$(($(now) + $1)) margin=$2 settle=$3
shift 3
units=
for word in "$@"; do
	case $word in *.service) units="$units $word" ;; esac
done
pending() {
	while [ $# -gt 1 ]; do
		[ "$(systemctl show --no-pager --property=NRestarts "$1")" = "NRestarts=$2" ] && return 0
		shift 2
	done
	return 1
}
starting() {
	for unit in $units; do
		[ "$(systemctl show --no-pager --property=ActiveState "$unit")" = ActiveState=activating ] || continue
		case $(systemctl show --no-pager --property=SubState "$unit") in SubState=auto-restart*) ;; *) return 0 ;; esac
	done
	return 1
}
while [ "$(now)" -lt "$end" ] && pending "$@"; do sleep 2; done
sleep "$margin"
end=$(($(now) + settle))
while [ "$(now)" -lt "$end" ] && starting; do sleep 2; done
systemctl show --no-pager --property=Id,ActiveState,SubState,NRestarts,Result $units`

// restartMessage is what systemd says of each automatic restart; the wording
// changed in version 236.
var restartMessage = regexp.MustCompile(`[Ss]chedul(ed|ing) restart`)

func flappingUnits(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "systemctl", flappingScript)
	if err != nil {
		return err
	}
	counted := false
	restarts, state := map[string]int{}, map[string]string{}
	var waiting []unitState
	for _, u := range unitStates(out) {
		state[u.id] = u.active + " (" + u.sub + ")"
		if u.restarts >= 0 {
			counted = true
			restarts[u.id] = u.restarts
			if u.retries() {
				waiting = append(waiting, u)
			}
		}
	}
	if !counted {
		entries, err := probe.Search(ctx, t, guest.JournalQuery{}, restartMessage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			restarts[e.Unit]++
		}
	}
	var bad []string
	for unit, n := range restarts {
		limit := settledRestarts
		if strings.HasPrefix(state[unit], "activating") {
			limit = waitingRestarts
		}
		if n >= limit {
			bad = append(bad, unit)
		}
	}
	if len(bad) == 0 {
		return failingAgain(ctx, t, waiting)
	}
	sort.Slice(bad, func(i, j int) bool {
		if restarts[bad[i]] != restarts[bad[j]] {
			return restarts[bad[i]] > restarts[bad[j]]
		}
		return bad[i] < bad[j]
	})
	said := make([]string, len(bad))
	for i, u := range bad {
		said[i] = fmt.Sprintf("unit %s was restarted %d times and is %s", u, restarts[u], orUnknown(state[u]))
	}
	return check.FailWith(probe.JournalTail(ctx, t, bad[0], 20), "%s", probe.Some(said))
}

// unitState is what systemd says of a service.
type unitState struct {
	id, active, sub, result string
	// restarts is negative where systemd does not count them.
	restarts int
	// pause is the time from a failure to the next start.
	pause time.Duration
}

func unitStates(out string) (all []unitState) {
	for _, block := range strings.Split(out, "\n\n") {
		p := probe.Pairs(block)
		u := unitState{id: p["Id"], active: p["ActiveState"], sub: p["SubState"], result: p["Result"], restarts: -1}
		if n, err := strconv.Atoi(p["NRestarts"]); err == nil {
			u.restarts = n
		}
		// systemd's spans are Go's but for the spaces and "min"; one with days or
		// "infinity" is longer than anybody waits.
		span := strings.NewReplacer(" ", "", "min", "m").Replace(p["RestartUSec"])
		var err error
		if u.pause, err = time.ParseDuration(span); err != nil {
			u.pause = retryLimit
		}
		all = append(all, u)
	}
	return all
}

// retries reports whether a unit failed and waits for its next start.
func (u unitState) retries() bool {
	return strings.HasPrefix(u.sub, "auto-restart") && u.result != "" && u.result != "success"
}

// failingAgain looks once more at units that failed and wait for their next
// start. One that comes up then lost a race at boot; one that waits again, still is
// not up, or was restarted before, is what the check is about.
func failingAgain(ctx context.Context, t *check.T, waiting []unitState) error {
	ids := make([]string, len(waiting))
	for i, u := range waiting {
		ids[i] = u.id
	}
	held, _, err := probe.Held(ctx, t, ids) // what asks the internet is passed over
	if err != nil || len(held) == 0 {
		return err
	}
	var pause time.Duration
	var args []string
	before := map[string]int{}
	for _, u := range waiting {
		if slices.Contains(held, u.id) {
			pause, before[u.id] = max(pause, u.pause), u.restarts
			args = append(args, u.id, strconv.Itoa(u.restarts))
		}
	}
	pause = min(pause, retryLimit-retryMargin)
	args = append([]string{seconds(pause + time.Second - 1), seconds(t.Scaled(retryMargin)), seconds(t.Scaled(settleLimit))}, args...)
	out, err := probe.OutputWithin(ctx, t, 2*retryLimit, "systemctl", retryScript, args...)
	if err != nil {
		return err
	}
	var bad, said []string
	for _, u := range unitStates(out) {
		n, asked := before[u.id]
		again := u.retries() || u.active == "failed" || u.active == "activating"
		if asked && u.restarts > n && (again || u.restarts >= waitingRestarts) {
			bad = append(bad, u.id)
			said = append(said, fmt.Sprintf("unit %s fails again after each restart (%d so far) and is %s (%s), result %s", u.id, u.restarts, u.active, u.sub, orUnknown(u.result)))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return check.FailWith(probe.JournalTail(ctx, t, bad[0], 20), "%s", probe.Some(said))
}

// seconds is a time as scripts take it.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
