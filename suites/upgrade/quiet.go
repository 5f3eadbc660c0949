package upgrade

import (
	"context"
	"time"

	"assay/suites/base"
	"assay/suites/check"
)

// An update is no better than the image when it boots and is not well: what is
// asked of a first boot is asked of the first boot of the new tree.
var _ = check.Register(suite,
	stays("flapping-units", "no unit of the new tree is restarted again and again", base.FlappingUnits),
	stays("core-dumps", "no process has crashed after an upgrade", base.CoreDumps),
	stays("journal-clean", "after an upgrade the journal shows no ordering cycle, failed generator, program panic or emergency mode", base.JournalClean),
	stays("console-clean", "after an upgrade the kernel reports no fault", base.ConsoleClean),
	stays("listeners", "after an upgrade nothing but SSH and the network's own services listens to the outside", base.Listeners),
)

// stays is a check of base, asked again; the slowest waits a minute for restarts.
func stays(name, title string, judge func(context.Context, *check.T) error) check.Check {
	return check.Check{Name: name, Title: title, State: check.Upgraded, Limit: 3 * time.Minute, Run: judge}
}
