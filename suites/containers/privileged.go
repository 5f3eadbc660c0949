package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "privileged", Title: "a privileged container works on the host, an ordinary one cannot", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, privileged) },
})

// hostScript looks at the host's tree, and tries what only a privileged
// container may: to mount.
const hostScript = `
[ -r /host/etc/os-release ] && sed -n 's/^ID=/id=/p' /host/etc/os-release
mkdir -p /mnt && mount -t tmpfs none /mnt 2>/dev/null && echo 'mounted=1'
true`

func privileged(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a privileged container with the host's tree", "run", "--rm", "--privileged", "-v", "/:/host:ro", ref, "sh", "-c", hostScript)
	if err != nil {
		return err
	}
	switch p := probe.Pairs(out); {
	case strings.Trim(p["id"], `"'`) == "":
		return check.FailWith(out, "a container with -v /:/host does not see the host's /etc/os-release")
	case p["mounted"] == "":
		return check.FailWith(out, "a container run with --privileged cannot mount")
	}
	out, err = e.Must(ctx, "run a container", "run", "--rm", ref, "sh", "-c", hostScript)
	if err != nil {
		return err
	}
	if probe.Pairs(out)["mounted"] != "" {
		return check.FailWith(out, "a container run without --privileged can mount")
	}
	return nil
}
