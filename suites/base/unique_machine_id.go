package base

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "unique-machine-id", Title: "two boots of the image have different machine ids", State: check.Fresh, Run: uniqueMachineID,
})

func uniqueMachineID(ctx context.Context, t *check.T) error {
	first, second, err := twoBoots(ctx, t)
	switch {
	case err != nil:
		return err
	case second.MachineID == "":
		return check.Failf("/etc/machine-id is empty or missing after the boot")
	case second.MachineID == first.MachineID:
		return check.Failf("two boots of the image have the machine id %s: it is baked in; ship /etc/machine-id empty or without it", second.MachineID)
	}
	return nil
}
