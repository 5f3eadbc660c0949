package upgrade

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "keeps-selinux", Title: "a boolean and a label that the administrator gave SELinux's policy outlive an upgrade",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: 20 * time.Minute, Run: deployments.With(keepsSELinux),
})

// A boolean that every targeted policy has and no boot depends on, and a folder
// with a type that is not its own.
const (
	ownBoolean = "daemons_dump_core"
	ownFolder  = "/var/assay-labelled"
	ownType    = "httpd_sys_content_t"

	setPolicyScript = `
[ "$(getenforce 2>/dev/null || echo Disabled)" != Disabled ] && getsebool "$1" >/dev/null 2>&1 && command -v setsebool >/dev/null 2>&1 || exit 127
setsebool -P "$1" on || exit 1
command -v semanage >/dev/null 2>&1 && command -v matchpathcon >/dev/null 2>&1 || exit 0
semanage fcontext -a -t "$3" "$2(/.*)?" && echo 'label=1'`

	lookPolicyScript = `
getsebool "$1" | sed 's/.* /boolean=/'
! command -v matchpathcon >/dev/null 2>&1 || echo "label=$(matchpathcon -n "$2")"
exit 0`
)

func keepsSELinux(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	// To make a policy anew takes long.
	r, err := probe.Run(ctx, t, 3*time.Minute, setPolicyScript, ownBoolean, ownFolder, ownType)
	switch {
	case err != nil:
		return err
	case r.Exit == probe.Missing:
		return check.Skipf("SELinux does not run, or its policy has no boolean %s to set", ownBoolean)
	case !r.OK():
		return check.FailWith(r.Stderr, "SELinux's policy cannot be changed: %s", r.Said())
	}
	labelled := probe.Pairs(r.Stdout)["label"] != ""
	if _, err := h.UpdateAndReboot(ctx); err != nil {
		return err
	}
	out, err := probe.Output(ctx, t, "getsebool", lookPolicyScript, ownBoolean, ownFolder)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["boolean"] != "on":
		return check.FailWith(out, "the SELinux boolean %s was set with -P before an upgrade and is %q after it", ownBoolean, p["boolean"])
	case labelled && !strings.Contains(p["label"], ":"+ownType+":"):
		return check.FailWith(out, "%s was given the type %s with semanage before an upgrade, and is to have %q after it", ownFolder, ownType, p["label"])
	}
	return nil
}
