package base

import (
	"context"
	"fmt"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "failed-units", Title: "no unit has failed", Run: failedUnits,
})

// shownUnits bounds how many failed units are described: ten tell the story.
const shownUnits = 10

func failedUnits(ctx context.Context, t *check.T) error {
	out, err := guest.Output(ctx, t, "systemctl", "list-units", "--all", "--state=failed", "--plain", "--no-legend", "--no-pager")
	if err != nil {
		return err
	}
	names, passed, err := probe.Held(ctx, t, unitNames(out))
	if err != nil {
		return err
	}
	for _, unit := range passed {
		t.Log("passed over %s, which asks the internet, and the guest's network is closed", unit)
	}
	if len(names) == 0 {
		return nil
	}
	shown := names[:min(len(names), shownUnits)]
	show, err := guest.Ask(ctx, t, append([]string{"systemctl", "show", "--no-pager",
		"--property=Id,Result,ExecMainStatus,ExecMainCode,StatusText", "--"}, shown...)...)
	if err != nil {
		return err
	}
	why := map[string]string{}
	for _, block := range strings.Split(show.Stdout, "\n\n") {
		p := probe.Pairs(block)
		why[p["Id"]] = unitResult(p)
	}
	var said []string
	var details strings.Builder
	for _, n := range shown {
		said = append(said, fmt.Sprintf("%s (%s)", n, orUnknown(why[n])))
		fmt.Fprintf(&details, "== %s\n%s", n, probe.JournalTail(ctx, t, n, 20))
	}
	if len(names) == 1 {
		return check.FailWith(details.String(), "unit %s failed: %s", names[0], orUnknown(why[names[0]]))
	}
	return check.FailWith(details.String(), "%d units failed: %s", len(names), probe.Some(said))
}

// unitResult puts systemd's Result, ExecMainCode and ExecMainStatus in words.
func unitResult(p map[string]string) string {
	switch r := p["Result"]; r {
	case "", "success":
		return p["StatusText"]
	case "exit-code":
		// An ExecStartPre that failed leaves the main status 0.
		if p["ExecMainStatus"] == "" || p["ExecMainStatus"] == "0" {
			return "a command of it exited with an error"
		}
		return "exit status " + p["ExecMainStatus"]
	case "signal":
		return "killed by signal " + p["ExecMainStatus"]
	case "core-dump":
		return "crashed with signal " + p["ExecMainStatus"]
	case "start-limit-hit", "start-limit":
		return "started too often in too short a time"
	case "timeout":
		return "it did not start or stop in time"
	case "oom-kill":
		return "killed as memory ran out"
	case "dependency", "protocol", "resources", "watchdog":
		return "result " + r
	default:
		return "result " + r
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "no reason given"
	}
	return s
}
