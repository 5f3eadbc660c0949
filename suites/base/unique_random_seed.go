package base

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "unique-random-seed", Title: "no two boots of the image have the same random seed", State: check.Fresh, Run: uniqueRandomSeed,
})

func uniqueRandomSeed(ctx context.Context, t *check.T) error {
	first, second, err := twoBoots(ctx, t)
	switch {
	case err != nil:
		return err
	case second.RandomSeed == "" || first.RandomSeed == "":
		return check.Skipf("the image keeps no random seed in /var/lib/systemd")
	case first.RandomSeed == second.RandomSeed:
		return check.Failf("two boots of the image have the same /var/lib/systemd/random-seed: it is baked in; remove it from the image")
	}
	return nil
}
