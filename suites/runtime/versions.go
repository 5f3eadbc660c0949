package runtime

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "versions", Title: "the runtime's programs are of the versions it was made for", Advisory: true, Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, versions) },
})

func versions(ctx context.Context, e engine.Engine) error {
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	if info.Version == "" {
		if e.Name == engine.Podman { // before 2.0
			return check.Skipf("it tells no version of its parts")
		}
		return check.Failf("%s info names no version", e.Name)
	}
	e.Guest().Log("%s %s with %s", e.Name, info.Version, orAbsent(info.Runtime))
	if len(info.Mismatch) > 0 {
		return check.Failf("%s was made for other versions: %s", e.Name, strings.Join(info.Mismatch, "; "))
	}
	return nil
}
