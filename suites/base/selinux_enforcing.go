package base

import (
	"context"

	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "selinux-enforcing", Title: "SELinux is enforcing, now and by configuration", Run: selinuxEnforcing,
})

func selinuxEnforcing(ctx context.Context, t *check.T) error {
	mode, p, err := selinuxMode(ctx, t)
	if err != nil {
		return err
	}
	switch {
	case p["selinux"] == "0":
		return check.Failf("SELinux is off by the kernel argument selinux=0 although the image ships a policy")
	case p["noconfig"] != "":
		return check.Failf("SELinux is %s: the image ships a policy and no /etc/selinux/config that puts it to use", mode)
	case mode != "Enforcing" && p["enforcing"] == "0":
		return check.Failf("SELinux is %s by the kernel argument enforcing=0", mode)
	case mode != "Enforcing":
		return check.Failf("SELinux is %s, not Enforcing (SELINUX=%s in /etc/selinux/config)", mode, p["configured"])
	case p["configured"] != "enforcing":
		return check.Failf("SELinux is enforcing now and will not be after a reboot: SELINUX=%s in /etc/selinux/config", p["configured"])
	}
	return nil
}
