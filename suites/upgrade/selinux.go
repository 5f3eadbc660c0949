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

// selinuxScript prints how strict SELinux is, and how strict it is to be.
const selinuxScript = `
[ -f /etc/selinux/config ] || exit 127
mode=$(getenforce 2>/dev/null) || mode=Disabled
echo "mode=$mode"
sed -n 's/^SELINUX=/configured=/p' /etc/selinux/config`

var denial = regexp.MustCompile(`avc:\s+denied`)

func selinux(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "SELinux policy", selinuxScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
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
