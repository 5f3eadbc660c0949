// Package identity is suite "identity": every boot of an image is a machine of
// its own. It compares a first boot with another first boot of the same image,
// each under its own seed.
package identity

import (
	"context"

	"assay/harness/guest"
	"assay/suites/check"
)

var suite = check.Suite{Name: "identity", Criterion: "S0", Title: "every boot of the image is a machine of its own"}

// both reads who this guest is, and who the first boot was.
func both(ctx context.Context, t *check.T) (this, first guest.Identity, err error) {
	if t.Env.First == nil {
		return this, first, check.Infraf("the identity of the first boot could not be read, so that there is nothing to compare with")
	}
	this, err = guest.ReadIdentity(ctx, t, t.Env.HostKey)
	return this, *t.Env.First, err
}
