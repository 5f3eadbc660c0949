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
	Name: "selinux-relabel", Title: "a relabelling would change no file of the configuration", Advisory: true, Run: selinuxRelabel,
	Limit: 3 * time.Minute,
})

const relabelScript = `command -v restorecon >/dev/null 2>&1 || exit 127
restorecon -vnr /etc /boot /var/lib/systemd /var/log 2>/dev/null | head -n 200`

func selinuxRelabel(ctx context.Context, t *check.T) error {
	if err := needSELinux(ctx, t); err != nil {
		return err
	}
	out, err := probe.OutputWithin(ctx, t, 2*time.Minute, "restorecon", relabelScript)
	if err != nil {
		return err
	}
	if files := probe.Lines(out); len(files) > 0 {
		return check.FailWith(out, "restorecon would change the label of %d files: %s", len(files), probe.OneLine(files[0]))
	}
	return nil
}
