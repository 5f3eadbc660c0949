package storage

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "setup-unit", Title: "the service that sets container storage up has done so", Run: setupUnit,
})

// setupScript prints the state of the setup services that the image ships.
const setupScript = `
found=
for u in docker-storage-setup.service container-storage-setup.service; do
	[ "$(systemctl show -p LoadState "$u" 2>/dev/null)" = LoadState=loaded ] || continue
	found=1
	echo "unit=$u"
	systemctl show -p UnitFileState -p ActiveState -p Result -p ExecMainStartTimestampMonotonic "$u"
	break
done
[ -n "$found" ] || exit 127
exit 0`

func setupUnit(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "docker-storage-setup or container-storage-setup", setupScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	unit := p["unit"]
	switch {
	case p["Result"] != "success" || p["ActiveState"] == "failed":
		return check.FailWith(probe.JournalTail(ctx, t, unit, 30), "%s failed: result %s", unit, p["Result"])
	case p["UnitFileState"] == "disabled" || p["UnitFileState"] == "masked":
		return check.Skipf("%s is %s", unit, p["UnitFileState"])
	case p["ExecMainStartTimestampMonotonic"] == "0" || p["ExecMainStartTimestampMonotonic"] == "":
		// Its conditions may keep it from running once storage is set up, on later boots.
		if log := probe.JournalTail(ctx, t, unit, 30); !strings.Contains(log, "Started") && !strings.Contains(log, "Finished") {
			return check.FailWith(log, "%s is shipped and did not run", unit)
		}
	}
	return nil
}
