package upgrade

import (
	"context"
	"slices"

	"assay/harness/livedin"
	"assay/suites/check"
	"assay/suites/deployments"
)

// The marks of a user's life on the host, each a check of its own.
var _ = check.Register(suite,
	keeps(livedin.User, "keeps-user", "a user who was added before an upgrade is there after it, with a home and what was in it", "the user "+livedin.UserName+", or its home, or what was in its home"),
	keeps(livedin.OwnFile, "keeps-etc-file", "an administrator's own file in /etc outlives an upgrade", "the administrator's own file "+livedin.EtcFile+", or its mode"),
	keeps(livedin.Edit, "keeps-etc-edit", "a changed file in /etc keeps its change over an upgrade", "a line that was added to "+livedin.HostsFile),
	keeps(livedin.Data, "keeps-var", "data in /var outlives an upgrade", "the data in "+livedin.VarFile),
	keeps(livedin.Unit, "keeps-unit", "a unit of the administrator's own stays enabled over an upgrade, and runs", "the enabled unit "+livedin.UnitName+", or its start"),
)

func keeps(mark livedin.Mark, name, title, lost string) check.Check {
	return check.Check{Name: name, Title: title, State: check.Upgraded, Run: func(ctx context.Context, t *check.T) error {
		if !slices.Contains(t.Env.Lived, mark) {
			if mark != livedin.Data {
				if err := deployments.EtcKept(ctx, t); err != nil {
					return err
				}
			}
			return check.Skipf("before the upgrade the guest could not get it: %s", lost)
		}
		left, err := livedin.Left(ctx, t)
		if err != nil {
			return err
		}
		if !slices.Contains(left, mark) {
			return check.Failf("%s is gone after an upgrade", lost)
		}
		return nil
	}}
}
