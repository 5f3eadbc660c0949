package upgrade

import (
	"context"
	"strconv"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "no-space", Title: "an upgrade without enough space is refused plainly, stages nothing, and works when there is space again",
	Isolated: true, NeedsTrees: true, Limit: 15 * time.Minute, Run: deployments.FromRepo(noSpace),
})

// fillScript fills the file system of the folder $1 with a file named $2 in the
// first folder of the rest that is on it, and prints the file, the bytes left and
// the file system's type. btrfs counts room inside blocks of metadata as free,
// which no file can have: there it is what is available that counts. fallocate takes blocks without writing them, so that the host's disk
// does not fill; the last ones are less than a megabyte each and are written.
const fillScript = `
command -v fallocate >/dev/null || exit 127
want=$(stat -c %d "$1") name=$2 type=$(stat -f -c %T "$1")
left='%f * %S'
[ "$type" != btrfs ] || left='%a * %S'
shift 2
for dir; do
	[ "$(stat -c %d "$dir")" = "$want" ] && [ -w "$dir" ] || continue
	file=$dir/$name
	: >"$file" || continue
	size=$(($(stat -f -c "$left" "$dir"))) at=0
	while [ "$size" -ge 65536 ]; do
		if fallocate -o "$at" -l "$size" "$file" 2>/dev/null; then
			at=$((at + size))
		else
			size=$((size / 2))
		fi
	done
	head -c 1048576 /dev/zero >>"$file" 2>/dev/null
	sync -f "$file" 2>/dev/null || sync
	echo "$file $(($(stat -f -c "$left" "$dir"))) $type"
	exit 0
done
exit 1`

const (
	fillName  = "assay-full"
	freeLimit = time.Minute
	// fullEnough is what may be left of a full disk: ext4 keeps 16 MiB for
	// itself, and journald makes room.
	fullEnough = 64 << 20
	// leastNeeded is less than any deployment takes: each has a copy of /etc and
	// folders of its own.
	leastNeeded = 512 << 10
)

func noSpace(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	if err := h.Follow(ctx); err != nil {
		return err
	}
	before, _, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	defer free(ctx, t)
	r, err := probe.Run(ctx, t, freeLimit, fillScript, hostRepo, fillName, "/var/tmp", "/var", "/etc")
	if err != nil {
		return err
	}
	f := strings.Fields(r.Stdout)
	switch {
	case r.Exit == probe.Missing:
		return probe.NotShipped("fallocate")
	case !r.OK():
		return check.Skipf("no folder that can be written is on the file system of %s", hostRepo)
	case len(f) != 3:
		return check.Infraf("the disk could not be filled: %s", r.Said())
	}
	left, err := strconv.ParseInt(f[1], 10, 64)
	switch btrfs := f[2] == "btrfs"; {
	case btrfs && h.Derived():
		return check.Skipf("on btrfs an update as small as the derived one fits beside the metadata of a full disk: give --update-repo")
	case btrfs && err == nil && left > fullEnough:
		return check.Skipf("the disk's btrfs could not be filled: %d bytes are left", left)
	}
	if err != nil || left > fullEnough {
		return check.Infraf("the disk could not be filled: %s bytes are left", f[1])
	}
	kept, err := reserve(ctx, t)
	if err != nil {
		return err
	}
	if left >= max(kept, leastNeeded) {
		return check.Skipf("%d bytes are left on a full disk, of which ostree's min-free-space keeps %d: the update may fit", left, kept)
	}
	_, err = h.Upgrade(ctx, host.UpgradeOptions{})
	if err := h.Refused(err, "upgrade on a full disk", host.NoSpace); err != nil {
		return err
	}
	if err := h.Unchanged(ctx, before, "an upgrade on a full disk"); err != nil {
		return err
	}
	free(ctx, t)
	if err := h.Update(ctx); err != nil {
		return err
	}
	return h.Pending(ctx, before, h.Newer())
}

// free takes the filling away, also when ctx has ended.
func free(ctx context.Context, t *check.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(float64(freeLimit)*t.Scale()))
	defer cancel()
	r, err := probe.Run(ctx, t, freeLimit, `for dir; do rm -f "$dir/`+fillName+`"; done; sync`, "/var/tmp", "/var", "/etc")
	if err != nil || !r.OK() {
		t.Log("the disk could not be freed: %v %s", err, r.Said())
	}
}
