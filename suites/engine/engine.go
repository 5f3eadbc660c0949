// Package engine is the container engines of a guest, podman and docker, as
// the suites storage, runtime and containers use them: the same words for
// both, whatever differs hidden behind one type.
//
// It states what an engine said and did; whether that is right is for the
// checks. It needs of the guest what the image ships, and skips where that is
// nothing.
package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/probe"
)

// Name is a container engine's program.
type Name string

// The engines that are known.
const (
	Podman Name = "podman"
	Docker Name = "docker"
)

// Engine is one container engine of one guest.
type Engine struct {
	Name Name
	t    *check.T
	// user runs it without root's rights; empty is root.
	user string
	env  map[string]string
}

// DetectScript prints the engines that the image ships. A docker that is a
// script and speaks of podman is podman under docker's name (podman-docker);
// Atomic Host's is a script, too, which runs docker-current or docker-latest. A
// client without a daemon's unit or program runs nothing here.
const DetectScript = `
command -v podman >/dev/null 2>&1 && echo podman
d=$(command -v docker 2>/dev/null) || exit 0
[ "$(head -c 2 "$d")" = '#!' ] && grep -q podman "$d" && exit 0
for u in docker.service docker.socket docker-latest.service; do
	[ "$(systemctl show -p LoadState "$u" 2>/dev/null)" = LoadState=loaded ] && echo docker && exit 0
done
command -v dockerd >/dev/null 2>&1 && echo docker
exit 0`

// All returns the engines of the guest, and skips when there is none.
func All(ctx context.Context, t *check.T) ([]Engine, error) {
	names, known := remembered.engines(t.Guest)
	if !known {
		out, err := probe.Output(ctx, t, "sh", DetectScript)
		if err != nil {
			return nil, err
		}
		names = probe.Lines(out)
		remembered.setEngines(t.Guest, names)
	}
	var all []Engine
	for _, name := range names {
		all = append(all, Engine{Name: Name(name), t: t})
	}
	if len(all) == 0 {
		return nil, check.Skipf("the image ships no container engine (podman, docker)")
	}
	return all, nil
}

// Each asks the question of every engine of the guest. The first failure is
// the answer, with the engine's name before it; when all skip, that is the
// answer; an engine that skips beside one that passes is noted.
func Each(ctx context.Context, t *check.T, ask func(ctx context.Context, e Engine) error) error {
	all, err := All(ctx, t)
	if err != nil {
		return err
	}
	var skips []string
	for _, e := range all {
		err := ask(ctx, e)
		j := check.Classify(err)
		switch j.Outcome {
		case reports.Passed:
		case reports.Skipped:
			skips = append(skips, fmt.Sprintf("%s: %s", e.Name, j.Message))
		case reports.Failed:
			return check.FailWith(j.Details, "%s: %s", e.Name, j.Message)
		default:
			return err
		}
	}
	if len(skips) == len(all) {
		return check.Skipf("%s", strings.Join(skips, "; "))
	}
	for _, s := range skips {
		t.Log("not asked of %s", s)
	}
	return nil
}

// As is the engine run by an ordinary user, with the environment of a session.
func (e Engine) As(user string, env map[string]string) Engine {
	e.user, e.env = user, env
	return e
}

// Guest is where the engine runs.
func (e Engine) Guest() *check.T { return e.t }

// runLimit is how long one engine command may take on a KVM host.
const runLimit = time.Minute

// Run runs one engine command. A non-zero exit is a result, as with guest.Run.
func (e Engine) Run(ctx context.Context, args ...string) (guest.Result, error) {
	return e.run(ctx, runLimit, args)
}

// run runs one engine command, and one that a registry did not answer once more.
func (e Engine) run(ctx context.Context, limit time.Duration, args []string) (guest.Result, error) {
	c := guest.Command{Args: append([]string{string(e.Name)}, args...), User: e.user, Env: e.env, Limit: limit}
	r, err := e.t.Run(ctx, c)
	if err == nil && slices.Contains(registryCommands, args[0]) && e.noAnswer(args, r) {
		e.t.Log("%s %s is asked again: %s", e.Name, args[0], probe.OneLine(r.Said()))
		return e.t.Run(ctx, c)
	}
	return r, err
}

// Must runs one engine command and returns what it prints. When it fails, that
// is the image's failure to do what purpose says: "run a container".
func (e Engine) Must(ctx context.Context, purpose string, args ...string) (string, error) {
	r, err := e.Run(ctx, args...)
	if err != nil {
		return "", err
	}
	if !r.OK() {
		return "", e.Failed(ctx, purpose, args, r)
	}
	return strings.TrimSpace(r.Stdout), nil
}

// said is the telling line: engines print it after "Error:".
func said(r guest.Result) string {
	for _, l := range probe.Lines(r.Stderr) {
		if strings.HasPrefix(l, "Error") || strings.Contains(l, "level=error") {
			return probe.OneLine(l)
		}
	}
	return probe.OneLine(r.Said())
}

// cleanUpLimit is for taking a container away, on a KVM host.
const cleanUpLimit = 20 * time.Second

// Remove takes containers away, whatever became of them, also when ctx has ended.
func (e Engine) Remove(ctx context.Context, containers ...string) {
	e.Discard(ctx, append([]string{"rm", "-f"}, containers...)...)
}

// Discard runs an engine command that cleans up, also when ctx has ended. What
// it cannot take away goes with the guest, so a failure is only noted.
func (e Engine) Discard(ctx context.Context, args ...string) {
	limit := time.Duration(float64(cleanUpLimit) * e.t.Scale())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if _, err := e.Run(ctx, args...); err != nil {
		e.t.Log("cannot clean up with %s %s: %v", e.Name, strings.Join(args, " "), err)
	}
}

// WaitFor asks again until done says so or limit (on a KVM host) has passed;
// the error then is the last thing done said.
func (e Engine) WaitFor(ctx context.Context, limit time.Duration, done func(ctx context.Context) (bool, error)) error {
	deadline := time.Duration(float64(limit) * e.t.Scale())
	within, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	// A second between questions, less on a guest that is faster than KVM's: a test's.
	pause := time.NewTicker(max(time.Millisecond, min(time.Second, time.Duration(float64(time.Second)*e.t.Scale()))))
	defer pause.Stop()
	for {
		ok, err := done(within)
		switch {
		case ok:
			return nil
		case within.Err() != nil && ctx.Err() == nil:
			return ErrNotInTime
		case err != nil:
			return err
		}
		select {
		case <-within.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return ErrNotInTime
		case <-pause.C:
		}
	}
}

// ErrNotInTime means that what WaitFor waited for did not come about.
var ErrNotInTime = errors.New("it did not come about in time")
