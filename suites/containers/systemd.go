package containers

import (
	"context"
	"errors"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "systemd", Title: "systemd runs as a container's first process, its service answers, and it stops when told to", Limit: 5 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, systemdInside) },
})

// The container has the host's own systemd, read-only, and boots into one
// service: no image with a systemd of its own need be brought along.
const (
	systemdProgram = "/usr/lib/systemd/systemd"
	systemdFolder  = "/var/lib/assay-systemd"
	systemdPort    = "18086"
	systemdTarget  = "[Unit]\nDescription=a container of Assay\nDefaultDependencies=no\nWants=assay-web.service\n"
	systemdService = "[Unit]\nDescription=a web server in a container of Assay\nDefaultDependencies=no\n" +
		"[Service]\nExecStart=/bin/httpd -f -p 8080 -h /www\nStandardOutput=null\nStandardError=null\n"
)

// hostFolders prints what a program of the host needs to run elsewhere.
const hostFolders = `
[ -x "$1" ] || exit 127
for d in /usr/lib /usr/lib64; do [ -d "$d" ] && echo "$d"; done
exit 0`

func systemdInside(ctx context.Context, e engine.Engine) error {
	if e.Name != engine.Podman {
		return check.Skipf("it makes no place for a systemd of the container's own")
	}
	out, err := probe.Output(ctx, e.Guest(), systemdProgram, hostFolders, systemdProgram)
	if err != nil {
		return err
	}
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	if err := e.Files(ctx, systemdFolder, map[string]string{"default.target": systemdTarget, "assay-web.service": systemdService}); err != nil {
		return err
	}
	const name = "assay-systemd"
	defer e.Remove(ctx, name)
	// The host's files have labels that are not for containers.
	args := []string{"run", "-d", "--name", name, "--security-opt", "label=disable", "-p", systemdPort + ":8080",
		"-v", systemdFolder + ":/etc/systemd/system:ro", "-v", "/usr:/usr:ro"}
	for _, folder := range probe.Lines(out) {
		args = append(args, "-v", folder+":"+strings.TrimPrefix(folder, "/usr")+":ro")
	}
	if _, err := e.Must(ctx, "run systemd in a container", append(args, ref, systemdProgram)...); err != nil {
		return err
	}
	if err := booted(ctx, e, name); err != nil {
		return err
	}
	if err := serves(ctx, e, name, systemdPort, testPage); err != nil {
		return err
	}
	if _, err := e.Must(ctx, "stop a container that systemd runs", "stop", "-t", engine.Seconds(e.Guest(), stopLimit), name); err != nil {
		return err
	}
	status, err := e.Must(ctx, "inspect a container", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name)
	if err != nil {
		return err
	}
	// systemd's own end has the status 0 or 130, by its version; 137 is a kill.
	if !strings.HasPrefix(status, "exited ") || status == "exited 137" {
		return check.Failf("a container that systemd runs is %q after a stop (status, exit code): systemd was not told to end (SIGRTMIN+3)", status)
	}
	return nil
}

// booted waits until the container's systemd says that it is up.
func booted(ctx context.Context, e engine.Engine, name string) error {
	last := ""
	err := e.WaitFor(ctx, 30*time.Second, func(ctx context.Context) (bool, error) {
		r, err := e.Run(ctx, "exec", name, "/usr/bin/systemctl", "is-system-running")
		if err != nil {
			return false, err
		}
		last = r.Said()
		return r.Line() == "running", nil
	})
	if !errors.Is(err, engine.ErrNotInTime) {
		return err
	}
	logs, lerr := e.Run(ctx, "logs", name)
	if lerr != nil {
		return lerr
	}
	return check.FailWith(probe.Clip(logs.Stdout+logs.Stderr, 4000), "systemd does not come up in a container: %s", probe.OneLine(last))
}
