package base

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "disk-grown", Title: "partition and root file system have grown to the disk the guest got", Run: diskGrown,
})

// diskScript prints the device of the root file system, what that stands on
// down to the disk, where the disk's partitions end and how large the file
// system is. On an ostree host the root file system is mounted on /sysroot.
const diskScript = `
command -v findmnt >/dev/null 2>&1 && command -v lsblk >/dev/null 2>&1 || exit 127
at=/; [ -d /sysroot/ostree ] && at=/sysroot
src=$(findmnt -n -v -o SOURCE -T "$at" | tail -n 1)
echo "fs=$(stat -f -c '%b %S' "$at")"
echo "type=$(findmnt -n -v -o FSTYPE -T "$at" | tail -n 1)"
echo "src=$src"
lsblk -b -s -n -r -o NAME,TYPE,SIZE "$src" 2>/dev/null | sed 's/^/chain /'
disk=$(lsblk -s -n -r -o NAME,TYPE "$src" 2>/dev/null | sed -n 's/ disk$//p' | head -n 1)
for p in /sys/class/block/"$disk"/*/start; do
	[ -r "$p" ] || continue
	d=${p%/start}
	echo "part ${d##*/} $(cat "$p") $(cat "$d/size")"
done
exit 0`

// growthSlack is what alignment, a backup partition table and a tail that no
// tool bothers with may leave of a disk: in bytes.
const growthSlack = 64 << 20

// fsShare is how much of its partition a grown file system offers: the rest is
// its own tables (ext4 gives 2 to 7 % to inodes and journal).
const fsShare = 0.85

// block is one device beneath the root file system.
type block struct {
	name, kind string
	size       int64
}

// diskFacts is what diskScript tells.
type diskFacts struct {
	src, fstype string
	fsSize      int64
	chain       []block
	// ends is where each partition of the disk ends, in bytes from its start.
	ends map[string]int64
}

func diskGrown(ctx context.Context, t *check.T) error {
	if t.Env.DiskSize <= t.Env.ImageVirtualSize+growthSlack {
		return check.Skipf("the guest's disk is no larger than the image's")
	}
	out, err := probe.Output(ctx, t, "findmnt or lsblk", diskScript)
	if err != nil {
		return err
	}
	d := parseDisk(out)
	var disk, part *block
	logical := false
	for i := range d.chain {
		switch b := &d.chain[i]; b.kind {
		case "disk":
			disk = b
		case "part":
			part = b
		case "lvm", "crypt":
			logical = true
		}
	}
	if disk == nil {
		return check.Skipf("no disk was found beneath the root file system (%s)", orUnknown(d.src))
	}
	if disk.size <= t.Env.ImageVirtualSize+growthSlack {
		return check.Infraf("the guest sees a disk of %s where it was given %s", size(disk.size), size(t.Env.DiskSize))
	}
	var last string
	for name, end := range d.ends {
		if last == "" || end > d.ends[last] {
			last = name
		}
	}
	if part != nil && last != "" {
		if left := disk.size - d.ends[last]; left > growthSlack {
			return check.FailWith(out, "the last partition %s ends %s before the end of disk %s: nothing grew it (growpart, systemd-repart)", last, size(left), disk.name)
		}
	}
	// Space in a volume group is handed out by the image's own storage setup.
	if logical || len(d.chain) == 0 {
		return nil
	}
	if top := d.chain[0]; float64(d.fsSize) < fsShare*float64(top.size) {
		return check.FailWith(out, "the root file system (%s) has %s on %s of %s: nothing grew it (resize2fs, xfs_growfs, systemd-growfs)",
			d.fstype, size(d.fsSize), top.name, size(top.size))
	}
	return nil
}

func parseDisk(out string) diskFacts {
	p := probe.Pairs(out)
	d := diskFacts{src: p["src"], fstype: p["type"], ends: map[string]int64{}}
	if f := strings.Fields(p["fs"]); len(f) == 2 {
		d.fsSize = number(f[0]) * number(f[1])
	}
	for _, l := range probe.Lines(out) {
		f := strings.Fields(l)
		switch {
		case len(f) == 4 && f[0] == "chain":
			d.chain = append(d.chain, block{f[1], f[2], number(f[3])})
		case len(f) == 4 && f[0] == "part":
			d.ends[f[1]] = (number(f[2]) + number(f[3])) * 512
		}
	}
	return d
}

// number is a count of bytes or blocks; what is none counts nothing.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// size is a number of bytes for a person.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	default:
		return fmt.Sprintf("%d MiB", n>>20)
	}
}
