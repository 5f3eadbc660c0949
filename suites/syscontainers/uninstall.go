package syscontainers

import (
	"context"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "uninstall", Title: "an uninstall stops the container and leaves neither unit nor checkout",
	Isolated: true, Limit: 6 * time.Minute,
}, uninstall)...)

// leftScript prints what is left of container $1: its unit as systemd knows it,
// its files, and a process of podman or an OCI runtime by that name.
const leftScript = `s=$(systemctl show -p LoadState "$1.service" 2>/dev/null)
[ "$s" = LoadState=loaded ] && echo "unit $1.service"
for f in "/etc/systemd/system/$1.service" "/etc/systemd/system/multi-user.target.wants/$1.service" "/etc/containers/systemd/$1.container" \
	"/etc/tmpfiles.d/$1.conf" "/var/lib/containers/atomic/$1" "/var/lib/containers/atomic/$1.0" "/var/lib/containers/atomic/$1.1"; do
	if [ -e "$f" ] || [ -L "$f" ]; then echo "$f"; fi
done
if command -v podman >/dev/null 2>&1; then
	for c in "$1" "systemd-$1"; do podman container exists "$c" && echo "container $c of podman"; done
fi
for r in runc crun; do
	command -v $r >/dev/null 2>&1 && $r list -q 2>/dev/null | grep -qx "$1" && echo "container $1 of $r"
done
exit 0`

func uninstall(ctx context.Context, b *box) error {
	if err := b.run(ctx, "foo"); err != nil {
		return err
	}
	if _, err := b.c.Uninstall(ctx, b.name); err != nil {
		return err
	}
	if err := b.silent(ctx, "after the uninstall"); err != nil {
		return err
	}
	all, err := b.c.List(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Name == b.name {
			return check.Failf("%s uninstalled %s, and still lists it (%s)", b.c.Tool(), b.name, c.State)
		}
	}
	r, err := probe.Run(ctx, b.t, time.Minute, leftScript, b.name)
	if err != nil {
		return err
	}
	if left := probe.Lines(r.Stdout); len(left) > 0 {
		return check.FailWith(strings.Join(left, "\n"), "the uninstall of %s by %s leaves %s behind", b.name, b.c.Tool(), probe.Some(left))
	}
	return gone(ctx, b)
}

// gone judges that a second uninstall is refused.
func gone(ctx context.Context, b *box) error {
	_, err := b.c.Uninstall(ctx, b.name)
	return refused(err, b, "uninstall "+b.name+" a second time", host.UnknownContainer)
}
