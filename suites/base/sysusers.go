package base

import (
	"context"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "sysusers", Title: "every system user that packages declare exists", Advisory: true, Run: sysusers,
})

// sysusersScript prints the declared users and groups that nobody made.
const sysusersScript = `
[ -d /usr/lib/sysusers.d ] || exit 127
cat /usr/lib/sysusers.d/*.conf 2>/dev/null | while read -r kind name _; do
	case $kind in
	u|u!) getent passwd "$name" >/dev/null || echo "user $name" ;;
	g) getent group "$name" >/dev/null || echo "group $name" ;;
	esac
done
exit 0`

func sysusers(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sysusers.d", sysusersScript)
	if err != nil {
		return err
	}
	if lacking := probe.Lines(out); len(lacking) > 0 {
		return check.FailWith(out, "declared in sysusers.d and not made (systemd-sysusers.service): %s", probe.Some(lacking))
	}
	return nil
}
