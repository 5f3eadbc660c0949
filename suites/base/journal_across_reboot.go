package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "journal-across-reboot", Title: "the journal of the boot before is there after a reboot", Run: journalAcrossReboot,
	State: check.Rebooted, Prepare: prepareReboot, Labels: []string{"reboot"},
})

const bootListScript = `command -v journalctl >/dev/null 2>&1 || exit 127
journalctl --list-boots --no-pager 2>&1; exit 0`

func journalAcrossReboot(ctx context.Context, t *check.T) error {
	before := t.Prepared.(notes)
	out, err := probe.Output(ctx, t, "journalctl", bootListScript)
	if err != nil {
		return err
	}
	// The list has boot ids without hyphens.
	was := strings.ReplaceAll(before.bootID, "-", "")
	is := strings.ReplaceAll(t.BootID(), "-", "")
	switch {
	case !strings.Contains(out, is):
		return check.FailWith(out, "the journal does not know the boot it runs in")
	case !strings.Contains(out, was):
		return check.FailWith(out, "the journal of the boot before is gone after a reboot: it was kept in memory only, or under another machine-id")
	}
	return nil
}
