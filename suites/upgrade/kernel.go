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
	Name: "kernel", Title: "an update with another kernel gets it copied to /boot beside the old one, and boots it",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot"}, Limit: 15 * time.Minute, Run: deployments.With(kernel),
})

// bootScript tells by which files the system was booted: ostree's argument is
// /ostree/boot.N/OS/DIGEST/SERIAL, and they lie in /boot/ostree/OS-DIGEST. Those
// that differ from the tree's own are listed, and whether the folder of digest $1
// is still there.
const bootScript = `
for word in $(cat /proc/cmdline); do case $word in ostree=*) at=${word#ostree=} ;; esac; done
IFS=/
set -- "$1" $at
[ $# -ge 6 ] || exit 127
os=$5 digest=$6 release=$(uname -r)
echo "digest=$digest"
dir=/boot/ostree/$os-$digest
[ -d "$dir" ] || { echo "lost=$dir"; exit 0; }
for f in vmlinuz initramfs.img initramfs; do
	own=/usr/lib/modules/$release/$f
	[ -f "$own" ] || continue
	copy=$dir/${f%.img}-$release
	[ "$f" = vmlinuz ] || copy=$copy.img
	cmp -s "$own" "$copy" || echo "lost=$copy"
done
[ -z "$1" ] || [ -d "/boot/ostree/$os-$1" ] || echo "old=/boot/ostree/$os-$1"
exit 0`

func kernel(ctx context.Context, t *check.T, h deployments.Host) error {
	tree, err := h.Kernel()
	if err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	out, err := probe.OutputWithin(ctx, t, time.Minute, "deployment that ostree boots from /boot", bootScript, "")
	if err != nil {
		return err
	}
	was := probe.Pairs(out)["digest"]
	if err := h.UpdateKernel(ctx, tree); err != nil {
		return err
	}
	if err := h.Pending(ctx, before, tree); err != nil {
		return err
	}
	if err := h.Reboot(ctx); err != nil {
		return err
	}
	if _, err := h.Switched(ctx, before, tree); err != nil {
		return err
	}
	out, err = probe.OutputWithin(ctx, t, time.Minute, "deployment that ostree boots from /boot", bootScript, was)
	if err != nil {
		return err
	}
	now := probe.Pairs(out)
	switch {
	case now["digest"] == was:
		return check.Skipf("the update has the kernel that was there, as far as this ostree can tell")
	case now["lost"] != "":
		return check.FailWith(out, "what boots is not what the booted tree has: %s", strings.Join(strings.Fields(now["lost"]), " "))
	case now["old"] != "":
		return check.FailWith(out, "the kernel of the deployment to roll back to is gone from /boot (%s)", now["old"])
	}
	return nil
}
