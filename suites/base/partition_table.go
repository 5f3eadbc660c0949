package base

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "partition-table", Title: "the partition table of the system's disk is sound", Advisory: true, Run: partitionTable,
})

const partitionScript = `
command -v sfdisk >/dev/null 2>&1 && command -v lsblk >/dev/null 2>&1 || exit 127
at=/; [ -d /sysroot/ostree ] && at=/sysroot
src=$(findmnt -n -v -o SOURCE -T "$at" | tail -n 1)
disk=$(lsblk -s -n -r -o NAME,TYPE "$src" 2>/dev/null | sed -n 's/ disk$//p' | head -n 1)
[ -n "$disk" ] || exit 127
LC_ALL=C sfdisk --verify "/dev/$disk" 2>&1; echo "status=$?"`

func partitionTable(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "sfdisk, or its root is on no disk", partitionScript)
	if err != nil {
		return err
	}
	if probe.Pairs(out)["status"] != "0" || strings.Contains(out, "error detected") && !strings.Contains(out, "No errors detected") {
		return check.FailWith(out, "sfdisk finds fault with the partition table: %s", probe.OneLine(firstLine(out)))
	}
	return nil
}
