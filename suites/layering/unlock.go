package layering

import (
	"context"
	"errors"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "unlock", Title: "an unlocked /usr takes files until the reboot, and cannot be unlocked twice",
	Isolated: true, Labels: []string{"reboot"}, Limit: 6 * time.Minute, Run: unlock,
}, check.Check{
	Name: "unlock-hotfix", Title: "what is put into /usr as a hotfix stays after a reboot, and the status says so",
	Isolated: true, Labels: []string{"reboot"}, Limit: 6 * time.Minute, Run: unlockHotfix,
})

// unlockers are the tools that open /usr for writing.
var unlockers = []host.Tool{host.OSTree, host.Bootc}

// usrFile is what the checks put into /usr; usrScript prints what is mounted
// there.
const (
	usrFile   = "/usr/share/assay-unlocked"
	usrScript = `awk '$2 == "/usr" { t = $3 } END { print t }' /proc/mounts`
)

// write tries to put a file into /usr.
func (l *layer) write(ctx context.Context) (guest.Result, error) {
	return l.t.Run(ctx, guest.Command{Args: []string{"touch", usrFile}})
}

// unlock opens /usr and puts a file there.
func (l *layer) unlock(ctx context.Context, options host.UnlockOptions) error {
	r, err := l.write(ctx)
	if err != nil {
		return err
	}
	if r.OK() {
		return check.Failf("/usr takes files although nobody unlocked it")
	}
	o, err := l.d.Unlock(ctx, options)
	if err == nil {
		o.Changed = true // it need not say so
	}
	if err := l.did("unlock /usr", o, err); err != nil {
		return err
	}
	if r, err = l.write(ctx); err != nil {
		return err
	}
	if !r.OK() {
		return check.Failf("%s unlocked /usr, and it still takes no file: %s", l.d.Tool(), probe.OneLine(r.Said()))
	}
	out, err := probe.Output(ctx, l.t, "awk", usrScript)
	if err != nil {
		return err
	}
	if fs := probe.OneLine(out); fs != "overlay" {
		return check.Failf("%s unlocked /usr, and what is mounted there is %q, not an overlay", l.d.Tool(), fs)
	}
	return nil
}

// told judges what the status tells of the booted deployment; bootc tells nothing.
func (l *layer) told(ctx context.Context, want string) error {
	b, err := l.booted(ctx)
	if err != nil || l.d.Tool() == host.Bootc {
		return err
	}
	if b.Unlocked != want {
		return check.Failf("%s status tells of the booted deployment unlocked %q, want %q", l.d.Tool(), b.Unlocked, want)
	}
	return nil
}

func unlock(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, unlockers)
	if err != nil {
		return err
	}
	if err := l.unlock(ctx, host.UnlockOptions{}); err != nil {
		return err
	}
	if err := l.told(ctx, "development"); err != nil {
		return err
	}
	_, err = l.d.Unlock(ctx, host.UnlockOptions{})
	var refused *host.RefusedError
	switch {
	case err == nil:
		return check.Failf("%s unlocks a /usr that is unlocked already", l.d.Tool())
	case !errors.As(err, &refused):
		return err
	case notItself(refused) != "":
		return l.refusedTo("be asked to unlock /usr twice", refused)
	case refused.Reason != host.Unlocked:
		return check.FailWith(evidence(refused), "%s refuses to unlock /usr twice and does not say that it is unlocked already: %s", l.d.Tool(), probe.OneLine(refused.Said()))
	}
	if _, err := l.reboot(ctx, host.Deployment{}); err != nil {
		return err
	}
	there, err := l.exists(ctx, usrFile)
	if err != nil || there {
		return orFail(err, "what was put into the unlocked /usr (%s) is still there after the reboot", usrFile)
	}
	r, err := l.write(ctx)
	if err != nil || r.OK() {
		return orFail(err, "/usr was unlocked, and after the reboot it still takes files")
	}
	return l.told(ctx, "")
}

func unlockHotfix(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, unlockers[:1])
	if err != nil {
		return err
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	if err := l.unlock(ctx, host.UnlockOptions{Hotfix: true}); err != nil {
		return err
	}
	if _, err := l.reboot(ctx, host.Deployment{}); err != nil {
		return err
	}
	there, err := l.exists(ctx, usrFile)
	if err != nil || !there {
		return orFail(err, "the hotfix in /usr (%s) is gone after the reboot", usrFile)
	}
	s, _, err := l.status(ctx)
	if err != nil {
		return err
	}
	if back, ok := s.Rollback(); !ok || !host.SameChecksum(back.Checksum, was.Checksum) {
		return check.Failf("a hotfix leaves no deployment of %s without it to roll back to", short(was.Checksum))
	}
	return l.told(ctx, "hotfix")
}
