package containers

import (
	"context"
	"errors"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

// serves waits until a port of the host shows a page with want in it, which
// container name publishes there.
func serves(ctx context.Context, e engine.Engine, name, port, want string) error {
	url := "http://127.0.0.1:" + port + "/"
	said := ""
	err := e.WaitFor(ctx, 20*time.Second, func(ctx context.Context) (bool, error) {
		r, err := engine.Fetch(ctx, e.Guest(), 15*time.Second, url)
		if err != nil {
			return false, err
		}
		if r.Exit == probe.Missing {
			return false, check.Skipf("the image ships none of curl, wget, python3")
		}
		said = r.Said()
		if r.OK() {
			said = r.Line()
		}
		return r.OK() && strings.Contains(r.Stdout, want), nil
	})
	if errors.Is(err, engine.ErrNotInTime) {
		logs, lerr := e.Run(ctx, "logs", name)
		if lerr != nil {
			return lerr
		}
		return check.FailWith(logs.Stdout+logs.Stderr, "port %s of the host does not show the page of a container that publishes it: %s", port, probe.Clip(said, 200))
	}
	return err
}
