package guest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Unit is what the system manager says of a unit. The words are systemd's own
// (see org.freedesktop.systemd1(5)).
type Unit struct {
	Name        string
	Description string
	Load        string // loaded, not-found, masked, error, ...
	Active      string // active, inactive, failed, activating, ...
	Sub         string // running, exited, auto-restart, ...
	// Result is why it ended: success, exit-code, oom-kill, ... Empty for
	// kinds that have none.
	Result string
	// FileState is enabled, disabled, static, ... Empty without a file.
	FileState string
	// NRestarts counts automatic restarts.
	NRestarts int
	// ExitStatus is the main process's last exit status or signal.
	ExitStatus int
	// Took is how long its last start took, 0 when it never started.
	Took time.Duration
}

// unitProperties are asked for by name: `systemctl show` gives machine-readable
// output in every version, list-units only since 246 and without results.
var unitProperties = []string{"Id", "Description", "LoadState", "ActiveState", "SubState", "Result", "UnitFileState",
	"NRestarts", "ExecMainStatus", "InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic", "InactiveEnterTimestampMonotonic"}

// unitsLimit is for listing all units on a KVM host; a manager that is busy
// booting answers late.
const unitsLimit = 30 * time.Second

// ListUnits returns the units in the manager's memory whose names match one of
// the patterns (all without one), by name. Units that are only named by
// others are among them, with Load "not-found".
func ListUnits(ctx context.Context, g Guest, patterns ...string) ([]Unit, error) {
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	args := append([]string{"systemctl", "show", "--all", "--no-pager", "--property=" + strings.Join(unitProperties, ","), "--"}, patterns...)
	r, err := g.Run(ctx, Command{Args: args, Limit: unitsLimit, MaxOutput: 8 << 20})
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, &CommandError{Args: args, Result: r}
	}
	units, err := parseUnits(r.Stdout)
	if err != nil {
		return nil, fmt.Errorf("cannot list the units of guest %s: %w", g.Name(), err)
	}
	slices.SortFunc(units, func(a, b Unit) int { return strings.Compare(a.Name, b.Name) })
	return units, nil
}

// parseUnits reads blocks of KEY=VALUE, one per unit, with empty lines between.
func parseUnits(text string) ([]Unit, error) {
	var out []Unit
	seen := map[string]bool{}
	for _, block := range strings.Split(text, "\n\n") {
		p, err := properties(block)
		if err != nil {
			return nil, err
		}
		if len(p) == 0 {
			continue
		}
		if p["Id"] == "" {
			return nil, fmt.Errorf("a unit without Id in %.100q", block)
		}
		// An alias matches a pattern too, and shows the same unit again.
		if seen[p["Id"]] {
			continue
		}
		seen[p["Id"]] = true
		out = append(out, Unit{
			Name: p["Id"], Description: p["Description"], Load: p["LoadState"], Active: p["ActiveState"], Sub: p["SubState"],
			Result: p["Result"], FileState: p["UnitFileState"], NRestarts: number(p["NRestarts"]), ExitStatus: number(p["ExecMainStatus"]),
			Took: startTime(p),
		})
	}
	return out, nil
}

// properties reads lines of KEY=VALUE.
func properties(text string) (map[string]string, error) {
	p := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line == "" {
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("%.100q is no property", line)
		}
		p[k] = v
	}
	return p, nil
}

// number is 0 for what is none: "[not set]", or a property this kind lacks.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// microseconds is a *TimestampMonotonic property.
func microseconds(s string) time.Duration {
	n, err := strconv.ParseInt(s, 10, 64)
	// Beyond a year of uptime is no time of a boot.
	if err != nil || n < 0 || n > int64(365*24*time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// startTime is from leaving "inactive" to "active", or, for a oneshot that
// never is, to being inactive again, as systemd-analyze counts it.
func startTime(p map[string]string) time.Duration {
	left := microseconds(p["InactiveExitTimestampMonotonic"])
	if left == 0 {
		return 0
	}
	for _, k := range []string{"ActiveEnterTimestampMonotonic", "InactiveEnterTimestampMonotonic"} {
		if at := microseconds(p[k]); at >= left {
			return at - left
		}
	}
	return 0
}

// UnitStateError means that a unit is in a state that it does not leave by
// itself, and that is not the one waited for.
type UnitStateError struct {
	Guest string
	Want  string
	Unit  Unit
}

func (e *UnitStateError) Error() string {
	return fmt.Sprintf("unit %s on guest %s is %s, not %s", e.Unit.Name, e.Guest, e.Unit.state(), e.Want)
}

func (u Unit) state() string {
	s := u.Active + " (" + u.Sub + ")"
	if u.Result != "" && u.Result != "success" {
		s += ", result " + u.Result
	}
	if u.Load != "loaded" {
		s += ", " + u.Load
	}
	return s
}

// WaitUnit waits until a unit's Active state is want ("active", "inactive",
// "failed"), for at most limit on a KVM host (0 is 30 s); past it the error is a
// *TimeoutError with the last state. A unit that failed, or that does not
// exist, while it should get active is a *UnitStateError at once.
//
// It asks again and again: no systemctl command waits for a unit that another
// started, and the manager's signals are not to be had by commands alone.
func WaitUnit(ctx context.Context, g Guest, unit, want string, limit time.Duration) (Unit, error) {
	if limit == 0 {
		limit = 30 * time.Second
	}
	limit = time.Duration(float64(limit) * g.Scale())
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		units, err := ListUnits(ctx, g, unit)
		if err != nil {
			return Unit{}, err
		}
		u := Unit{Name: unit, Load: "not-found", Active: "inactive", Sub: "dead"}
		if len(units) > 0 {
			u = units[0]
		}
		switch {
		case u.Active == want:
			return u, nil
		case want == "active" && (u.Active == "failed" || u.Load == "not-found" || u.Load == "masked"):
			return u, &UnitStateError{Guest: g.Name(), Want: want, Unit: u}
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return u, &TimeoutError{Guest: g.Name(), Op: "waiting for " + unit + " to be " + want, Limit: limit, Last: u.state()}
		case <-ctx.Done():
			return u, &TransportError{Guest: g.Name(), Op: "wait for " + unit, Err: ended(ctx)}
		}
	}
}
