package upgrade

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "etc-default", Title: "a new default file of the new tree arrives in /etc", State: check.Upgraded, Run: deployments.With(etcDefault),
})

// defaultLimit bounds what is read of a default file, which has one line.
const defaultLimit = 64 << 10

func etcDefault(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if !h.Derived() {
		return check.Skipf("it is not known which files in /etc the update brings")
	}
	text, err := readDefault(ctx, t)
	if err != nil {
		return err
	}
	if text != h.Newer().Version {
		return check.Failf("%s, which the new tree brings as a default, holds %q after an upgrade, want %q", check.DerivedEtc, text, h.Newer().Version)
	}
	return nil
}

// readDefault is the first line of DerivedEtc; a missing one is the image's failure.
func readDefault(ctx context.Context, t *check.T) (string, error) {
	text, err := t.ReadFile(ctx, check.DerivedEtc, defaultLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return "", check.Failf("%s, which the new tree brings as a default, did not arrive in /etc", check.DerivedEtc)
	}
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first, nil
}
