package runtime

import (
	"context"
	"errors"
	"strings"
	"time"

	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "killed-daemon", Title: "a killed daemon comes back, and containers run on where it promises so", Isolated: true, Limit: 6 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, killedDaemon) },
})

// pidScript prints the main process of unit $1; killScript ends it at once.
const (
	pidScript  = `systemctl show -p MainPID "$1" | sed 's/^MainPID=//'`
	killScript = `systemctl kill --kill-who=main -s KILL "$1"`
)

const survivor = "assay-survivor"

func killedDaemon(ctx context.Context, e engine.Engine) error {
	if e.Name == engine.Podman {
		return check.Skipf("it has no daemon that could be killed")
	}
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--name", survivor, ref); err != nil {
		return err
	}
	for _, unit := range []string{"containerd.service", "docker.service"} {
		before, err := probe.Output(ctx, e.Guest(), "systemctl", pidScript, unit)
		if err != nil {
			return err
		}
		if before = strings.TrimSpace(before); before == "" || before == "0" {
			continue // docker runs its own containerd
		}
		if _, err := probe.Output(ctx, e.Guest(), "systemctl", killScript, unit); err != nil {
			return err
		}
		err = e.WaitFor(ctx, 30*time.Second, func(ctx context.Context) (bool, error) {
			now, err := probe.Output(ctx, e.Guest(), "systemctl", pidScript, unit)
			now = strings.TrimSpace(now)
			return now != "" && now != "0" && now != before, err
		})
		if errors.Is(err, engine.ErrNotInTime) {
			return check.FailWith(probe.JournalTail(ctx, e.Guest(), unit, 30), "%s does not come back after its process was killed (Restart= in its unit)", unit)
		}
		if err != nil {
			return err
		}
		if _, err := e.Info(ctx); err != nil {
			return err
		}
		// containerd leaves its containers to their shims; docker ends them unless
		// live-restore is on.
		if unit == "containerd.service" || info.LiveRestore {
			if err := survives(ctx, e, unit, info.LiveRestore); err != nil {
				return err
			}
		}
		if err := runsAgain(ctx, e, unit, ref); err != nil {
			return err
		}
	}
	return nil
}

// survives fails when the container does not run any more.
func survives(ctx context.Context, e engine.Engine, killed string, liveRestore bool) error {
	state, err := e.Must(ctx, "inspect a container", "inspect", "--format", "{{.State.Status}}", survivor)
	if err != nil {
		return err
	}
	if state == "running" {
		return nil
	}
	if liveRestore {
		return check.Failf("live-restore is on, and a container is %q after %s was killed", state, killed)
	}
	return check.Failf("a container is %q after %s was killed", state, killed)
}

// runsAgain waits until a new container runs: the parts of an engine find each
// other again in a moment, not at once.
func runsAgain(ctx context.Context, e engine.Engine, killed, ref string) error {
	var last error
	err := e.WaitFor(ctx, 30*time.Second, func(ctx context.Context) (bool, error) {
		_, err := e.Must(ctx, "run a container after "+killed+" was killed", "run", "--rm", ref, "true")
		if check.Classify(err).Outcome == reports.Failed {
			last = err
			return false, nil
		}
		return err == nil, err
	})
	if errors.Is(err, engine.ErrNotInTime) && last != nil {
		return last
	}
	return err
}
