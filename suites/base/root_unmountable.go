package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "root-not-unmountable", Title: "an umount of / leaves the system as it was", Run: rootNotUnmountable,
	Isolated: true, // it breaks the guest that fails it
})

// umountScript tries, and then sees whether root is still there and what was
// writable still is. On a root that is read-only by nature (composefs) the
// kernel calls the umount a success and does nothing.
const umountScript = `
umount / 2>&1; echo "status=$?"
[ -e /usr/bin/env ] || echo "lost=/usr"
for d in /etc /var; do
	f="$d/.assay-umount-probe"
	if (: > "$f") 2>/dev/null; then rm -f "$f"; else echo "lost=$d"; fi
done
exit 0`

func rootNotUnmountable(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "umount", umountScript)
	if err != nil {
		return err
	}
	var lost []string
	for _, l := range probe.Lines(out) {
		if d, ok := strings.CutPrefix(l, "lost="); ok {
			lost = append(lost, d)
		}
	}
	if len(lost) > 0 {
		return check.FailWith(out, "umount / took %s away from the running system", strings.Join(lost, " and "))
	}
	return nil
}
