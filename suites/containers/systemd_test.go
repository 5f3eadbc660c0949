package containers

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/suitetest"
)

func TestSystemd(t *testing.T) {
	const name = "assay-systemd"
	state := []string{"exec", name, "/usr/bin/systemctl", "is-system-running"}
	good := func(g *guesttest.Fake) {
		g.SetScale(0.01)
		folders(g)
		g.On("sh", "-c", hostFolders, "sh", systemdProgram).Prints("/usr/lib\n/usr/lib64\n")
		prints("id\n", "run", "-d", "--name", name, "--security-opt", "label=disable", "-p", "18086:8080", "-v", systemdFolder+":/etc/systemd/system:ro",
			"-v", "/usr:/usr:ro", "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro", httpdRef, systemdProgram)(g)
		g.On(append([]string{"podman"}, state...)...).Exits(1).Prints("starting\n").Then().Prints("running\n")
		g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Prints("<h1>ASSAY TEST PAGE</h1>\n")
		prints("", "stop", "-t", anyArg, name)(g)
		prints("exited 130\n", "inspect", rest)(g)
		prints("Failed to mount cgroup\n", "logs", name)(g)
	}
	suitetest.Run(t, "containers/systemd", []suitetest.Case{
		passes(good),
		fails("does not start", "cannot run systemd in a container: Error: cannot mount", good, exits(126, "Error: cannot mount tmpfs\n", "run", rest)),
		fails("does not come up", "systemd does not come up in a container: degraded", good, impatient, func(g *guesttest.Fake) {
			g.On(append([]string{"podman"}, state...)...).Exits(1).Prints("degraded\n")
		}),
		fails("ends at once", "systemd does not come up in a container: Error: container state improper", good, impatient, exits(255, "Error: container state improper\n", state...)),
		fails("no answer", "port 18086 of the host does not show the page", good, impatient, prints("running\n", state...), func(g *guesttest.Fake) {
			g.On("sh", "-c", engine.FetchScript, "sh", anyArg, anyArg).Exits(7).Says("refused\n")
		}),
		fails("killed", `is "exited 137" after a stop`, good, prints("exited 137\n", "inspect", rest)),
		{Name: "no systemd", Want: reports.Skipped, Says: []string{"ships no /usr/lib/systemd/systemd"}, Guest: with(good, func(g *guesttest.Fake) {
			g.On("sh", "-c", hostFolders, "sh", systemdProgram).Exits(127)
		})},
		{Name: "docker", Want: reports.Skipped, Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", engine.DetectScript, "sh").Prints("docker\n") }},
		no,
	})
}
