package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "host-tools", Title: "a privileged container runs the host's own container engine in the host's tree", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, hostTools) },
})

// hostPath finds the host's programs also where /bin is a folder of its own.
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func hostTools(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	// docker's client asks its daemon through the host's /run; podman is all there is.
	ask := []string{"--version"}
	if e.Name == engine.Docker {
		ask = []string{"version", "--format", "{{.Server.Version}}"}
	}
	want, err := e.Must(ctx, "tell its version", ask...)
	if err != nil {
		return err
	}
	got, err := e.Must(ctx, "run the host's engine from a privileged container",
		append([]string{"run", "--rm", "--privileged", "-v", "/:/host", "-e", "PATH=" + hostPath, ref, "chroot", "/host", string(e.Name)}, ask...)...)
	if err != nil {
		return err
	}
	if strings.TrimSpace(got) != want {
		return check.Failf("the host's engine says it is %q, and %q when a privileged container runs it", want, got)
	}
	return nil
}
