package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "selinux-policy-unmodified", Title: "the SELinux policy in /etc is the one the tree ships", Run: selinuxPolicy,
})

// configDiffScript prints what /etc differs in from the tree's defaults.
const configDiffScript = `command -v ostree >/dev/null 2>&1 || exit 127
[ -e /run/ostree-booted ] || exit 127
ostree admin config-diff 2>/dev/null`

func selinuxPolicy(ctx context.Context, t *check.T) error {
	if err := needSELinux(ctx, t); err != nil {
		return err
	}
	out, err := probe.Output(ctx, t, "ostree", configDiffScript)
	if err != nil {
		return err
	}
	var changed []string
	for _, l := range probe.Lines(out) {
		f := strings.Fields(l) // "M    selinux/targeted/policy/policy.33"
		if len(f) == 2 && strings.HasPrefix(f[1], "selinux/") &&
			(strings.Contains(f[1], "/policy/policy.") || strings.Contains(f[1], "/active/")) {
			changed = append(changed, "/etc/"+f[1])
		}
	}
	if len(changed) > 0 {
		return check.FailWith(strings.Join(changed, "\n"),
			"the SELinux policy in /etc differs from the tree's, so upgrades will not update it: %s", probe.Some(changed))
	}
	return nil
}
