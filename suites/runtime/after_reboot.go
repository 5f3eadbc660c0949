package runtime

import (
	"context"
	"errors"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "after-reboot", Title: "the runtime answers after a reboot, and brings back what is to run always", Run: afterReboot,
	State: check.Rebooted, Prepare: startAlways, Labels: []string{"reboot"}, Limit: 4 * time.Minute,
})

const alwaysContainer = "assay-always"

// restartUnitScript enables what starts podman's containers at boot, where the
// image has it.
const restartUnitScript = `
[ "$1" = docker ] && exit 0
[ "$(systemctl show -p LoadState podman-restart.service 2>/dev/null)" = LoadState=loaded ] || exit 127
systemctl enable podman-restart.service 2>&1`

// startAlways starts a container that is to run always, with every runtime
// whose containers something starts at boot, and returns which those are.
func startAlways(ctx context.Context, t *check.T) (any, error) {
	always := map[engine.Name]bool{}
	return always, engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		r, err := probe.Run(ctx, t, 0, restartUnitScript, string(e.Name))
		if err != nil {
			return err
		}
		if !r.OK() {
			t.Log("%s: nothing starts containers at boot", e.Name)
			return nil
		}
		ref, err := e.Image(ctx, httpd)
		if err != nil {
			return err
		}
		if _, err := e.Must(ctx, "start a container that is to run always", "run", "-d", "--name", alwaysContainer, "--restart", "always", ref); err != nil {
			return err
		}
		always[e.Name] = true
		return nil
	})
}

func afterReboot(ctx context.Context, t *check.T) error {
	always := t.Prepared.(map[engine.Name]bool)
	return engine.Each(ctx, t, func(ctx context.Context, e engine.Engine) error {
		if err := service(ctx, e); err != nil {
			return err
		}
		if !always[e.Name] {
			return nil
		}
		last := ""
		err := e.WaitFor(ctx, time.Minute, func(ctx context.Context) (bool, error) {
			out, err := e.Must(ctx, "inspect a container", "inspect", "--format", "{{.State.Status}}", alwaysContainer)
			if err == nil { // a question cut short by the limit says nothing
				last = out
			}
			return strings.TrimSpace(out) == "running", err
		})
		if errors.Is(err, engine.ErrNotInTime) {
			return check.FailWith(probe.JournalTail(ctx, t, "podman-restart.service", 30), "a container with --restart always is %q after a reboot, not running", last)
		}
		return err
	})
}
