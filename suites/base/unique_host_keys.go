package base

import (
	"context"
	"slices"
	"strings"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "unique-host-keys", Title: "no two boots of the image share an SSH host key", State: check.Fresh, Run: uniqueHostKeys,
})

func uniqueHostKeys(ctx context.Context, t *check.T) error {
	first, second, err := twoBoots(ctx, t)
	if err != nil {
		return err
	}
	for _, k := range second.HostKeys {
		if slices.Contains(first.HostKeys, k) {
			kind, _, _ := strings.Cut(k, " ")
			return check.FailWith(k, "two boots of the image have the same %s host key: it is baked in; remove /etc/ssh/ssh_host_* from the image", kind)
		}
	}
	return nil
}
