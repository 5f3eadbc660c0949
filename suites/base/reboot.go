package base

import (
	"context"
	"errors"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "reboot", Title: "the system reboots when asked to, and comes back running, itself and with its changes in /etc and /var", Run: reboot,
	State: check.Rebooted, Prepare: prepareReboot, JudgesReboot: true, Labels: []string{"reboot"},
})

const afterRebootScript = `
echo "id=$(head -n 1 /etc/machine-id)"
[ -e "$1/boot-id" ] && echo 'var=1'
[ -e "$2" ] && echo 'etc=1'
exit 0`

func reboot(ctx context.Context, t *check.T) error {
	before := t.Prepared.(notes)
	if errors.Is(t.RebootErr, guest.ErrRebootNotSeen) {
		return check.Failf("the system does not go down when it is told to reboot")
	}
	var notUp *guest.NotReadyError
	if errors.As(t.RebootErr, &notUp) && (notUp.Stage == guest.StageHostKey || notUp.Stage == guest.StageLogin) {
		return check.Failf("after a reboot SSH answers, but its keys are no longer those of the seed: %v", notUp.Last)
	}
	if t.RebootErr != nil {
		return t.RebootErr
	}
	out, err := probe.Output(ctx, t, "sh", afterRebootScript, noteFolder, etcNote)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["var"] == "":
		return check.Failf("a file written to %s is gone after a reboot", noteFolder)
	case p["etc"] == "":
		return check.Failf("the file %s is gone after a reboot", etcNote)
	case p["id"] != before.machineID:
		return check.Failf("the machine-id changed with a reboot, from %s to %s", before.machineID, p["id"])
	}
	return systemRunning(ctx, t)
}
