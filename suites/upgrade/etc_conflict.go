package upgrade

import (
	"context"
	"errors"
	"path"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "etc-conflict", Title: "an administrator's file in /etc where the new tree has a folder is refused or kept, never lost",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: deployments.With(etcConflict),
})

const (
	conflictText        = "an administrator's file"
	makeConflictScript  = `rm -rf "$1" && echo "$2" >"$1" && sync`
	checkConflictScript = `[ -f "$1" ] && head -n 1 "$1"; exit 0`
)

func etcConflict(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if !h.Derived() {
		return check.Skipf("it is not known which folders in /etc the update brings")
	}
	file := path.Dir(check.DerivedEtc)
	if _, err := probe.Output(ctx, t, "sh", makeConflictScript, file, conflictText); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	err = h.Update(ctx)
	var refused *host.RefusedError
	if errors.As(err, &refused) && ofConflict(refused, file) {
		t.Log("%s refuses the update: %s", h.Tool(), refused.Said())
		s, _, err := h.Booted(ctx)
		if err != nil {
			return err
		}
		if d, ok := s.Pending(); ok {
			return check.FailWith(deployments.List(s), "%s refuses an update that conflicts with /etc, and makes %s the next to boot", h.Tool(), deployments.Describe(d))
		}
		return kept(ctx, t, file, "an upgrade that was refused")
	}
	if err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	_, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	was, err := before.Booted()
	if err != nil {
		return err
	}
	if !deployments.Is(booted, h.Newer()) && booted.Checksum != was.Checksum {
		return check.Failf("after an upgrade that conflicts with /etc the system booted %s, which is neither the old nor the new tree", deployments.Describe(booted))
	}
	t.Log("after the reboot %s is booted", deployments.Describe(booted))
	return kept(ctx, t, file, "an upgrade to a tree that has a folder there")
}

// ofConflict reports that a tool refuses because of the file: in words that are
// known, or in others that name its path, of which tools leave out /etc.
func ofConflict(r *host.RefusedError, file string) bool {
	return r.Reason == host.EtcConflict ||
		r.Reason == "" && strings.Contains(r.Result.Stdout+r.Result.Stderr, strings.TrimPrefix(file, "/etc/"))
}

func kept(ctx context.Context, t *check.T, file, after string) error {
	out, err := probe.Output(ctx, t, "sh", checkConflictScript, file)
	if err != nil {
		return err
	}
	if got := probe.Lines(out); len(got) != 1 || got[0] != conflictText {
		return check.Failf("the administrator's file %s is lost after %s", file, after)
	}
	return nil
}
