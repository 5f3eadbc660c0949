package upgrade

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "selinux", Title: "after an upgrade SELinux is as strict as its configuration says, and denied nothing", State: check.Upgraded, Run: selinux,
})

// selinuxScript prints how strict SELinux is, and how strict it is to be. As in the
// base suite, an image without SELinux has neither configuration nor policy; one that
// has a policy and no configuration lost the latter, and runs without SELinux.
const selinuxScript = `
policy() {
	for f in /etc/selinux/*/policy/policy.* /usr/etc/selinux/*/policy/policy.*; do [ -f "$f" ] && return 0; done
	return 1
}
if [ ! -f /etc/selinux/config ]; then
	policy || exit 127
	echo 'noconfig=1'
fi
mode=$(getenforce 2>/dev/null) || mode=Disabled
echo "mode=$mode"
[ -f /etc/selinux/config ] && sed -n 's/^SELINUX=/configured=/p' /etc/selinux/config
exit 0`

var denial = regexp.MustCompile(`avc:\s+denied`)

func selinux(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "SELinux policy", selinuxScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["noconfig"] != "":
		return check.FailWith(out, "after an upgrade there is an SELinux policy and no /etc/selinux/config, which puts it to use: SELinux is %s", p["mode"])
	case p["configured"] == "disabled":
		return check.Skipf("SELinux is disabled by configuration")
	case !strings.EqualFold(p["mode"], p["configured"]):
		return check.FailWith(out, "SELinux is %s after an upgrade, and its configuration says %s", p["mode"], p["configured"])
	}
	entries, err := probe.Search(ctx, t, guest.JournalQuery{}, denial)
	if err != nil {
		return err
	}
	// A domain that the policy tries out is denied nothing.
	entries = slices.DeleteFunc(entries, func(e guest.Entry) bool { return strings.Contains(e.Message, " permissive=1") })
	if len(entries) > 0 {
		return check.FailWith(probe.Clip(probe.Entries(entries), 8000), "after an upgrade SELinux denied %d things, the first: %s", len(entries), probe.OneLine(entries[0].Message))
	}
	return nil
}
