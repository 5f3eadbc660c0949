package base

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "flapping-units", Title: "no unit is restarted again and again", Run: flappingUnits,
})

const (
	// waitingRestarts is how often a unit that is not up may have been restarted
	// in a healthy boot: once is a race at boot, twice is a pattern.
	waitingRestarts = 2
	// settledRestarts is the same for a unit that is up at last.
	settledRestarts = 3
)

// flappingScript prints Id, ActiveState, SubState and NRestarts of every
// service in blocks. systemd before 235 does not count restarts.
const flappingScript = `systemctl show --no-pager --property=Id,ActiveState,SubState,NRestarts '*.service'`

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
	for _, block := range strings.Split(out, "\n\n") {
		p := probe.Pairs(block)
		if n, err := strconv.Atoi(p["NRestarts"]); err == nil {
			counted = true
			restarts[p["Id"]] = n
		}
		state[p["Id"]] = p["ActiveState"] + " (" + p["SubState"] + ")"
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
		return nil
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
