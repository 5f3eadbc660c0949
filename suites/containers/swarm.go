package containers

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "swarm", Title: "docker makes a swarm of one node, runs a service in it, and leaves it", Advisory: true, Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, swarm) },
})

func swarm(ctx context.Context, e engine.Engine) error {
	if e.Name != engine.Docker {
		return check.Skipf("it has no swarms")
	}
	info, err := e.Facts(ctx)
	if err != nil {
		return err
	}
	if info.LiveRestore {
		return check.Skipf("live-restore is on, with which docker makes no swarm")
	}
	defer e.Discard(ctx, "swarm", "leave", "--force")
	if _, err := e.Must(ctx, "make a swarm", "swarm", "init", "--advertise-addr", "127.0.0.1"); err != nil {
		return err
	}
	state, err := e.Must(ctx, "describe the swarm", "info", "--format", "{{.Swarm.LocalNodeState}}")
	if err != nil {
		return err
	}
	if state != "active" {
		return check.Failf("the node's state in a new swarm is %q, not active", state)
	}
	if err := swarmService(ctx, e, info.Version); err != nil {
		return err
	}
	_, err = e.Must(ctx, "leave the swarm", "swarm", "leave", "--force")
	return err
}

// beforeDetach are versions of docker before 17.05.
var beforeDetach = regexp.MustCompile(`^(?:1\.|17\.0[34]\.)`)

// swarmService has the swarm run a container.
func swarmService(ctx context.Context, e engine.Engine, version string) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	create := []string{"service", "create"}
	if !beforeDetach.MatchString(version) { // which never wait, and do not know the option
		create = append(create, "--detach")
	}
	if _, err := e.Must(ctx, "create a service in the swarm", append(create, "--name", "assay-service", ref, "sleep", "3600")...); err != nil {
		return err
	}
	last := ""
	err = e.WaitFor(ctx, time.Minute, func(ctx context.Context) (bool, error) {
		out, err := e.Must(ctx, "list the service's tasks", "service", "ps", "--format", "{{.CurrentState}} {{.Error}}", "assay-service")
		if err == nil { // a question cut short by the limit says nothing
			last = out
		}
		return strings.HasPrefix(out, "Running"), err
	})
	if errors.Is(err, engine.ErrNotInTime) {
		return check.Failf("the swarm does not run its service: %s", strings.Join(strings.Fields(last), " "))
	}
	return err
}
