package base

import (
	"context"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "service-persistence", Title: "a service enabled stays enabled over a reboot, a service disabled stays away", Run: servicePersistence,
	State: check.Rebooted, Prepare: prepareReboot, Labels: []string{"reboot"},
})

const probeUnitsScript = `
boot=$(cat /proc/sys/kernel/random/boot_id)
for u in "$1" "$2"; do
	ran=no; [ "$(cat "$3/$u.ran" 2>/dev/null)" = "$boot" ] && ran=yes
	echo "$u=$(systemctl is-enabled "$u" 2>/dev/null) $(systemctl is-active "$u" 2>/dev/null) $ran"
done
exit 0`

func servicePersistence(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "systemctl", probeUnitsScript, keptUnit, droppedUnit, noteFolder)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p[keptUnit] != "enabled active yes":
		return check.FailWith(out+probe.JournalTail(ctx, t, keptUnit, 20),
			"a service enabled before the reboot is now %q, and should be enabled, active and have run", p[keptUnit])
	case p[droppedUnit] != "disabled inactive no":
		return check.FailWith(out, "a service disabled before the reboot is now %q, and should be disabled, inactive and not have run", p[droppedUnit])
	}
	return nil
}
