package storage

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "overlay-features", Title: "the file system beneath overlay tells file types and needs no program in user space", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, overlayFeatures) },
})

func overlayFeatures(ctx context.Context, e engine.Engine) error {
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	if !overlayNames.MatchString(info.Driver) {
		return check.Skipf("its driver is %s, not overlay", info.Driver)
	}
	for k, v := range info.Status {
		if strings.EqualFold(k, "Supports d_type") && strings.EqualFold(v, "false") {
			return check.Failf("the file system beneath overlay (%s) tells no file types: removed files come back (xfs needs ftype=1)", info.Status["Backing Filesystem"])
		}
		if strings.EqualFold(k, "Native Overlay Diff") || strings.EqualFold(k, "Using metacopy") {
			e.Guest().Log("%s: %s is %s", e.Name, k, v)
		}
	}
	return nil
}
