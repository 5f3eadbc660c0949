package containers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/suitetest"
)

func TestPull(t *testing.T) {
	const id = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	good := func(g *guesttest.Fake) {
		g.On("podman", "pull", "--tls-verify=false", "-q", busyboxRef)
		g.On("podman", "image", "inspect", "--format", "{{.Id}}", busyboxRef).Prints(id + "\n")
		g.On("podman", "pull", "--tls-verify=false", busyboxRef+"-not-there").Exits(125).Says("Error: manifest unknown\n")
	}
	docker := func(g *guesttest.Fake, e *check.Env) {
		g.On("sh", "-c", engine.DetectScript, "sh").Prints("docker\n")
		g.LacksFile("/etc/docker/daemon.json")
		g.On("mkdir", "-p", "/etc/docker")
		g.TakesFile("/etc/docker/daemon.json")
		g.On("systemctl", "reload-or-try-restart", "docker.service")
		g.On("docker", "info", rest).Prints(`{"IndexConfigs":{"192.168.127.1:5000":{"Secure":false}}}`)
		g.On("docker", "pull", busyboxRef)
		g.On("docker", "image", "inspect", "--format", "{{.Id}}", busyboxRef).Prints(id)
		g.On("docker", "pull", busyboxRef+"-not-there").Exits(1).Says("not found\n")
	}
	suitetest.Run(t, "containers/pull", []suitetest.Case{
		passes(good), {Name: "docker", Guest: docker},
		fails("refused", "cannot pull "+busyboxRef+": Error: policy", good, exits(125, "Error: policy\n", "pull", "--tls-verify=false", "-q", busyboxRef)),
		fails("no id", "no SHA-256", good, prints("x\n", "image", "inspect", rest)),
		fails("anything is a success", "called a success", good, prints("", "pull", "--tls-verify=false", busyboxRef+"-not-there")),
		{Name: "registry is down", Want: reports.Errored, Fault: reports.FaultInfra,
			Guest: with(exits(125, "Error: pinging container registry x: dial tcp x: connect: connection refused\n", "pull", rest),
				func(g *guesttest.Fake) { g.On("sh", "-c", engine.FetchScript, rest).Exits(7) })},
		{Name: "no registry", Want: reports.Skipped, Guest: func(g *guesttest.Fake, e *check.Env) { with()(g, e); e.Registry.Addr = "" }},
		no,
	})
}

func TestRun(t *testing.T) {
	hello := []string{"run", "--rm", busyboxRef, "echo", "hello"}
	good := func(g *guesttest.Fake) {
		prints("hello\n", hello...)(g)
		exits(7, "", "run", "--rm", busyboxRef, "sh", "-c", "exit 7")(g)
	}
	suitetest.Run(t, "containers/run", []suitetest.Case{
		passes(good),
		fails("no runtime", `cannot run a container: Error: OCI runtime "crun" not found`, good, exits(125, "x\nError: OCI runtime \"crun\" not found\n", hello...)),
		fails("wrong output", `printed "hi"`, good, prints("hi\n", hello...)),
		fails("status lost", "gives exit status 0", good, prints("", "run", "--rm", busyboxRef, "sh", "-c", "exit 7")),
		no,
	})
}

func TestExec(t *testing.T) {
	good := func(g *guesttest.Fake) {
		prints("id\n", "run", "-d", rest)(g)
		prints("first sleep 3600 \n", "exec", "assay-exec", "sh", "-c", guesttest.Containing("/proc/1"))(g)
		exits(9, "", "exec", "assay-exec", "sh", "-c", "exit 9")(g)
	}
	suitetest.Run(t, "containers/exec", []suitetest.Case{
		passes(good),
		fails("another container", `"second sleep 1"`, good, prints("second sleep 1\n", "exec", "assay-exec", "sh", "-c", guesttest.Containing("/proc/1"))),
		fails("status lost", "gives exec the status 0", good, prints("", "exec", "assay-exec", "sh", "-c", "exit 9")),
		fails("does not start", "cannot start a container in the background", good, exits(126, "Error: x\n", "run", "-d", rest)),
		no,
	})
}

func TestRemove(t *testing.T) {
	good := func(g *guesttest.Fake) {
		prints("", "tag", rest)(g)
		prints("id\n", "run", "-d", rest)(g)
		prints("other\n", "ps", "-a", rest)(g)
		prints("", "rmi", "localhost/assay-remove:1")(g)
		exits(125, "no such image\n", "image", "inspect", "localhost/assay-remove:1")(g)
	}
	suitetest.Run(t, "containers/remove", []suitetest.Case{
		passes(good),
		fails("container stays", "still listed after rm -f", good, prints("other\nassay-remove\n", "ps", "-a", rest)),
		fails("image stays", "still there after rmi", good, prints("[]", "image", "inspect", "localhost/assay-remove:1")),
		fails("rmi fails", "cannot remove an image: Error: busy", good, exits(2, "Error: busy\n", "rmi", rest)),
		no,
	})
}

func TestLogs(t *testing.T) {
	good := func(g *guesttest.Fake) {
		prints("id\n", "run", "-d", rest)(g)
		prints("3\n", "wait", "assay-logs")(g)
		g.On("podman", "logs", "assay-logs").Prints("to stdout\n").Says("to stderr\n")
	}
	suitetest.Run(t, "containers/logs", []suitetest.Case{
		passes(good),
		fails("status", `exit status "0"`, good, prints("0\n", "wait", "assay-logs")),
		fails("lost", "printed to stderr", good, prints("to stdout\n", "logs", "assay-logs")),
		fails("no log", "cannot read a container's log", good, exits(125, "Error: x\n", "logs", "assay-logs")),
		no,
	})
}

func TestStop(t *testing.T) {
	good := func(g *guesttest.Fake) {
		prints("id\n", "run", "-d", rest)(g)
		for _, w := range []string{"stop", "start", "kill", "wait", "exec"} {
			prints("", w, rest)(g)
		}
		g.On("podman", "inspect", rest).Prints("exited 0\n").Then().Prints("running 0\n").Then().Prints("exited 137\n")
	}
	suitetest.Run(t, "containers/stop", []suitetest.Case{
		passes(good),
		fails("goes on", `after stop the container is "running 0"`, good, prints("running 0\n", "inspect", rest)),
		fails("does not serve", "does not answer within it", good, impatient, exits(1, "wget: refused\n", "exec", rest)),
		fails("killed", "did not get the signal to end", good, prints("exited 137\n", "inspect", rest)),
		fails("does not stop", "cannot stop a container", good, exits(125, "Error: x\n", "stop", rest)),
		fails("killed and well", `after kill the container is "exited 0"`, good, func(g *guesttest.Fake) {
			g.On("podman", "inspect", rest).Prints("exited 0\n").Then().Prints("running 0\n").Then().Prints("exited 0\n")
		}),
		no,
	})
}

func TestRestartPolicy(t *testing.T) {
	good := func(g *guesttest.Fake) {
		g.SetScale(0.01)
		prints("id\n", "run", "-d", rest)(g)
		g.On("podman", "inspect", rest).Prints("running 1\n").Then().Prints("exited 2\n")
	}
	suitetest.Run(t, "containers/restart-policy", []suitetest.Case{
		passes(good),
		fails("once is not twice", `is "exited 1" (status, restarts)`, good, impatient, prints("exited 1\n", "inspect", rest)),
		{Name: "podman 1.2", Want: reports.Skipped, Says: []string{"no restart policies"}, Guest: with(exits(125, "the --restart option is not supported at present\n", "run", "-d", rest))},
		fails("runs for ever", `is "running 0" (status, restarts)`, good, impatient, prints("running 0\n", "inspect", rest)),
		fails("inspect fails", "cannot inspect", good, exits(125, "Error: x\n", "inspect", rest)),
		no,
	})
}

func TestInspect(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	const text = `[{"Id":"` + id + `","Config":{"Env":["PATH=/bin","MOOD=fine"],"Labels":{"made.by":"assay"},"WorkingDir":"/tmp","Hostname":"inside"}}]`
	good := func(g *guesttest.Fake) {
		prints("id\n", "create", rest)(g)
		prints(text, "inspect", "assay-inspect")(g)
		prints("fine /tmp inside\n", "start", "-a", "assay-inspect")(g)
	}
	say := func(s string) plans { return prints(s, "inspect", "assay-inspect") }
	suitetest.Run(t, "containers/inspect", []suitetest.Case{
		passes(good),
		fails("no JSON", "prints no JSON", good, say("no")),
		fails("nothing", "one container", good, say("[]")),
		fails("no variable", "environment variable", good, say(`[{"Id":"`+id+`","Config":{}}]`)),
		fails("no label", "label", good, say(`[{"Id":"`+id+`","Config":{"Env":["MOOD=fine"]}}]`)),
		fails("no folder", "working folder", good, say(`[{"Id":"`+id+`","Config":{"Env":["MOOD=fine"],"Labels":{"made.by":"assay"}}}]`)),
		fails("runs otherwise", `"fine / inside"`, good, prints("fine / inside\n", "start", "-a", "assay-inspect")),
		no,
	})
}

func TestMany(t *testing.T) {
	say := func(n, out string) plans {
		return func(g *guesttest.Fake) { g.On("sh", "-c", manyScript, "sh", "podman", busyboxRef, n).Prints(out) }
	}
	suitetest.Run(t, "containers/many", []suitetest.Case{
		passes(say("50", "running=50\n")),
		{Name: "emulated", Guest: func(g *guesttest.Fake, e *check.Env) {
			e.Accelerator = "tcg"
			with(say("6", "running=6\n"))(g, e)
		}},
		fails("some", "of 50 containers started 48 run at the same time: Error: no lock left", say("50", "error=Error: no lock left\nrunning=48\n")),
		no,
	})
}

func TestSwarm(t *testing.T) {
	docker := func(state string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", engine.DetectScript, "sh").Prints("podman\ndocker\n")
			g.On("docker", "swarm", rest)
			g.On("docker", "info", "--format", "{{json .}}").Prints(`{"Driver":"overlay2"}`)
			g.On("docker", "info", "--format", "{{.Swarm.LocalNodeState}}").Prints(state)
			g.On("docker", "image", "inspect", rest).Prints("sha256:x\n")
			g.SetScale(0.01)
			g.On("docker", "service", "create", rest).Prints("id\n")
			g.On("docker", "service", "ps", rest).Prints("Preparing 1 second ago\n").Then().Prints("Running 1 second ago\n")
		}
	}
	rejected := func(g *guesttest.Fake, e *check.Env) {
		docker("active\n")(g, e)
		impatient(g)
		g.On("docker", "service", "ps", rest).Prints("Rejected 1 second ago  No such image\n")
	}
	restored := func(g *guesttest.Fake, e *check.Env) {
		docker("active\n")(g, e)
		g.On("docker", "info", "--format", "{{json .}}").Prints(`{"Driver":"overlay2","LiveRestoreEnabled":true}`)
	}
	suitetest.Run(t, "containers/swarm", []suitetest.Case{
		{Name: "works", Guest: docker("active\n")},
		{Name: "no swarm", Want: reports.Failed, Says: []string{"docker: ", `"inactive"`}, Guest: docker("inactive\n")},
		{Name: "no service", Want: reports.Failed, Says: []string{"does not run its service: Rejected 1 second ago No such image"}, Guest: rejected},
		{Name: "live-restore", Want: reports.Skipped, Says: []string{"live-restore is on"}, Guest: restored},
		{Name: "podman", Want: reports.Skipped, Guest: with()},
	})
}

func TestHundred(t *testing.T) {
	say := func(out string) plans {
		return func(g *guesttest.Fake) {
			g.On("sh", "-c", hundredScript, "sh", "podman", httpdRef, "100", "http://192.168.127.1:5000/v2/", "60").Prints(out)
			g.On("sh", "-c", engine.FetchScript, "sh", "http://192.168.127.1:5000/v2/", "60")
		}
	}
	slow := func(g *guesttest.Fake) {
		g.SetScale(10)
		g.On("sh", "-c", hundredScript, "sh", "podman", httpdRef, "100", "http://192.168.127.1:5000/v2/", "600").Prints("good=100\n")
		g.On("sh", "-c", engine.FetchScript, "sh", "http://192.168.127.1:5000/v2/", "600").Exits(127)
	}
	unreachable := func(g *guesttest.Fake) {
		g.On("sh", "-c", engine.FetchScript, guesttest.Rest).Says("curl: (7) Failed to connect\n").Exits(7)
	}
	suitetest.Run(t, "containers/hundred", []suitetest.Case{
		passes(say("good=100\n")),
		{Name: "one lost", Guest: with(say("good=99\nerror=wget: timed out\n"))},
		{Name: "on a slow host", Guest: with(slow)},
		{Name: "not from the host either", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"the host itself gets no answer", "curl: (7)"}, Guest: with(unreachable)},
		fails("two lost", "of 100 containers 98 started and reached the network: wget: timed out", say("good=98\nerror=wget: timed out\n")),
		fails("no word", "of 100 containers none started", say("")),
		no,
	})
}

// TestHundredScript runs the script itself with a program that plays the engine.
func TestHundredScript(t *testing.T) {
	for stub, want := range map[string]string{
		"exit 0": "good=7\n",
		"echo some noise >&2; echo 'Error: no lock left' >&2; exit 125": "good=0\n" + strings.Repeat("error=Error: no lock left\n", 7),
	} {
		engine := filepath.Join(t.TempDir(), "engine")
		if err := os.WriteFile(engine, []byte("#!/bin/sh\n"+stub+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", hundredScript, "sh", engine, "ref", "7", "http://x/", "9").Output()
		if err != nil || string(out) != want {
			t.Errorf("%s: %q, %v, want %q", stub, out, err, want)
		}
	}
}
