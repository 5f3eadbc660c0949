package base

import (
	"context"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

// They belong to the promise that /usr is read-only, and to no criterion of the
// release: a host that layers no packages must not pass as one that does because
// its /usr can be unlocked.
var _ = check.Register(suite, check.Check{
	Name: "unlock", Title: "an unlocked /usr takes files until the reboot, and cannot be unlocked twice",
	Isolated: true, Tools: []host.Tool{host.OSTree, host.Bootc}, Labels: []string{"reboot", "slow"}, Limit: 6 * time.Minute, Run: unlocked(unlock),
}, check.Check{
	Name: "unlock-hotfix", Title: "what is put into /usr as a hotfix stays after a reboot, and the status says so",
	Isolated: true, Tools: []host.Tool{host.OSTree}, Labels: []string{"reboot", "slow"}, Limit: 6 * time.Minute, Run: unlocked(unlockHotfix),
})

func unlocked(run func(ctx context.Context, t *check.T, h deployments.Host) error) func(ctx context.Context, t *check.T) error {
	return func(ctx context.Context, t *check.T) error {
		h, err := deployments.Unlocker(ctx, t)
		if err != nil {
			return err
		}
		return deployments.Judge(run(ctx, t, h))
	}
}

func unlock(ctx context.Context, t *check.T, h deployments.Host) error {
	if err := h.Open(ctx, host.UnlockOptions{}); err != nil {
		return err
	}
	if err := tellsUnlocked(ctx, h, "development"); err != nil {
		return err
	}
	_, err := h.Unlock(ctx, host.UnlockOptions{})
	if err := h.Refused(err, "unlock a /usr that is unlocked already", host.Unlocked); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	there, err := exists(ctx, t, deployments.UsrFile)
	switch {
	case err != nil:
		return err
	case there:
		return check.Failf("what was put into the unlocked /usr (%s) is still there after the reboot", deployments.UsrFile)
	}
	r, err := h.WriteUsr(ctx)
	switch {
	case err != nil:
		return err
	case r.OK():
		return check.Failf("/usr was unlocked, and after the reboot it still takes files")
	}
	return tellsUnlocked(ctx, h, "")
}

func unlockHotfix(ctx context.Context, t *check.T, h deployments.Host) error {
	boot, err := host.ReadPrepareRoot(ctx, t)
	switch {
	case err != nil:
		return err
	case boot.Signed: // ostree's switchroot/ostree-prepare-root.c
		return check.Skipf("the image boots signed trees alone (composefs=signed), and no hotfixes of them")
	}
	_, was, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if err := h.Open(ctx, host.UnlockOptions{Hotfix: true}); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	there, err := exists(ctx, t, deployments.UsrFile)
	switch {
	case err != nil:
		return err
	case !there:
		return check.Failf("the hotfix in /usr (%s) is gone after the reboot", deployments.UsrFile)
	}
	s, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if back, ok := s.Rollback(); !ok || !deployments.Same(back, was) {
		return check.FailWith(deployments.List(s), "a hotfix leaves no deployment of %s without it to roll back to", deployments.Describe(was))
	}
	return tellsUnlocked(ctx, h, "hotfix")
}

// tellsUnlocked judges what the status tells of the booted deployment; bootc tells nothing.
func tellsUnlocked(ctx context.Context, h deployments.Host, want string) error {
	s, b, err := h.Booted(ctx)
	if err != nil || h.Tool() == host.Bootc {
		return err
	}
	if b.Unlocked != want {
		return check.FailWith(deployments.List(s), "%s status tells of the booted deployment unlocked %q, want %q", h.Tool(), b.Unlocked, want)
	}
	return nil
}

const existsScript = `[ -e "$1" ]`

func exists(ctx context.Context, t *check.T, path string) (bool, error) {
	r, err := probe.Run(ctx, t, 0, existsScript, path)
	return r.OK(), err
}
