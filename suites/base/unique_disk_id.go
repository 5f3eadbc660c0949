package base

import (
	"context"

	"assay/suites/check"
)

// Only some systems give the disk a new id at the first boot (Fedora CoreOS
// does), hence advisory.
var _ = check.Register(suite, check.Check{
	Name: "unique-disk-id", Title: "the partition table of every boot has an id of its own", State: check.Fresh, Advisory: true, Run: uniqueDiskID,
})

func uniqueDiskID(ctx context.Context, t *check.T) error {
	first, second, err := twoBoots(ctx, t)
	switch {
	case err != nil:
		return err
	case second.PTUUID == "" || first.PTUUID == "":
		return check.Skipf("the id of the system's disk could not be read")
	case first.PTUUID == second.PTUUID:
		return check.Failf("the disks of two boots have the same partition table id %s: attached to one machine they are told apart by chance", second.PTUUID)
	}
	return nil
}
