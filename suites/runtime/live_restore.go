package runtime

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "live-restore", Title: "with live-restore, containers run on while the daemon restarts", Isolated: true, Limit: 6 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, liveRestore) },
})

const restored = "assay-restored"

func liveRestore(ctx context.Context, e engine.Engine) error {
	if e.Name == engine.Podman {
		return check.Skipf("it has no daemon whose containers could be restored")
	}
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	// The first restart turns it on, the second is to be survived. Where it is on
	// already the configuration is left alone: docker refuses to start when its
	// file says what its command line says, too, as Fedora's does.
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	if !info.LiveRestore {
		if err := e.Restarted(ctx, "live-restore", true); err != nil {
			return err
		}
		if info, err = e.Info(ctx); err != nil {
			return err
		}
	}
	if !info.LiveRestore {
		return check.Failf("live-restore is on in docker's configuration, and docker says it is off")
	}
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--name", restored, ref); err != nil {
		return err
	}
	state := []string{"inspect", "--format", "{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}}", restored}
	before, err := e.Must(ctx, "inspect a container", state...)
	if err != nil {
		return err
	}
	if err := e.Restart(ctx, "with live-restore"); err != nil {
		return err
	}
	after, err := e.Must(ctx, "inspect a container after a restart of the daemon", state...)
	if err != nil {
		return err
	}
	if after != before {
		return check.Failf("live-restore is on, and a container (status, process, start) was %q before a restart of the daemon and is %q after it", before, after)
	}
	// The daemon has it in hand again.
	if _, err := e.Must(ctx, "run a command in a container after a restart of the daemon", "exec", restored, "true"); err != nil {
		return err
	}
	_, err = e.Must(ctx, "stop a container after a restart of the daemon", "stop", "-t", "30", restored)
	return err
}
