package identity

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "unique-random-seed", Title: "no two boots of the image start from the same random seed", State: check.Fresh, Run: uniqueRandomSeed,
})

func uniqueRandomSeed(ctx context.Context, t *check.T) error {
	this, first, err := both(ctx, t)
	switch {
	case err != nil:
		return err
	case this.RandomSeed == "" && first.RandomSeed == "":
		return check.Skipf("the image keeps no random seed in /var/lib/systemd")
	case this.RandomSeed == first.RandomSeed:
		return check.Failf("two boots of the image have the same /var/lib/systemd/random-seed: it is baked in; remove it from the image")
	}
	return nil
}
