package runtime

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "service", Title: "the runtime answers, and its service is up", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, service) },
})

// unitsOf prints state, enablement and failure of the units of engine $1, by
// the names that distributions give them.
const unitsScript = `
case $1 in
docker) units='docker.service docker.socket containerd.service docker-latest.service' ;;
podman) units='podman.socket podman.service' ;;
esac
for u in $units; do
	[ "$(systemctl show -p LoadState "$u" 2>/dev/null)" = LoadState=loaded ] || continue
	echo "$u=$(systemctl is-enabled "$u" 2>/dev/null) $(systemctl is-active "$u" 2>/dev/null) $(systemctl show -p Result "$u" | sed 's/^Result=//')"
done
exit 0`

func service(ctx context.Context, e engine.Engine) error {
	// Asking starts a daemon that waits behind its socket.
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	e.Guest().Log("%s %s", e.Name, info.Version)
	out, err := probe.Output(ctx, e.Guest(), "systemctl", unitsScript, string(e.Name))
	if err != nil {
		return err
	}
	for unit, s := range units(out) {
		if s.active == "failed" {
			return check.FailWith(probe.JournalTail(ctx, e.Guest(), unit, 30), "%s failed: result %s", unit, s.result)
		}
	}
	if e.Name == engine.Docker && units(out)["docker.service"].active != "active" {
		return check.Failf("docker answers, and docker.service is %q, not active", units(out)["docker.service"].active)
	}
	return nil
}
