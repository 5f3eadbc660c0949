package identity

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "unique-machine-id", Title: "two boots of the image have different machine ids", State: check.Fresh, Run: uniqueMachineID,
})

func uniqueMachineID(ctx context.Context, t *check.T) error {
	this, first, err := both(ctx, t)
	switch {
	case err != nil:
		return err
	case this.MachineID == "":
		return check.Failf("/etc/machine-id is empty or missing after the boot")
	case this.MachineID == first.MachineID:
		return check.Failf("two boots of the image have the machine id %s: it is baked in; ship /etc/machine-id empty or without it", this.MachineID)
	}
	return nil
}
