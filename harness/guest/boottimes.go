package guest

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"assay/reports"
)

// slowestUnits is how many units BootTimes names.
const slowestUnits = 10

// bootTimesScript prints systemd's own time stamps and the units that took
// longest. Both are absent where systemd is not the init.
const bootTimesScript = `
systemctl show -p FirmwareTimestampMonotonic -p LoaderTimestampMonotonic -p KernelTimestampMonotonic \
	-p InitRDTimestampMonotonic -p UserspaceTimestampMonotonic -p FinishTimestampMonotonic 2>/dev/null
systemd-analyze blame --no-pager 2>/dev/null | grep -v '\.device$' | head -n "$1"
true`

// BootTimes is the guest's own account of its boot, from systemd
// (https://www.freedesktop.org/software/systemd/man/org.freedesktop.systemd1.html):
// the firmware and loader stamps count backwards from the kernel's start.
func BootTimes(ctx context.Context, g Guest) (reports.Boot, error) {
	out, err := Output(ctx, g, "sh", "-c", bootTimesScript, "sh", strconv.Itoa(slowestUnits))
	if err != nil {
		return reports.Boot{}, fmt.Errorf("cannot read the boot times of guest %s: %w", g.Name(), err)
	}
	return parseBootTimes(out), nil
}

func parseBootTimes(text string) (b reports.Boot) {
	stamp := map[string]time.Duration{}
	sc := bufio.NewScanner(strings.NewReader(text))
	for sc.Scan() {
		line := strings.TrimSpace(sc.Text())
		if key, value, ok := strings.Cut(line, "TimestampMonotonic="); ok {
			if us, err := strconv.ParseInt(value, 10, 64); err == nil && us > 0 && us < int64(24*time.Hour/time.Microsecond) {
				stamp[key] = time.Duration(us) * time.Microsecond
			}
			continue
		}
		if took, unit, ok := blame(line); ok {
			b.Slowest = append(b.Slowest, reports.UnitTime{Unit: unit, Took: took})
		}
	}
	// Firmware and loader are before the kernel's zero: firmware > loader > 0.
	b.Loader = stamp["Firmware"]
	if b.Loader == 0 {
		b.Loader = stamp["Loader"]
	}
	user, initrd, finish := stamp["Userspace"], stamp["InitRD"], stamp["Finish"]
	switch {
	case initrd > 0 && user > initrd:
		b.Kernel, b.Initrd = initrd, user-initrd
	default:
		b.Kernel = user
	}
	if finish > user {
		b.Userspace = finish - user
	}
	return b
}

// blame reads one line of systemd-analyze blame: "1min 2.345s foo.service".
func blame(line string) (took time.Duration, unit string, ok bool) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return 0, "", false
	}
	for _, w := range f[:len(f)-1] {
		d, err := time.ParseDuration(strings.Replace(w, "min", "m", 1))
		if err != nil || d < 0 {
			return 0, "", false
		}
		took += d
	}
	return took, f[len(f)-1], true
}
