package runtime

import (
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/suitetest"
)

const (
	podmanInfo = `{"host":{"cgroupVersion":"v2","cgroupManager":"systemd","ociRuntime":{"name":"crun","path":"/usr/bin/crun"},"security":{"seccompEnabled":true}},"version":{"Version":"5.4.2"}}`
	dockerInfo = `{"ServerVersion":"27","Driver":"overlay2","DockerRootDir":"/d","DefaultRuntime":"runc","Runtimes":{"runc":{"path":"runc"}},"CgroupDriver":"systemd","CgroupVersion":"2","SecurityOptions":["name=seccomp"],"LiveRestoreEnabled":true}`
	upDocker   = "docker.service=enabled active success\ndocker.socket=enabled active success\n"
)

type plans func(g *guesttest.Fake)

// podman and docker are guests with that engine and these answers; later ones
// go before earlier ones.
func podman(all ...plans) func(*guesttest.Fake, *check.Env) {
	return with("podman", podmanInfo, all)
}

func docker(all ...plans) func(*guesttest.Fake, *check.Env) {
	return with("docker", dockerInfo, all)
}

func with(name, info string, all []plans) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) {
		g.On("sh", "-c", engine.DetectScript, "sh").Prints(name + "\n")
		g.On(name, "info", guesttest.Rest).Prints(info)
		g.On(name, "image", "inspect", guesttest.Rest).Prints("sha256:x\n")
		g.Logs()
		for _, p := range all {
			p(g)
		}
	}
}

// script plans that a script prints out, engine that an engine's command does.
func script(text, out string) plans {
	return func(g *guesttest.Fake) { g.On("sh", "-c", text, guesttest.Rest).Prints(out) }
}

func command(out string, args ...string) plans {
	return func(g *guesttest.Fake) { g.On(args...).Prints(out) }
}

func broken(said string, args ...string) plans {
	return func(g *guesttest.Fake) { g.On(args...).Exits(125).Says(said) }
}

func impatient(g *guesttest.Fake) { g.SetScale(1e-3) }

var no = suitetest.Case{Name: "no engine", Want: reports.Skipped, Says: []string{"no container engine"},
	Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", engine.DetectScript, "sh") }}

func TestService(t *testing.T) {
	suitetest.Run(t, "runtime/service", []suitetest.Case{
		{Name: "podman", Guest: podman(script(unitsScript, "podman.socket=disabled inactive success\n"))},
		{Name: "docker", Guest: docker(script(unitsScript, upDocker))},
		{Name: "failed", Want: reports.Failed, Says: []string{"podman.service failed: result exit-code"}, Guest: podman(script(unitsScript, "podman.service=static failed exit-code\n"))},
		{Name: "not up", Want: reports.Failed, Says: []string{`docker.service is "inactive"`}, Guest: docker(script(unitsScript, "docker.service=enabled inactive success\n"))},
		{Name: "no daemon", Want: reports.Failed, Says: []string{"docker: docker info fails: Cannot connect"}, Guest: docker(command(`{"ServerErrors":["Cannot connect to the Docker daemon"]}`, "docker", "info", guesttest.Rest))},
		no,
	})
}

func TestEnabled(t *testing.T) {
	suitetest.Run(t, "runtime/enabled", []suitetest.Case{
		{Name: "service", Guest: docker(script(unitsScript, upDocker))},
		{Name: "socket", Guest: docker(script(unitsScript, "docker.service=disabled active success\ndocker.socket=enabled active success\n"))},
		{Name: "neither", Want: reports.Failed, Says: []string{"docker.service (disabled) nor docker.socket (absent)"}, Guest: docker(script(unitsScript, "docker.service=disabled active success\n"))},
		{Name: "podman", Want: reports.Skipped, Guest: podman()}, no,
	})
}

func TestRestart(t *testing.T) {
	const done = "status=0\nactive=active\n"
	suitetest.Run(t, "runtime/restart", []suitetest.Case{
		{Name: "podman", Guest: podman(script(restartScript, done), script(socketScript, "OK"))},
		{Name: "nothing to ask with", Guest: podman(script(restartScript, done), func(g *guesttest.Fake) { g.On("sh", "-c", socketScript, guesttest.Rest).Exits(127) })},
		{Name: "docker", Guest: docker(script(restartScript, done))},
		{Name: "fails", Want: reports.Failed, Says: []string{"restart of docker.service ends with the unit failed"}, Shows: []string{"Job for docker"}, Guest: docker(script(restartScript, "Job for docker.service failed\nstatus=1\nactive=failed\n"))},
		{Name: "silent socket", Want: reports.Failed, Says: []string{"does not answer after a restart"}, Guest: podman(script(restartScript, done), script(socketScript, "not found"))},
		{Name: "no unit", Want: reports.Skipped, Guest: podman(func(g *guesttest.Fake) { g.On("sh", "-c", restartScript, guesttest.Rest).Exits(127) })},
		no,
	})
}

func TestOCIRuntime(t *testing.T) {
	runs := command("", "podman", "run", "--rm", guesttest.Any, "true")
	there := script(runtimeScript, "path=/usr/bin/crun\nstatus=0\nsays=crun version 1.21\n")
	suitetest.Run(t, "runtime/oci-runtime", []suitetest.Case{
		{Name: "there", Guest: podman(there, runs)},
		{Name: "missing, podman says so", Want: reports.Failed, Says: []string{`the program "crun" that containers are started with is not there`},
			Guest: podman(broken("Error: default OCI runtime \"crun\" not found: invalid argument\n", "podman", "info", guesttest.Rest))},
		{Name: "missing", Want: reports.Failed, Says: []string{"podman: the OCI runtime crun is not there (/usr/bin/crun)"}, Guest: podman(script(runtimeScript, "absent=1\n"))},
		{Name: "does not run", Want: reports.Failed, Says: []string{"/usr/bin/crun does not run: libyajl.so.2"}, Guest: podman(script(runtimeScript, "path=/usr/bin/crun\nstatus=127\nsays=libyajl.so.2: cannot open\n"))},
		{Name: "missing when it is wanted", Want: reports.Failed, Says: []string{`"runc"`, "not there"}, Guest: docker(script(runtimeScript, "path=/usr/bin/runc\nstatus=0\n"),
			broken("docker: Error response from daemon: exec: \"runc\": executable file not found in $PATH\n", "docker", "run", guesttest.Rest))},
		{Name: "starts nothing", Want: reports.Failed, Says: []string{"cannot start a container with /usr/bin/crun: Error: crun: mount"}, Guest: podman(there,
			broken("Error: crun: mount `proc`: Operation not permitted\n", "podman", "run", guesttest.Rest))},
		{Name: "no name", Guest: podman(command("{}", "podman", "info", guesttest.Rest), runs)},
		{Name: "no name, and starts nothing", Want: reports.Failed, Says: []string{"cannot start a container with the OCI runtime that it does not name"}, Guest: podman(
			command("{}", "podman", "info", guesttest.Rest), broken("Error: no runc\n", "podman", "run", guesttest.Rest))},
		{Name: "no registry", Guest: func(g *guesttest.Fake, e *check.Env) { podman(there)(g, e); e.Registry = check.Registry{} }},
		{Name: "no name and no registry", Want: reports.Skipped, Says: []string{"no registry"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			podman(command("{}", "podman", "info", guesttest.Rest))(g, e)
			e.Registry = check.Registry{}
		}},
		no,
	})
}

func TestCgroups(t *testing.T) {
	suitetest.Run(t, "runtime/cgroups", []suitetest.Case{
		{Name: "version 2", Guest: podman(script(cgroupScript, "type=cgroup2fs\nsystemd=1\n"))},
		{Name: "version 1", Guest: docker(command(`{"Driver":"x","CgroupDriver":"cgroupfs","CgroupVersion":"1"}`, "docker", "info", guesttest.Rest), script(cgroupScript, "type=tmpfs\nsystemd=1\n"))},
		{Name: "past systemd", Want: reports.Failed, Says: []string{"by itself (cgroupfs)"}, Guest: podman(command(`{"host":{"cgroupVersion":"v2","cgroupManager":"cgroupfs"}}`, "podman", "info", guesttest.Rest), script(cgroupScript, "type=cgroup2fs\nsystemd=1\n"))},
		{Name: "podman 2.0 does not tell", Guest: podman(command(`{"host":{"cgroupVersion":"v2"}}`, "podman", "info", guesttest.Rest), script(cgroupScript, "type=cgroup2fs\nsystemd=1\n"))},
		{Name: "another version", Want: reports.Failed, Says: []string{"version 1, the runtime speaks version 2"}, Guest: podman(script(cgroupScript, "type=tmpfs\n"))},
		no,
	})
}

func TestSecurity(t *testing.T) {
	suitetest.Run(t, "runtime/security", []suitetest.Case{
		{Name: "filter", Guest: podman(script(securityScript, "seccomp=1\n"))},
		{Name: "no filter", Want: reports.Failed, Says: []string{"no seccomp filter"}, Guest: podman(command(`{"host":{"security":{}}}`, "podman", "info", guesttest.Rest), script(securityScript, "seccomp=1\n"))},
		{Name: "podman 2 does not tell", Want: reports.Skipped, Guest: podman(command(`{"host":{}}`, "podman", "info", guesttest.Rest), script(securityScript, "seccomp=1\n"))},
		{Name: "no label", Want: reports.Failed, Says: []string{"no SELinux label"}, Guest: podman(script(securityScript, "enforcing=1\nseccomp=1\n"))},
		no,
	})
}

func TestVersions(t *testing.T) {
	suitetest.Run(t, "runtime/versions", []suitetest.Case{
		{Name: "known", Guest: podman()},
		{Name: "mismatch", Want: reports.Failed, Says: []string{"runc is a, not b"}, Guest: docker(command(`{"ServerVersion":"20.10","Driver":"x","RuncCommit":{"ID":"a","Expected":"b"}}`, "docker", "info", guesttest.Rest))},
		{Name: "docker 1 of a distribution", Guest: docker(command(`{"ServerVersion":"1.13.1","Driver":"x","RuncCommit":{"ID":"a","Expected":"b"}}`, "docker", "info", guesttest.Rest))},
		{Name: "docker 1.12", Want: reports.Skipped, Says: []string{"before 1.13"}, Guest: docker(func(g *guesttest.Fake) {
			g.On("docker", "info", guesttest.Rest).Exits(125).Says("unknown flag: --format\n")
		})},
		{Name: "podman 1", Want: reports.Skipped, Says: []string{"tells no version"}, Guest: podman(command("{}", "podman", "info", guesttest.Rest))},
		{Name: "none", Want: reports.Failed, Says: []string{"names no version"}, Guest: docker(command("{}", "docker", "info", guesttest.Rest))},
		no,
	})
}

func TestAfterReboot(t *testing.T) {
	up := plans(func(g *guesttest.Fake) {
		script(restartUnitScript, "")(g)
		script(unitsScript, "podman.socket=disabled inactive success\n")(g)
		command("id\n", "podman", "run", "-d", "--name", alwaysContainer, guesttest.Rest)(g)
		command("running\n", "podman", "inspect", guesttest.Rest)(g)
		g.OnReboot(nil)
	})
	suitetest.Run(t, "runtime/after-reboot", []suitetest.Case{
		{Name: "back", Guest: podman(up)},
		{Name: "nothing starts containers", Guest: podman(up, func(g *guesttest.Fake) { g.On("sh", "-c", restartUnitScript, guesttest.Rest).Exits(127) })},
		{Name: "container stays away", Want: reports.Failed, Says: []string{`is "exited" after a reboot`}, Guest: podman(up, impatient, command("exited\n", "podman", "inspect", guesttest.Rest))},
		{Name: "engine stays away", Want: reports.Failed, Says: []string{"podman info fails"}, Guest: podman(up, func(g *guesttest.Fake) {
			g.OnReboot(func() error { broken("Error: x\n", "podman", "info", guesttest.Rest)(g); return nil })
		})},
		no,
	})
}

func TestKilledDaemon(t *testing.T) {
	comesBack := plans(func(g *guesttest.Fake) {
		g.SetScale(0.01)
		command("id\n", "docker", "run", "-d", guesttest.Rest)(g)
		g.On("sh", "-c", pidScript, "sh", "containerd.service").Prints("0\n")
		g.On("sh", "-c", pidScript, "sh", "docker.service").Prints("700\n").Then().Prints("0\n").Then().Prints("812\n")
		g.On("sh", "-c", killScript, "sh", "docker.service")
		command("running\n", "docker", "inspect", guesttest.Rest)(g)
		command("", "docker", "run", "--rm", guesttest.Any, "true")(g)
	})
	withContainerd := plans(func(g *guesttest.Fake) {
		g.On("sh", "-c", pidScript, "sh", "containerd.service").Prints("500\n").Then().Prints("611\n")
		g.On("sh", "-c", killScript, "sh", "containerd.service")
	})
	lesser := command(strings.Replace(dockerInfo, `"LiveRestoreEnabled":true`, `"LiveRestoreEnabled":false`, 1), "docker", "info", guesttest.Rest)
	suitetest.Run(t, "runtime/killed-daemon", []suitetest.Case{
		{Name: "comes back", Guest: docker(comesBack)},
		{Name: "stays away", Want: reports.Failed, Says: []string{"docker.service does not come back"}, Guest: docker(comesBack, impatient, func(g *guesttest.Fake) {
			g.On("sh", "-c", pidScript, "sh", "docker.service").Prints("700\n").Then().Prints("0\n")
		})},
		{Name: "containers lost", Want: reports.Failed, Says: []string{"live-restore is on", `"exited"`}, Guest: docker(comesBack, command("exited\n", "docker", "inspect", guesttest.Rest))},
		{Name: "containers lost, and no promise", Guest: docker(comesBack, lesser, command("exited\n", "docker", "inspect", guesttest.Rest))},
		{Name: "containerd comes back", Guest: docker(comesBack, withContainerd, lesser)},
		{Name: "containers lost with containerd", Want: reports.Failed, Says: []string{`docker: a container is "exited" after containerd.service was killed`},
			Guest: docker(comesBack, withContainerd, lesser, command("exited\n", "docker", "inspect", guesttest.Rest))},
		{Name: "runs nothing more", Want: reports.Failed, Says: []string{"cannot run a container after docker.service was killed: docker: Error"},
			Guest: docker(comesBack, broken("docker: Error response from daemon: x\n", "docker", "run", "--rm", guesttest.Rest))},
		{Name: "runs again after a moment", Guest: docker(comesBack, func(g *guesttest.Fake) {
			g.On("docker", "run", "--rm", guesttest.Rest).Exits(125).Says("docker: Error response from daemon: containerd.sock: connection refused\n").Then()
		})},
		{Name: "podman", Want: reports.Skipped, Guest: podman()}, no,
	})
}

func TestLiveRestore(t *testing.T) {
	const state = "running 900 2026-11-21T10:00:00Z\n"
	off := strings.Replace(dockerInfo, `"LiveRestoreEnabled":true`, `"LiveRestoreEnabled":false`, 1)
	// As Fedora's docker: on by the command line, so that the file must not say so.
	fedora := plans(func(g *guesttest.Fake) {
		g.On("systemctl", "restart", "docker.service")
		command("id\n", "docker", "run", "-d", guesttest.Rest)(g)
		command(state, "docker", "inspect", guesttest.Rest)(g)
		command("", "docker", "exec", restored, "true")(g)
		command("", "docker", "stop", guesttest.Rest)(g)
	})
	good := plans(func(g *guesttest.Fake) {
		fedora(g)
		g.HasFile("/etc/docker/daemon.json", "{}")
		g.TakesFile("/etc/docker/daemon.json")
		g.On("docker", "info", guesttest.Rest).Prints(off).Then().Prints(dockerInfo)
	})
	suitetest.Run(t, "runtime/live-restore", []suitetest.Case{
		{Name: "run on", Guest: docker(good)},
		{Name: "on already", Guest: docker(fedora)},
		{Name: "started anew", Want: reports.Failed, Says: []string{`was "running 900`, `is "running 1200`}, Guest: docker(good, func(g *guesttest.Fake) {
			g.On("docker", "inspect", guesttest.Rest).Prints(state).Then().Prints("running 1200 2026-11-21T10:00:09Z\n")
		})},
		{Name: "out of hand", Want: reports.Failed, Says: []string{"cannot run a command in a container after a restart"}, Guest: docker(good, broken("Error: x\n", "docker", "exec", guesttest.Rest))},
		{Name: "ignored", Want: reports.Failed, Says: []string{"docker says it is off"}, Guest: docker(good, command(off, "docker", "info", guesttest.Rest))},
		{Name: "does not start", Want: reports.Failed, Says: []string{"docker does not start with live-restore true: Job failed"}, Guest: docker(good, func(g *guesttest.Fake) {
			g.On("systemctl", "restart", "docker.service").Exits(1).Says("Job failed\n")
		})},
		{Name: "podman", Want: reports.Skipped, Guest: podman()}, no,
	})
}
