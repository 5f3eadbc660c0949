package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "volume", Title: "a folder of the host and a named volume are shared with containers, both ways", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, volume) },
})

// shared is the host's folder. The z gives it a label that containers may use
// and does nothing without SELinux.
const shared = "/var/lib/assay-volume"

func volume(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	t := e.Guest()
	if err := e.Files(ctx, shared, map[string]string{"from-host": "host says hello\n"}); err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container with a folder of the host", "run", "--rm", "-v", shared+":/data:z", ref,
		"sh", "-c", "cat /data/from-host; echo container says hello > /data/from-container")
	if err != nil {
		return err
	}
	if out != "host says hello" {
		return check.Failf("a container reads %q from a file of the host that holds %q", out, "host says hello")
	}
	b, err := t.ReadFile(ctx, shared+"/from-container", 4<<10)
	if err != nil {
		return check.Failf("what a container wrote into a folder of the host is not there: %v", err)
	}
	if got := strings.TrimSpace(string(b)); got != "container says hello" {
		return check.Failf("the host reads %q from a file that a container wrote", got)
	}
	return namedVolume(ctx, e, ref)
}

func namedVolume(ctx context.Context, e engine.Engine, ref string) error {
	const name = "assay-volume"
	if _, err := e.Must(ctx, "create a volume", "volume", "create", name); err != nil {
		return err
	}
	defer e.Discard(ctx, "volume", "rm", "-f", name)
	if _, err := e.Must(ctx, "write into a volume", "run", "--rm", "-v", name+":/data", ref, "sh", "-c", "echo kept > /data/f"); err != nil {
		return err
	}
	out, err := e.Must(ctx, "read from a volume", "run", "--rm", "-v", name+":/data:ro", ref, "sh", "-c", "cat /data/f; echo x 2>/dev/null > /data/g && echo written; true")
	if err != nil {
		return err
	}
	if out != "kept" {
		return check.Failf("a second container reads %q from a read-only volume into which the first wrote %q", out, "kept")
	}
	return nil
}
