package containers

import (
	"context"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "atomic-run", Title: "atomic run starts a container, runs a command in it, and refuses one that is not there", Limit: 5 * time.Minute,
	Run: atomicRun,
})

const (
	atomicContainer = "assay-atomic-run"
	atomicPort      = 18085
	// atomicLimit is for one command of atomic, on a KVM host.
	atomicLimit = 2 * time.Minute
)

func atomicRun(ctx context.Context, t *check.T) error {
	has, err := guest.Has(ctx, t, "atomic")
	if err != nil {
		return err
	}
	image := t.Env.Registry.Images["system"]
	switch {
	case !has:
		return probe.NotShipped("atomic")
	case t.Env.Registry.Addr == "" || image == "":
		return check.Skipf("the harness serves no system container")
	}
	ref := t.Env.Registry.Addr + "/" + image
	atomic := func(ctx context.Context, args ...string) (guest.Result, error) {
		return t.Run(ctx, guest.Command{Args: append([]string{"atomic"}, args...), Limit: atomicLimit})
	}
	must := func(args ...string) (string, error) {
		r, err := atomic(ctx, args...)
		if err == nil && !r.OK() {
			err = check.FailWith(r.Stdout+r.Stderr, "atomic %s fails: %s", args[0], r.Said())
		}
		return r.Line(), err
	}
	defer func() {
		away, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(float64(atomicLimit)*t.Scale()))
		defer cancel()
		if _, err := atomic(away, "uninstall", atomicContainer); err != nil {
			t.Log("cannot clean up with atomic uninstall: %v", err)
		}
	}()
	for _, args := range [][]string{
		{"pull", "--storage=ostree", "http:" + ref},
		{"install", "--system", "--name=" + atomicContainer, "--set=PORT=" + strconv.Itoa(atomicPort), "--set=RECEIVER=run", ref},
		{"run", atomicContainer},
	} {
		if _, err := must(args...); err != nil {
			return err
		}
	}
	if err := probe.OpenPort(ctx, t, atomicPort); err != nil {
		return err
	}
	last, ok, err := probe.AwaitAnswer(ctx, t, atomicPort, 30*time.Second, "Hi run")
	if err != nil {
		return err
	}
	if !ok {
		return check.FailWith(probe.JournalTail(ctx, t, atomicContainer+".service", 40), "a container that atomic run started does not answer on port %d: %s",
			atomicPort, probe.Clip(strings.Join(strings.Fields(last), " "), 200))
	}
	out, err := must("run", atomicContainer, "echo", "inside")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "inside") {
		return check.Failf("a command that atomic run runs in a container prints %q, not %q", out, "inside")
	}
	if _, err := must("stop", atomicContainer); err != nil {
		return err
	}
	r, err := atomic(ctx, "run", atomicContainer+"-not-there")
	if err != nil {
		return err
	}
	if r.OK() {
		return check.Failf("atomic run of a container that is not there is called a success")
	}
	return nil
}
