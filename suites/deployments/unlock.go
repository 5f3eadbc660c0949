package deployments

import (
	"context"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

// Unlocker is the host as the first of its tools that open /usr for writing; a
// skip where it has none.
func Unlocker(ctx context.Context, t *check.T) (Host, error) {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return Host{}, err
	}
	for _, tool := range []host.Tool{host.OSTree, host.Bootc} {
		if d, ok := found.Driver(tool); ok {
			return Host{d, t}, nil
		}
	}
	return Host{}, check.Skipf("the image ships neither ostree nor bootc, which unlock /usr")
}

// RootKept is a skip where the image has its root, and /usr in it, take files
// until the next boot. It is asked where /usr was seen to take one.
func RootKept(ctx context.Context, g guest.Guest) error {
	boot, err := host.ReadPrepareRoot(ctx, g)
	if err == nil && boot.RootTransient {
		err = check.Skipf("the image has all of its root take files until the next boot (root.transient in ostree's prepare-root.conf)")
	}
	return err
}

// EtcKept is a skip where the image throws /etc away at each boot. It is asked
// where something in /etc is gone.
func EtcKept(ctx context.Context, g guest.Guest) error {
	boot, err := host.ReadPrepareRoot(ctx, g)
	if err == nil && boot.EtcTransient {
		err = check.Skipf("the image throws /etc away at each boot (etc.transient in ostree's prepare-root.conf)")
	}
	return err
}

// UsrFile is what WriteUsr puts into /usr.
const UsrFile = "/usr/share/assay-unlocked"

// UsrScript prints what is mounted on /usr.
const UsrScript = `awk '$2 == "/usr" { t = $3 } END { print t }' /proc/mounts`

// WriteUsr tries to put a file into /usr.
func (h Host) WriteUsr(ctx context.Context) (guest.Result, error) {
	return h.t.Run(ctx, guest.Command{Args: []string{"touch", UsrFile}})
}

// Open unlocks /usr, which must be locked before and take files after it.
func (h Host) Open(ctx context.Context, o host.UnlockOptions) error {
	r, err := h.WriteUsr(ctx)
	if err != nil {
		return err
	}
	if r.OK() {
		if err := RootKept(ctx, h.t); err != nil {
			return err
		}
		return check.Failf("/usr takes files although nobody unlocked it")
	}
	if _, err := h.Unlock(ctx, o); err != nil {
		return err
	}
	if r, err = h.WriteUsr(ctx); err != nil {
		return err
	}
	if !r.OK() {
		return check.Failf("%s unlocked /usr, and it still takes no file: %s", h.Tool(), probe.OneLine(r.Said()))
	}
	out, err := probe.Output(ctx, h.t, "awk", UsrScript)
	if err != nil {
		return err
	}
	if fs := probe.OneLine(out); fs != "overlay" {
		return check.Failf("%s unlocked /usr, and what is mounted there is %q, not an overlay", h.Tool(), fs)
	}
	return nil
}
