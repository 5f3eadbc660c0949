package storage

import (
	"context"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "devicemapper", Title: "devicemapper stores in a thin pool of its own, with room in it and in step with udev", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, devicemapper) },
})

func devicemapper(ctx context.Context, e engine.Engine) error {
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	if info.Driver != "devicemapper" {
		return check.Skipf("its driver is %s, not devicemapper", info.Driver)
	}
	s := info.Status
	pool := s["Pool Name"]
	switch {
	case s["Data loop file"] != "" || s["Metadata loop file"] != "":
		return check.Failf("devicemapper stores in loop files (%s), which lose data and speed; docker-storage-setup makes a thin pool", s["Data loop file"])
	case pool == "":
		return check.Failf("devicemapper names no thin pool")
	case strings.EqualFold(s["Udev Sync Supported"], "false"):
		return check.Failf("devicemapper is not in step with udev (Udev Sync Supported: false): devices come and go under containers")
	}
	for _, space := range []string{"Data Space Available", "Metadata Space Available"} {
		if v, ok := s[space]; ok && !hasSpace(v) {
			return check.Failf("the thin pool %s has no room (%s: %s)", pool, space, v)
		}
	}
	return nil
}

// hasSpace reads what docker prints of a size: "3.813 GB". What cannot be read
// is not nothing.
func hasSpace(size string) bool {
	number, _, _ := strings.Cut(strings.TrimSpace(size), " ")
	n, err := strconv.ParseFloat(strings.TrimRight(number, "kMGTiB"), 64)
	return err != nil || n > 0
}
