package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "exec", Title: "a command runs in a container that is already running", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, execIn) },
})

func execIn(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	const name = "assay-exec"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--stop-signal", "KILL", "--name", name, "-e", "WHO=first", ref, "sleep", "3600"); err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a command in a running container", "exec", name, "sh", "-c", `echo "$WHO $(cat /proc/1/cmdline | tr '\0' ' ')"`)
	if err != nil {
		return err
	}
	// Process 1 is what was started, or an init that the image's configuration puts before it.
	if want := "first sleep 3600"; out != want && !strings.Contains(out, "init") {
		return check.Failf("exec shows %q of the running container, not %q", out, want)
	}
	r, err := e.Run(ctx, "exec", name, "sh", "-c", "exit 9")
	if err != nil {
		return err
	}
	if r.Exit != 9 {
		return check.Failf("a command that exits with 9 gives exec the status %d", r.Exit)
	}
	return nil
}
