package base

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "core-dumps", Title: "no process has crashed", Run: coreDumps,
})

// coreScript lists what crash collectors kept, of any boot.
const coreScript = `
if command -v coredumpctl >/dev/null 2>&1; then
	coredumpctl list --no-pager --no-legend 2>/dev/null | sed 's/^/collected: /'
fi
for f in /core /core.[0-9]* /var/lib/systemd/coredump/* /var/crash/*.crash /var/crash/*/vmcore* /var/crash/*/dump.* /var/spool/abrt/*/coredump* /var/tmp/core* /tmp/core.[0-9]*; do
	[ -f "$f" ] && echo "file: $f"
done
exit 0`

// coreDumpMessage is the catalogue id of systemd-coredump's account of a crash.
const coreDumpMessage = "fc2e22bc6ee647b6b90729ab34a250b1"

// crash finds the accounts of crashes that images without a collector
// keep: the manager's, the kernel's, systemd-coredump's.
var crash = regexp.MustCompile(`dumped core|code=(dumped|killed), status=(4/ILL|5/TRAP|6/ABRT|7/BUS|8/FPE|11/SEGV|31/SYS)|segfault at [0-9a-f]+ ip|traps: \S+\[\d+\] (trap|general)|` + notScheduled.String())

// notScheduled is systemd's word for one of its own services that did not run for
// minutes, and was killed for that. They do little, and lock up on machines that
// stand still: it is the host's doing. Source: systemd/systemd#9079.
var notScheduled = regexp.MustCompile(`^(?P<name>systemd-\S+\.service):? [Ww]atchdog timeout \(limit `)

// crashed reads the name of the program or unit from an account.
var crashed = []*regexp.Regexp{
	regexp.MustCompile(`^Process \d+ \((?P<name>[^)]+)\) of user`),
	regexp.MustCompile(`^(?P<name>\S+\.\w+): (?i:main|control) process exited`),
	regexp.MustCompile(`^(traps: )?(?P<name>\S+?)\[\d+\]`),
}

func coreDumps(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sh", coreScript)
	if err != nil {
		return err
	}
	entries, err := probe.Search(ctx, t, guest.JournalQuery{}, crash)
	if err != nil {
		return err
	}
	stalled := map[string]bool{}
	for _, e := range entries {
		if m := notScheduled.FindStringSubmatch(e.Message); m != nil {
			stalled[m[1]], stalled[commOf(m[1])] = true, true
		}
	}
	var names, excused []string
	var seen []guest.Entry
	for _, e := range entries {
		name := crashName(e)
		switch {
		case name == "":
			continue
		case stalled[name], stalled[e.Fields["COREDUMP_UNIT"]]:
			excused = appendNew(excused, name)
			continue
		}
		seen = append(seen, e)
		names = appendNew(names, name)
	}
	// What the collector kept of them is no other crash.
	kept := slices.DeleteFunc(probe.Lines(out), func(l string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(stalled)), func(s string) bool { return strings.Contains(l, s) })
	})
	details := probe.Entries(seen) + out
	switch {
	case len(names) > 0:
		return check.FailWith(probe.Clip(details, 8000), "%s crashed: %s", probe.Some(names), probe.OneLine(seen[0].Message))
	case len(kept) > 0:
		return check.FailWith(probe.Clip(details, 8000), "a process crashed and left a core dump: %s", probe.OneLine(kept[0]))
	case len(excused) > 0 && t.Env.Accelerator != "tcg":
		return check.Infraf("the guest stood still for minutes: systemd killed %s, whose watchdogs they did not feed", probe.Some(excused))
	case len(excused) > 0:
		t.Log("systemd killed %s, which were not run for minutes, as happens to emulated guests", probe.Some(excused))
	}
	return nil
}

// commOf is the name that the kernel has for a service's program, of which it
// keeps 15 characters: a collector does not tell journald's unit.
func commOf(unit string) string {
	comm := strings.TrimSuffix(unit, ".service")
	return comm[:min(15, len(comm))]
}

func crashName(e guest.Entry) string {
	if e.MessageID == coreDumpMessage && e.Fields["COREDUMP_COMM"] != "" {
		if unit := e.Fields["COREDUMP_UNIT"]; unit != "" {
			return e.Fields["COREDUMP_COMM"] + " of " + unit
		}
		return e.Fields["COREDUMP_COMM"]
	}
	if notScheduled.MatchString(e.Message) {
		return ""
	}
	for _, re := range crashed {
		if m := re.FindStringSubmatch(e.Message); m != nil {
			return m[re.SubexpIndex("name")]
		}
	}
	if strings.Contains(e.Message, "dumped core") {
		return e.Ident
	}
	return ""
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}
