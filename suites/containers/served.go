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

// fetchScript gets the page at $1 with whatever the image has for that.
const fetchScript = `
if command -v curl >/dev/null 2>&1; then curl -sS --max-time 20 "$1"
elif command -v wget >/dev/null 2>&1; then wget -q -T 20 -O - "$1"
elif command -v python3 >/dev/null 2>&1; then python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())' "$1"
else exit 127
fi`

// serves waits until a port of the host shows a page with want in it, which
// container name publishes there.
func serves(ctx context.Context, e engine.Engine, name, port, want string) error {
	url := "http://127.0.0.1:" + port + "/"
	said := ""
	err := e.WaitFor(ctx, 20*time.Second, func(ctx context.Context) (bool, error) {
		r, err := probe.Run(ctx, e.Guest(), 30*time.Second, fetchScript, url)
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
