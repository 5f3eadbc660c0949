package storage

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "graphroot", Title: "containers are stored on a local, writable file system with space left", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, graphroot) },
})

// rootScript describes the file system that folder $1 is on, or the nearest
// folder above it that exists: docker makes its own when first used.
const rootScript = `
d=$1
while [ ! -d "$d" ]; do d=${d%/*}; [ -n "$d" ] || d=/; done
echo "dir=$d"
echo "type=$(findmnt -n -o FSTYPE -T "$d" 2>/dev/null | tail -n 1)"
echo "free=$(df -P -k "$d" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)"
f="$d/.assay-write-probe"
if (: > "$f") 2>/dev/null; then rm -f "$f"; echo 'writable=1'; fi
exit 0`

// leastFree is the space, in KiB, that an image must leave for containers on
// the disk it was given.
const leastFree = 512 << 10

// foreign are file systems that lose what is stored, or that overlay cannot
// stand on.
var foreign = map[string]bool{"tmpfs": true, "ramfs": true, "overlay": true, "squashfs": true, "nfs": true, "nfs4": true, "cifs": true, "erofs": true}

func graphroot(ctx context.Context, e engine.Engine) error {
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(info.Root, "/") {
		return check.Failf("%s info names no storage folder (%q)", e.Name, info.Root)
	}
	if err := fitForContainers(ctx, e.Guest(), info.Root); err != nil {
		return err
	}
	if info.Status["driver-type"] == "io.containerd.snapshotter.v1" { // docker's way since 29
		root, err := probe.Output(ctx, e.Guest(), "sh", containerdScript)
		if err != nil || root == "" {
			return err
		}
		return fitForContainers(ctx, e.Guest(), probe.OneLine(root))
	}
	return nil
}

// containerdScript prints where the system's containerd stores images. Without
// that, docker starts one of its own, below its own folder.
const containerdScript = `
systemctl is-active -q containerd.service || exit 0
root=$(sed -n "s/^root *= *[\"']\([^\"']*\)[\"'].*/\1/p" /etc/containerd/config.toml 2>/dev/null | head -n 1)
echo "${root:-/var/lib/containerd}"`

// fitForContainers judges the file system that folder root is on, or will be.
func fitForContainers(ctx context.Context, t *check.T, root string) error {
	out, err := probe.Output(ctx, t, "sh", rootScript, root)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	free, err := strconv.ParseInt(p["free"], 10, 64)
	if err != nil {
		return fmt.Errorf("cannot read the free space of %s in %q: %w", root, out, err)
	}
	switch {
	case foreign[p["type"]]:
		return check.Failf("containers are stored in %s, on %s", root, p["type"])
	case p["writable"] == "":
		return check.Failf("nothing can be written where containers are stored: %s (%s)", root, p["dir"])
	case free < leastFree:
		return check.Failf("only %d MiB are free where containers are stored (%s)", free>>10, root)
	}
	return nil
}
