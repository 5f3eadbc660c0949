package runtime

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "restart", Title: "the runtime's service restarts and answers again", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, restart) },
})

// restartScript restarts unit $1 and prints how that ended.
const restartScript = `
[ "$(systemctl show -p LoadState "$1" 2>/dev/null)" = LoadState=loaded ] || exit 127
systemctl restart "$1" 2>&1; echo "status=$?"
echo "active=$(systemctl is-active "$1")"`

func restart(ctx context.Context, e engine.Engine) error {
	unit := map[engine.Name]string{engine.Docker: "docker.service", engine.Podman: "podman.socket"}[e.Name]
	out, err := probe.OutputWithin(ctx, e.Guest(), 90*time.Second, unit, restartScript, unit)
	if err != nil {
		return err
	}
	if p := probe.Pairs(out); p["status"] != "0" || p["active"] != "active" {
		return check.FailWith(out+probe.JournalTail(ctx, e.Guest(), unit, 30), "restart of %s ends with the unit %s", unit, orAbsent(p["active"]))
	}
	if e.Name == engine.Podman {
		return podmanSocket(ctx, e)
	}
	_, err = e.Info(ctx)
	return err
}

// socketScript asks the API behind podman's socket for a sign of life, for $1
// seconds. systemd starts the service for as long as somebody waits at its socket,
// so that who asks a service that cannot start would wait all that time: five
// seconds in which it fails or is another start than the second before are enough.
const socketScript = `
command -v curl >/dev/null 2>&1 || exit 127
exec 2>/dev/null # the shell tells of what it kills
curl -sS --max-time "$1" --unix-socket /run/podman/podman.sock http://d/_ping 2>&1 &
asked=$!
(
	bad=0 before=
	while [ $bad -lt 5 ]; do
		sleep 1 >/dev/null 2>&1
		now=$(systemctl show -p Result -p InvocationID podman.service 2>/dev/null)
		case $now in
		*Result=success*) [ "$now" = "${before:-$now}" ] && bad=0 || bad=$((bad + 1)) ;;
		'') bad=0 ;;
		*) bad=$((bad + 1)) ;;
		esac
		before=$now
	done
	echo "podman.service fails again and again"
	kill $asked
) &
watch=$!
wait $asked
status=$?
kill $watch 2>/dev/null
exit $status`

func podmanSocket(ctx context.Context, e engine.Engine) error {
	r, err := probe.Run(ctx, e.Guest(), 90*time.Second, socketScript, "600")
	if err != nil {
		return err
	}
	if r.Exit == probe.Missing {
		return nil // the unit is up, and nothing here can ask it
	}
	if !r.OK() || !strings.Contains(r.Stdout, "OK") {
		return check.FailWith(probe.JournalTail(ctx, e.Guest(), "podman.service", 30), "podman's socket does not answer after a restart: %s", probe.Clip(r.Said(), 200))
	}
	return nil
}
