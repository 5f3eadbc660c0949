package layering

import (
	"context"
	"slices"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, byTool(check.Check{
	Name: "uninstall", Title: "several packages are layered at once, with what they need, and their uninstall returns to the base",
	Isolated: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute,
}, uninstall)...)

// What the package "settings" brings: a configuration file, and a file that its
// script writes.
const (
	settingsFile  = "/etc/assay-settings.conf"
	settingsTrace = "/usr/share/assay-settings/post"
)

func uninstall(ctx context.Context, t *check.T, among []host.Tool) error {
	l, err := begin(ctx, t, among, hello, friend, settings)
	if err != nil {
		return err
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	now, err := l.layerNow(ctx, friend, settings)
	if err != nil {
		return err
	}
	if err := l.severalThere(ctx, now, was.BaseChecksum); err != nil {
		return err
	}
	return l.takeAway(ctx, was.BaseChecksum)
}

// severalThere judges the running system with friend and settings layered.
func (l *layer) severalThere(ctx context.Context, now host.Deployment, base string) error {
	if err := l.onTop("booted", now, base, l.name(friend), l.name(settings)); err != nil {
		return err
	}
	if err := l.present(ctx, l.name(friend), l.name(hello), l.name(settings)); err != nil {
		return err
	}
	// It runs the program of the package that it needs.
	if err := l.runs(ctx, l.name(friend), "hello"); err != nil {
		return err
	}
	for _, f := range []struct{ what, path string }{{"its configuration file", settingsFile}, {"what its script writes", settingsTrace}} {
		if there, err := l.exists(ctx, f.path); err != nil || !there {
			return orFail(err, "package %s is layered, and %s (%s) is not there", l.name(settings), f.what, f.path)
		}
	}
	return nil
}

// exists looks for a path in the guest.
func (l *layer) exists(ctx context.Context, path string) (bool, error) {
	r, err := probe.Run(ctx, l.t, 0, `[ -e "$1" ]`, path)
	return r.OK(), err
}

// orFail is err, or the image's failure where there is none.
func orFail(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return check.Failf(format, args...)
}

// takeAway uninstalls one after the other and boots the base.
func (l *layer) takeAway(ctx context.Context, base string) error {
	for i, purpose := range []string{settings, friend} {
		name := l.name(purpose)
		o, err := l.d.Uninstall(ctx, host.LayerOptions{Packages: []string{name}})
		if err := l.did("uninstall "+name, o, err); err != nil {
			return err
		}
		next, err := l.pending(ctx, "uninstalled "+name)
		if err != nil {
			return err
		}
		if i == 0 {
			if err := l.onTop("pending", next, base, l.name(friend)); err != nil {
				return err
			}
			if slices.Contains(next.Requested, name) {
				return check.Failf("%s says it uninstalled %s, and its status still lists it as requested", l.d.Tool(), name)
			}
			continue
		}
		if err := l.bare("pending", next, base); err != nil {
			return err
		}
		now, err := l.reboot(ctx, next)
		if err != nil {
			return err
		}
		if err := l.bare("booted", now, base); err != nil {
			return err
		}
	}
	if err := l.absent(ctx, "after the uninstall and a reboot", l.name(friend), l.name(hello), l.name(settings)); err != nil {
		return err
	}
	there, err := l.exists(ctx, settingsFile)
	if err != nil || there {
		return orFail(err, "package %s is uninstalled, and its configuration file %s, which nobody changed, stays", l.name(settings), settingsFile)
	}
	return nil
}
