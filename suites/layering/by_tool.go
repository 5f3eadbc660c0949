package layering

import (
	"context"
	"strings"

	"assay/harness/host"
	"assay/suites/check"
)

// byTool is the check c once for each tool that layers packages, as the
// criterion demands: "install" becomes "rpm-ostree-install" and "atomic-host-install".
func byTool(c check.Check, run func(ctx context.Context, t *check.T, among []host.Tool) error) (all []check.Check) {
	for _, tool := range tools {
		one := c
		one.Tools = []host.Tool{tool}
		one.Name = strings.ReplaceAll(string(tool), " ", "-") + "-" + c.Name
		one.Title = string(tool) + ": " + c.Title
		one.Run = func(ctx context.Context, t *check.T) error { return run(ctx, t, []host.Tool{tool}) }
		all = append(all, one)
	}
	return all
}
