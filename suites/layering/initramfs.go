package layering

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "initramfs", Title: "the host makes its own initramfs, boots it, and gives it up again",
	Isolated: true, Labels: []string{"reboot", "slow"}, Limit: 20 * time.Minute, Run: initramfs,
})

// initramfsArgs put a file into the initramfs that no other has need of.
var initramfsArgs = []string{"-I", "/usr/bin/env"}

// bootScript prints the checksum of the kernel and initramfs that were booted,
// by which ostree names their folder; contentScript whether the initramfs has
// a file, where the image has a program that can tell and the file lies where
// it mostly does.
const (
	bootScript    = `sed -n 's|.*ostree=/ostree/boot\.[01.]*/[^/]*/\([0-9a-f]*\)/.*|\1|p' /proc/cmdline`
	contentScript = `command -v lsinitrd >/dev/null 2>&1 || exit 127
for f in /boot/ostree/*-"$1"/initramfs*; do
	[ -e "$f" ] || exit 127
	lsinitrd "$f" | grep -q "$2\$"
	exit
done`
)

func initramfs(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders)
	if err != nil {
		return err
	}
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	before, err := probe.Output(ctx, t, "sed", bootScript)
	if err != nil {
		return err
	}
	if was.RegenerateInitramfs {
		return check.Skipf("the image makes its initramfs on the host already")
	}
	o, err := l.d.Initramfs(ctx, host.InitramfsOptions{Enable: true, Args: initramfsArgs})
	if err := l.did("make its own initramfs", o, err); err != nil {
		return err
	}
	now, err := l.overridden(ctx, was, "made an initramfs")
	if err != nil {
		return err
	}
	if !now.RegenerateInitramfs || !slices.Equal(now.InitramfsArgs, initramfsArgs) {
		return check.Failf("%s status tells of the booted deployment regenerate-initramfs %t with arguments %q, not true with %q", l.d.Tool(),
			now.RegenerateInitramfs, strings.Join(now.InitramfsArgs, " "), strings.Join(initramfsArgs, " "))
	}
	after, err := probe.Output(ctx, t, "sed", bootScript)
	if err != nil {
		return err
	}
	if before != "" && before == after {
		return check.Failf("after the initramfs was made anew the host still boots the image's own (boot checksum %s)", short(strings.TrimSpace(after)))
	}
	r, err := probe.Run(ctx, t, 2*time.Minute, contentScript, strings.TrimSpace(after), strings.TrimPrefix(initramfsArgs[1], "/"))
	if err != nil {
		return err
	}
	if !r.OK() && r.Exit != probe.Missing {
		return check.Failf("the initramfs that the host made lacks %s, which its arguments %q ask for", initramfsArgs[1], strings.Join(initramfsArgs, " "))
	}
	o, err = l.d.Initramfs(ctx, host.InitramfsOptions{})
	if err := l.did("give its own initramfs up", o, err); err != nil {
		return err
	}
	next, err := l.pending(ctx, "gave its initramfs up")
	if err != nil {
		return err
	}
	if next.RegenerateInitramfs {
		return check.Failf("%s says it gave its own initramfs up, and the pending deployment still regenerates it", l.d.Tool())
	}
	return l.bare("pending", next, was.BaseChecksum)
}
