package containers

import (
	"context"
	"errors"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "stop", Title: "a container stops when told to, starts again, and can be killed", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, stop) },
})

// stopLimit is what a program has for its end before it is killed, on a KVM
// host: less than an engine command may take.
const stopLimit = 20 * time.Second

func stop(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	const name = "assay-stop"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--name", name, ref); err != nil {
		return err
	}
	// A stop is a signal, which only a program that is up can have asked for.
	if err := answersItself(ctx, e, name); err != nil {
		return err
	}
	for _, step := range []struct {
		purpose string
		args    []string
		want    string
	}{
		{"stop a container", []string{"stop", "-t", engine.Seconds(e.Guest(), stopLimit), name}, "exited 0"},
		{"start a stopped container", []string{"start", name}, "running"},
		{"kill a container", []string{"kill", name}, "exited 137"},
	} {
		if _, err := e.Must(ctx, step.purpose, step.args...); err != nil {
			return err
		}
		if step.args[0] == "kill" {
			if _, err := e.Must(ctx, "wait for a killed container", "wait", name); err != nil {
				return err
			}
		}
		out, err := e.Must(ctx, "inspect a container", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(out, step.want) {
			return check.Failf("after %s the container is %q (status, exit code), not %q%s", step.args[0], out, step.want, killed[out])
		}
	}
	return nil
}

// killed explains the state of a container that did not end by itself.
var killed = map[string]string{"exited 137": ": its program did not get the signal to end, and was killed"}

// answersItself waits until the web server in a container answers there.
func answersItself(ctx context.Context, e engine.Engine, name string) error {
	said := ""
	err := e.WaitFor(ctx, 20*time.Second, func(ctx context.Context) (bool, error) {
		r, err := e.Run(ctx, "exec", name, "wget", "-q", "-O", "-", "http://127.0.0.1/")
		if err == nil { // a question cut short by the limit says nothing
			said = r.Said()
		}
		return err == nil && r.OK(), err
	})
	if errors.Is(err, engine.ErrNotInTime) {
		return check.Failf("a web server in a container does not answer within it: %s", said)
	}
	return err
}
