package base

import (
	"context"

	"assay/harness/guest"
	"assay/suites/check"
)

// twoBoots reads who this guest is, a second first boot of the image under a
// seed of its own, and who the first boot was.
func twoBoots(ctx context.Context, t *check.T) (first, second guest.Identity, err error) {
	if t.Env.First == nil {
		// Not a skip: a copied identity must not pass because nobody looked.
		return first, second, check.Infraf("the identity of the first boot could not be read, so that there is nothing to compare with")
	}
	if second, err = guest.ReadIdentity(ctx, t, t.Env.HostKey); err != nil {
		return first, second, err
	}
	if second.BootID != "" && second.BootID == t.Env.First.BootID {
		return first, second, check.Infraf("the two boots to compare are one (boot id %s)", second.BootID)
	}
	return *t.Env.First, second, nil
}
