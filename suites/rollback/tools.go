package rollback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/harness/livedin"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, deployments.PerTool(check.Check{
	Title: "%s rolls back to the very deployment of before, with its /etc and all of /var",
	State: check.Upgraded, Isolated: true, Labels: []string{"reboot"}, Limit: 12 * time.Minute,
}, byTool)...)

// What is made after the upgrade: the file in /etc belongs to the deployment
// that is left, the one in /var to the host.
const (
	etcAfter = "/etc/assay-after-upgrade"
	varAfter = "/var/lib/assay-after-upgrade"

	makeAfterScript = `for f; do echo after >"$f" || exit 1; done; sync`
	lookAfterScript = `[ -e "$1" ] && echo etc=1
[ -e "$2" ] && echo var=1
exit 0`
)

func byTool(ctx context.Context, t *check.T, h deployments.Host) error {
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	want, err := target(before)
	if err != nil {
		return err
	}
	if _, err := probe.Output(ctx, t, "sh", makeAfterScript, etcAfter, varAfter); err != nil {
		return err
	}
	if _, err := h.Rollback(ctx, host.RollbackOptions{}); err != nil {
		return err
	}
	if err := returning(ctx, h, want); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	if err := returned(ctx, h, before, want); err != nil {
		return err
	}
	return left(ctx, t, false)
}

// target is the deployment that a rollback returns to.
func target(s host.Status) (host.Deployment, error) {
	d, ok := s.Rollback()
	if !ok {
		return d, check.FailWith(deployments.List(s), "after an upgrade there is no deployment to roll back to")
	}
	return d, nil
}

// returning wants the deployment to be the next to boot.
func returning(ctx context.Context, h deployments.Host, want host.Deployment) error {
	s, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	next, ok := s.Pending()
	if !ok {
		return check.FailWith(deployments.List(s), "%s says that it rolled back, and the booted deployment is still the next to boot", h.Tool())
	}
	if diff := differences(next, want); diff != "" {
		return check.FailWith(deployments.List(s), "%s rolls back to another deployment than the one of before: %s", h.Tool(), diff)
	}
	return nil
}

// returned wants the deployment to be booted, and the one booted before to be
// what the next rollback returns to.
func returned(ctx context.Context, h deployments.Host, before host.Status, want host.Deployment) error {
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	was, err := before.Booted()
	if err != nil {
		return err
	}
	if diff := differences(booted, want); diff != "" {
		return check.FailWith(deployments.List(s), "after a rollback by %s and a reboot the booted deployment is not the one of before: %s", h.Tool(), diff)
	}
	back, ok := s.Rollback()
	if !ok || differences(back, was) != "" {
		return check.FailWith(deployments.List(s), "after a rollback by %s the deployment it rolled back from (%s) is not kept", h.Tool(), deployments.Describe(was))
	}
	return nil
}

// differences compares two deployments but for their place in the boot order.
func differences(a, b host.Deployment) string {
	for _, d := range []*host.Deployment{&a, &b} {
		d.Booted, d.Pending, d.Staged, d.Rollback = false, false, false, false
	}
	return strings.Join(a.Differences(b), "; ")
}

// left wants what users did to be where it belongs: before the upgrade in
// /etc and /var of both trees, after it in /etc of the newer one and in /var.
func left(ctx context.Context, t *check.T, newer bool) error {
	marks, err := livedin.Left(ctx, t)
	if err != nil {
		return err
	}
	var lost []string
	for _, m := range t.Env.Lived {
		if !slices.Contains(marks, m) {
			lost = append(lost, string(m))
		}
	}
	if len(lost) > 0 {
		return check.Failf("what a user did before the upgrade is gone after a rollback: %s", strings.Join(lost, ", "))
	}
	out, err := probe.Output(ctx, t, "sh", lookAfterScript, etcAfter, varAfter)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["var"] == "":
		return check.Failf("the file %s, made after the upgrade, is gone after a rollback: /var is to be kept", varAfter)
	case p["etc"] != "" && !newer:
		return check.Failf("the file %s, made after the upgrade, is there after a rollback: /etc is to be that of the old deployment", etcAfter)
	case p["etc"] == "" && newer:
		err := deployments.EtcKept(ctx, t)
		if check.Skips(err) {
			t.Log("the file %s is not asked for: %v", etcAfter, err)
			return nil
		}
		if err != nil {
			return err
		}
		return check.Failf("the file %s, made in the newer deployment, is gone after going back to it", etcAfter)
	}
	return nil
}

func describe(what string, h deployments.Host) string { return fmt.Sprintf("%s by %s", what, h.Tool()) }
