package base

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

// Some healthy images have a few files that their own policy would label
// otherwise, hence advisory.
var _ = check.Register(suite, check.Check{
	Name: "selinux-relabel", Title: "a relabelling would change no file of the system", Advisory: true, Run: selinuxRelabel,
	Limit: 6 * time.Minute,
})

// relabelScript leaves out containers' storage, whose files carry the labels of
// their containers, and what is no folder: restorecon complains of those.
const relabelScript = `command -v restorecon >/dev/null 2>&1 || exit 127
for d in /var/lib/containers /var/lib/docker /var/lib/containerd /var/lib/kubelet; do
	[ -d "$d" ] && set -- "$@" -e "$d"
done
restorecon -vnr "$@" /etc /var /usr /boot 2>/dev/null | head -n 200`

func selinuxRelabel(ctx context.Context, t *check.T) error {
	if err := needSELinux(ctx, t); err != nil {
		return err
	}
	out, err := probe.OutputWithin(ctx, t, 5*time.Minute, "restorecon", relabelScript)
	if err != nil {
		return err
	}
	if files := probe.Lines(out); len(files) > 0 {
		return check.FailWith(out, "restorecon would change the label of %d files: %s", len(files), probe.OneLine(files[0]))
	}
	return nil
}
