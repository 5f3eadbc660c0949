package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "unprivileged", Title: "an ordinary user in a container has no capabilities and cannot read root's files", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, unprivileged) },
})

const (
	secretFolder = "/var/lib/assay-secret"
	// whoScript says who runs it, with which capabilities, and whether root's
	// file can be read. It has a tab in it: /proc/self/status does.
	whoScript = `
echo "uid=$(id -u)"
sed -n 's/^\(Cap[A-Z][a-z]*\):[^0-9a-f]*/\1=/p' /proc/self/status
cat /secret/file 2>/dev/null && echo 'read=1'
true`
)

func unprivileged(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	if err := e.Files(ctx, secretFolder, nil); err != nil {
		return err
	}
	if err := e.Guest().WriteFile(ctx, secretFolder+"/file", strings.NewReader("for root\n"), 0o600); err != nil {
		return err
	}
	out, err := e.Must(ctx, "run a container as an ordinary user", "run", "--rm", "--user", "1000:1000",
		"-v", secretFolder+":/secret:ro,z", ref, "sh", "-c", whoScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["uid"] != "1000":
		return check.FailWith(out, "--user 1000:1000 runs as user %q", p["uid"])
	case p["CapEff"] == "":
		return check.Skipf("the container's /proc does not tell of capabilities")
	case strings.Trim(p["CapEff"], "0") != "" || strings.Trim(p["CapPrm"], "0") != "":
		return check.FailWith(out, "an ordinary user in a container has capabilities (CapEff %s, CapPrm %s)", p["CapEff"], p["CapPrm"])
	case p["read"] != "":
		return check.Failf("an ordinary user in a container reads a file of mode 0600 that is root's")
	}
	return nil
}
