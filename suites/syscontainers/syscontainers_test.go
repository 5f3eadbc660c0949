package syscontainers

import (
	"errors"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// both runs the cases for each way to run system containers.
func both(t *testing.T, name string, cases func(tool host.Tool) []suitetest.Case) {
	t.Helper()
	for _, tool := range tools {
		all := append(cases(tool), common(tool)...)
		t.Run(string(tool), func(t *testing.T) {
			suitetest.Run(t, reports.CaseID("system-containers/"+string(tool)+"-"+name), all)
		})
	}
}

// pull and list are the tools' commands.
var (
	pull = map[host.Tool][]string{host.Atomic: {"atomic", "pull", "--storage=ostree", "http:" + image}, host.Quadlet: {"podman", "pull", "--quiet", image}}
	list = map[host.Tool][]string{host.Atomic: {"atomic", "images", "list", guesttest.Rest}, host.Quadlet: {"podman", "images", guesttest.Rest}}
	none = map[host.Tool]string{host.Atomic: "[]", host.Quadlet: ""}
)

func TestInstall(t *testing.T) {
	both(t, "install", func(tool host.Tool) []suitetest.Case {
		start := []string{"systemctl", "start", containerName + "-" + string(tool) + ".service"}
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "pull fails", Want: reports.Failed, Says: []string{"failed (exit 1): no space"}, Guest: on(tool, fails("no space", pull[tool]...))},
			{Name: "our registry", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"own server does not answer"},
				Guest: on(tool, fails("dial tcp 192.168.127.1:5000: connect: connection refused", pull[tool]...))},
			{Name: "lost guest", Want: reports.Errored, Fault: reports.FaultInfra, Guest: on(tool, lost(pull[tool]...))},
			{Name: "not listed", Want: reports.Failed, Says: []string{"does not list it among its 0 images"}, Guest: on(tool, prints(none[tool], list[tool]...))},
			{Name: "starts by itself", Want: reports.Failed, Says: []string{"right after its install"}, Guest: on(tool, early)},
			{Name: "does not start", Want: reports.Failed, Says: []string{"is installed and does not start: Job failed"}, Guest: on(tool, fails("Job failed", start...))},
			{Name: "does not answer", Want: reports.Failed, Says: []string{`does not answer "Hi foo" on port`}, Guest: on(tool, mute)},
			{Name: "another answer", Want: reports.Failed, Says: []string{`does not answer "Hi foo"`, ": Hi World"}, Guest: on(tool, impatient, func(s *sim, _ *check.Env) {
				s.On(start...).Does(func(guesttest.Call) (r guestResult, err error) {
					for _, c := range s.all {
						c.receiver, c.running = "World", true
					}
					return r, nil
				})
			})},
			{Name: "told dead", Want: reports.Failed, Says: []string{`tells that it is "inactive", not running`}, Guest: on(tool, func(s *sim, _ *check.Env) {
				s.On(start...)
				s.OnDial(ports[tool], s.dialOnce())
			})},
		}
	})
	suitetest.Run(t, "system-containers/atomic-install", []suitetest.Case{
		{Name: "refused", Want: reports.Failed, Says: []string{"failed (exit 1): Invalid json"}, Guest: on(host.Atomic, fails("Invalid json in configuration file", "atomic", "install", guesttest.Rest))},
		{Name: "nothing done", Want: reports.Failed, Says: []string{"installs nothing"}, Guest: on(host.Atomic, prints(containerName+"-atomic already present\n", "atomic", "install", guesttest.Rest))},
	})
	suitetest.Run(t, "system-containers/quadlet-install", []suitetest.Case{
		{Name: "no unit made", Want: reports.Failed, Says: []string{"No files found"}, Guest: on(host.Quadlet, fails("No files found for "+containerName+"-quadlet.service.", "systemctl", "cat", guesttest.Any))},
	})
}

func TestInstallUpgraded(t *testing.T) {
	both(t, "install-upgraded", func(tool host.Tool) []suitetest.Case {
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "does not answer", Want: reports.Failed, Says: []string{"after its start"}, Guest: on(tool, mute)},
		}
	})
}

func TestReboot(t *testing.T) {
	after := func(do func(c *greeter)) plan {
		return func(s *sim, _ *check.Env) {
			s.OnReboot(func() error {
				for _, c := range s.all {
					do(c)
				}
				s.SetScale(1e-6)
				return nil
			})
		}
	}
	both(t, "reboot", func(tool host.Tool) []suitetest.Case {
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "cannot be prepared", Want: reports.Failed, Says: []string{"after its start"}, Guest: on(tool, mute)},
			{Name: "stays down", Want: reports.Failed, Says: []string{"after a reboot", "does not answer"}, Guest: on(tool, after(func(c *greeter) { c.running = false }))},
			{Name: "forgets its settings", Want: reports.Failed, Says: []string{": Hi World"}, Guest: on(tool, after(func(c *greeter) { c.receiver = "World" }))},
		}
	})
}

func TestUpdate(t *testing.T) {
	both(t, "update", func(tool host.Tool) []suitetest.Case {
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "old answer", Want: reports.Failed, Says: []string{"after an update of its setting", `does not answer "Hi bar"`}, Guest: on(tool, stuck)},
		}
	})
	suitetest.Run(t, "system-containers/atomic-update", []suitetest.Case{
		{Name: "refused", Want: reports.Failed, Says: []string{"failed (exit 1): it is broken"}, Guest: on(host.Atomic, fails("it is broken", "atomic", "containers", "update", guesttest.Rest))},
		{Name: "nothing to update", Want: reports.Failed, Says: []string{"changes nothing when it is to update"}, Guest: on(host.Atomic,
			prints("Latest version already installed.\n", "atomic", "containers", "update", guesttest.Rest))},
		{Name: "no rollback", Want: reports.Failed, Says: []string{"after a rollback of its update"}, Guest: on(host.Atomic, impatient, prints("", "atomic", "containers", "rollback", guesttest.Rest))},
		{Name: "nothing rolled back", Want: reports.Failed, Says: []string{"changes nothing when it is to roll"}, Guest: on(host.Atomic, prints("No changes.\n", "atomic", "containers", "rollback", guesttest.Rest))},
		{Name: "rollback refused", Want: reports.Failed, Says: []string{"Cannot find a previous deployment"}, Guest: on(host.Atomic,
			fails("Error: Cannot find a previous deployment to rollback located at x", "atomic", "containers", "rollback", guesttest.Rest))},
	})
}

func TestExec(t *testing.T) {
	both(t, "exec", func(tool host.Tool) []suitetest.Case {
		run := map[host.Tool][]string{host.Atomic: {"runc", "exec", guesttest.Rest}, host.Quadlet: {"podman", "exec", guesttest.Rest}}[tool]
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "refused", Want: reports.Failed, Says: []string{"runs and answers, and no command can be run in it", "cannot setns"}, Guest: on(tool, fails("cannot setns", run...))},
			{Name: "elsewhere", Want: reports.Failed, Says: []string{`reads "nothing" from its /tmp/www/index.html`}, Guest: on(tool, prints("nothing\n", run...))},
			{Name: "ends the container", Want: reports.Failed, Says: []string{"after a command was run in it"}, Guest: on(tool, func(s *sim, _ *check.Env) {
				s.On(run...).Does(func(guesttest.Call) (guestResult, error) {
					s.mute = true
					s.SetScale(1e-6)
					return guestResult{Stdout: "Hi foo\n"}, nil
				})
			})},
			{Name: "lost guest", Want: reports.Errored, Fault: reports.FaultInfra, Guest: on(tool, lost(run...))},
		}
	})
	suitetest.Run(t, "system-containers/atomic-exec", []suitetest.Case{
		{Name: "other runtime", Want: reports.Skipped, Says: []string{"kata"}, Guest: on(host.Atomic, func(s *sim, _ *check.Env) {
			s.On("atomic", "containers", "list", guesttest.Rest).Prints(`[{"id":"` + containerName + `-atomic","state":"running","running":true,"runtime":"/bin/kata"}]`)
		})},
	})
}

func TestUninstall(t *testing.T) {
	both(t, "uninstall", func(tool host.Tool) []suitetest.Case {
		stop := map[host.Tool][]string{host.Atomic: {"atomic", "uninstall", guesttest.Rest}, host.Quadlet: {"systemctl", "stop", guesttest.Any}}
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "refused", Want: reports.Failed, Says: []string{"failed (exit 1): busy"}, Guest: on(tool, fails("busy", stop[tool]...))},
			{Name: "leaves something", Want: reports.Failed, Says: []string{"leaves unit x.service, /var/x behind"}, Guest: on(tool, prints("unit x.service\n/var/x\n", "sh", "-c", leftScript, guesttest.Rest))},
		}
	})
	suitetest.Run(t, "system-containers/atomic-uninstall", []suitetest.Case{
		{Name: "still answers", Want: reports.Failed, Says: []string{"after the uninstall port 8091 answers"}, Guest: on(host.Atomic, prints("", "atomic", "uninstall", guesttest.Rest))},
		{Name: "still listed", Want: reports.Failed, Says: []string{"still lists it (inactive)"}, Guest: on(host.Atomic, func(s *sim, _ *check.Env) {
			s.On("atomic", "uninstall", guesttest.Rest).Does(func(guesttest.Call) (r guestResult, err error) {
				for _, c := range s.all {
					c.running = false
				}
				return r, nil
			})
		})},
		{Name: "twice", Want: reports.Failed, Says: []string{"ends well when it is to uninstall"}, Guest: on(host.Atomic, func(s *sim, _ *check.Env) {
			s.On("atomic", "uninstall", guesttest.Rest).Does(func(guesttest.Call) (r guestResult, err error) {
				clear(s.all)
				return r, nil
			})
		})},
	})
}

func TestUnknownName(t *testing.T) {
	both(t, "unknown-name", func(tool host.Tool) []suitetest.Case {
		start := []string{"systemctl", "start", nobody + ".service"}
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "accepted", Want: reports.Failed, Says: []string{"ends well when it is to start " + nobody}, Guest: on(tool, prints("", start...))},
			{Name: "another reason", Want: reports.Failed, Says: []string{"for another reason (no-space)"}, Guest: on(tool, fails("No space left on device", start...))},
			{Name: "no plain message", Want: reports.Failed, Says: []string{"does not say what is wrong with it: Traceback"}, Guest: on(tool, fails("Traceback", start...))},
			{Name: "other words", Guest: on(tool, fails("what is "+nobody+"?", start...))},
			{Name: "lost guest", Want: reports.Errored, Fault: reports.FaultInfra, Guest: on(tool, lost(start...))},
		}
	})
}

func TestUnknownImage(t *testing.T) {
	both(t, "unknown-image", func(tool host.Tool) []suitetest.Case {
		wrong := append(append([]string(nil), pull[tool][:len(pull[tool])-1]...), guesttest.Containing(nobody))
		return []suitetest.Case{
			{Name: "healthy", Guest: on(tool)},
			{Name: "accepted", Want: reports.Failed, Says: []string{"ends well when it is to pull"}, Guest: on(tool, prints("", wrong...))},
			{Name: "our registry", Want: reports.Errored, Fault: reports.FaultInfra, Guest: on(tool, fails("dial tcp: connect: connection refused", wrong...))},
		}
	})
	suitetest.Run(t, "system-containers/atomic-unknown-image", []suitetest.Case{
		{Name: "installed", Want: reports.Failed, Says: []string{"ends well when it is to install"}, Guest: on(host.Atomic, prints("", "atomic", "install", guesttest.Rest))},
		{Name: "listed all the same", Want: reports.Failed, Says: []string{"lists container " + nobody}, Guest: on(host.Atomic, func(s *sim, _ *check.Env) { s.all[nobody] = &greeter{name: nobody} })},
	})
}

func TestReserved(t *testing.T) {
	path := checkouts + containerName + "-atomic/"
	info := func(destdir, run, state string) string {
		return `{"values":{"DESTDIR":"` + destdir + `","RUN_DIRECTORY":"` + run + `","STATE_DIRECTORY":"` + state + `","HOST_UID":0}}`
	}
	// after changes a file of the checkout when it has been made.
	after := func(file, text string) plan {
		return func(s *sim, _ *check.Env) {
			s.On("atomic", "install", guesttest.Rest).Does(func(guesttest.Call) (r guestResult, err error) {
				g := &greeter{name: containerName + "-atomic", receiver: "foo", port: ports[host.Atomic]}
				s.all[g.name] = g
				s.checkout(g, "", nil)
				s.HasFile(path+"info", info(path+"0", "/run", "/var/lib/assay-other"))
				if text == "" {
					s.LacksFile(path + file)
				} else {
					s.HasFile(path+file, text)
				}
				return r, nil
			})
		}
	}
	suitetest.Run(t, "system-containers/atomic-reserved", append([]suitetest.Case{
		{Name: "healthy", Guest: on(host.Atomic)},
		{Name: "refused", Guest: on(host.Atomic, fails("NAME is reserved", "atomic", "install", guesttest.Rest))},
		{Name: "refused for another reason", Want: reports.Failed, Says: []string{"failed (exit 1): no"}, Guest: on(host.Atomic, fails("no", "atomic", "install", guesttest.Rest))},
		{Name: "another name", Want: reports.Failed, Says: []string{"--set NAME replaced"}, Guest: on(host.Atomic, after("config.json", `{"process":{"env":["NAME=assay-other"]}}`))},
		{Name: "another checkout", Want: reports.Failed, Says: []string{"--set DESTDIR replaced"}, Guest: on(host.Atomic, after("info", info("/var/assay-other", "/run", "/var/lib/assay-other")))},
		{Name: "no run directory", Want: reports.Failed, Says: []string{`tells RUN_DIRECTORY "", want "/run"`}, Guest: on(host.Atomic, after("info", info(path+"0", "", "/var/lib/assay-other")))},
		{Name: "state directory not taken", Want: reports.Failed, Says: []string{`tells STATE_DIRECTORY "/var/lib"`}, Guest: on(host.Atomic, after("info", info(path+"0", "/run", "/var/lib")))},
		{Name: "no info", Want: reports.Failed, Says: []string{"has no file " + path + "info"}, Guest: on(host.Atomic, after("info", ""))},
		{Name: "no JSON", Want: reports.Failed, Says: []string{"is no JSON"}, Guest: on(host.Atomic, after("config.json", "$NAME"))},
	}, common(host.Atomic)...))
}

func TestSharedRoot(t *testing.T) {
	second := containerName + "-atomic-second"
	suitetest.Run(t, "system-containers/atomic-shared-root", append([]suitetest.Case{
		{Name: "healthy", Guest: on(host.Atomic)},
		{Name: "root of its own", Want: reports.Failed, Says: []string{`and its root is "rootfs"`}, Guest: on(host.Atomic, func(s *sim, _ *check.Env) {
			s.On("atomic", "install", "--system", "--name="+second, guesttest.Rest).Does(func(guesttest.Call) (r guestResult, err error) {
				s.all[second] = &greeter{name: second}
				s.checkout(s.all[second], "", nil)
				return r, nil
			})
		})},
		{Name: "does not start", Want: reports.Failed, Says: []string{second + ".service is installed and does not start"}, Guest: on(host.Atomic, fails("failed", "systemctl", "start", second+".service"))},
		{Name: "the first one goes", Want: reports.Failed, Says: []string{"after the uninstall of a container that shared its root"}, Guest: on(host.Atomic, func(s *sim, _ *check.Env) {
			s.On("atomic", "uninstall", guesttest.Rest).Does(func(guesttest.Call) (r guestResult, err error) {
				clear(s.all)
				s.SetScale(1e-6)
				return r, nil
			})
		})},
	}, common(host.Atomic)...))
}

// dialOnce answers as a running container would once it was to be started.
func (s *sim) dialOnce() func() (conn, error) {
	return func() (conn, error) {
		for _, c := range s.Calls() {
			if strings.HasPrefix(strings.Join(c.Args, " "), "systemctl start") {
				return answer("Hi foo\n"), nil
			}
		}
		return nil, errors.New("connection refused")
	}
}
