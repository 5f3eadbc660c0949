package upgrade

import (
	"context"
	"math"
	"regexp"
	"strconv"

	"assay/harness/guest"
	"assay/suites/probe"
)

// reserveScript prints what the repository $1 is told to leave free, and the
// size of its file system in bytes. What is not set is empty.
const reserveScript = `
for key in size percent; do
	echo "$key=$(ostree config --repo="$1" get core.min-free-space-$key 2>/dev/null)"
done
echo "total=$(($(stat -f -c '%b * %S' "$1")))"`

// defaultReserve is ostree's own min-free-space-percent.
const defaultReserve = 3

var reserveSize = regexp.MustCompile(`^([0-9]{1,9})([MGT])B$`)

// reserve is how many bytes ostree leaves free in the host's repository: an
// upgrade that would leave less is refused before anything is written.
func reserve(ctx context.Context, g guest.Guest) (int64, error) {
	out, err := probe.Output(ctx, g, "stat", reserveScript, hostRepo)
	if err != nil {
		return 0, err
	}
	return readReserve(probe.Pairs(out)), nil
}

// readReserve takes a setting that ostree would not understand for none.
func readReserve(p map[string]string) int64 {
	if m := reserveSize.FindStringSubmatch(p["size"]); m != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64) // nine digits at most
		unit := map[string]int64{"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[m[2]]
		return min(n, math.MaxInt64/unit) * unit
	}
	percent := int64(defaultReserve)
	if p["percent"] != "" {
		n, err := strconv.ParseInt(p["percent"], 10, 64)
		if err != nil || n < 0 || n > 99 {
			return 0
		}
		percent = n
	}
	total, err := strconv.ParseInt(p["total"], 10, 64)
	if err != nil || total < 0 {
		return 0
	}
	return total / 100 * percent
}
