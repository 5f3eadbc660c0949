package packages

import (
	"context"
	"fmt"

	"assay/release"
)

// Read is the manifest that stands in the history as event seq; see
// release.Build.PackagesAt.
func Read(ctx context.Context, log release.Log, seq uint64) ([]string, error) {
	fail := func(err error) ([]string, error) {
		return nil, fmt.Errorf("cannot read the package list, event %d: %w", seq, err)
	}
	if seq == 0 {
		return fail(fmt.Errorf("there is no such event"))
	}
	for r, err := range log.Read(ctx, seq-1) {
		if err == nil {
			err = r.Err
		}
		if err != nil {
			return fail(err)
		}
		e, err := release.Decode(r.Raw)
		if err != nil {
			return fail(err)
		}
		if f, ok := e.Fact.(*release.PackagesListed); ok && r.Seq == seq {
			return f.Packages, nil
		}
		return fail(fmt.Errorf("it is a %s", e.Type))
	}
	return fail(fmt.Errorf("the history ends before it"))
}
