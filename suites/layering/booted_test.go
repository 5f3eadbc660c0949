package layering

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/suitetest"
)

// boots is the status before, after something was staged, and when it is booted.
func boots(t *testing.T, next host.Deployment, then ...[]host.Deployment) plan {
	return tells(t, append([][]host.Deployment{all(booted(base())), all(staged(next), booted(base())), all(booted(next), base())}, then...)...)
}

// stays is a guest that does not go down.
func stays(g *guesttest.Fake, _ *check.Env) {
	g.OnReboot(func() error { return &guest.TransportError{Op: "reboot", Err: guest.ErrRebootNotSeen} })
}

func TestRebootOption(t *testing.T) {
	layered := onBase("assay-hello")
	for _, c := range []struct {
		tool    host.Tool
		id      reports.CaseID
		command []string
	}{
		{host.RPMOSTree, "layering/rpm-ostree-reboot-option", ask("install", "--reboot", "assay-hello")},
		{host.AtomicHost, "layering/atomic-host-reboot-option", []string{"atomic", "host", "install", "assay-hello", "--reboot"}},
	} {
		good := func(more ...plan) []plan {
			return append([]plan{toolTells(t, c.tool, all(booted(base())), all(booted(layered), base())), does("", c.command...), does("", q("assay-hello")...)}, more...)
		}
		suitetest.Run(t, c.id, []suitetest.Case{
			{Name: "healthy", Guest: with(c.tool, good()...)},
			{Name: "gone at once", Guest: with(c.tool, good(lost(c.command...))...)},
			{Name: "refused", Want: reports.Failed, Guest: with(c.tool, good(fails(1, "error: no\n", c.command...))...)},
			{Name: "does not reboot", Want: reports.Failed, Says: []string{"was to layer a package and reboot, and it does not go down"}, Guest: with(c.tool, good(stays)...)},
			{Name: "boots the old one", Want: reports.Failed, Says: []string{"the booted deployment is the bare base"}, Guest: with(c.tool, good(toolTells(t, c.tool, all(booted(base()))))...)},
		})
	}
}

func TestRollbackRemoves(t *testing.T) {
	layered := onBase("assay-friend")
	good := func(more ...plan) []plan {
		return append([]plan{boots(t, layered, all(booted(layered), base()), all(booted(base()), layered)), does("", ask("install", "assay-friend")...), does("Moving 'b' to be first deployment\n", ask("rollback")...),
			turns(q("assay-friend"), 0, 1), turns(q("assay-hello"), 1)}, more...)
	}
	suitetest.Run(t, "layering/rollback-removes", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "layered already", Guest: on(good(tells(t, all(booted(layered), base()), all(booted(layered), base()), all(booted(base()), layered)), does("", ask("install", "nothing")...),
			turns(ask("install", "assay-friend"), 1))...)},
		{Name: "layered already, on top of nothing", Want: reports.Failed, Says: []string{"no deployment to roll back to"}, Guest: on(good(tells(t, all(booted(layered))))...)},
		{Name: "refused", Want: reports.Failed, Says: []string{"cannot roll back: error: no"}, Guest: on(good(fails(1, "error: no\n", ask("rollback")...))...)},
		{Name: "layered deployment not booted", Want: reports.Failed, Says: []string{"after the reboot aaaaaaaaaaaa is booted"},
			Guest: on(good(tells(t, all(booted(base())), all(staged(layered), booted(base())), all(booted(base()))))...)},
		{Name: "no rollback", Want: reports.Failed, Says: []string{"after the reboot bbbbbbbbbbbb is booted"}, Guest: on(good(boots(t, layered))...)},
		{Name: "still there", Want: reports.Failed, Says: []string{"after a rollback and a reboot rpm -q still finds"}, Guest: on(good(turns(q("assay-friend"), 0))...)},
		{Name: "does not go down", Want: reports.Failed, Says: []string{"it does not go down"}, Guest: on(good(stays)...)},
		noTool, noPackages,
	})
}

func TestSurvivesUpgrade(t *testing.T) {
	newer := hosttest.Sum('d')
	layered := onBase("assay-friend")
	onNewer := changed(layered, func(d *host.Deployment) { d.BaseChecksum, d.Checksum = newer, otherSum })
	states := func(next host.Deployment) plan {
		return tells(t, all(booted(base())), all(booted(base())), all(staged(layered), booted(base())), all(booted(layered), base()),
			all(staged(next), booted(layered)), all(booted(next), layered))
	}
	trees := func(_ *guesttest.Fake, env *check.Env) {
		env.Trees = &check.Trees{URL: "http://gw:8000/repo", Ref: "os", Newer: check.Tree{Ref: "os", Commit: newer, Version: "2"}}
	}
	good := func(more ...plan) []plan {
		return append([]plan{states(onNewer), trees, does("", ask("install", "assay-friend")...), does("", "sh", "-c", guesttest.Containing("set-origin"), guesttest.Rest),
			does("", ask("upgrade")...), does("", q("assay-friend")...), does("hello 1.0\n", "assay-friend")}, more...)
	}
	suitetest.Run(t, "layering/survives-upgrade", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "upgrade refused", Want: reports.Failed, Says: []string{"cannot upgrade a host with a layered package: error: Could not depsolve"},
			Guest: on(good(fails(1, "error: Could not depsolve\n", ask("upgrade")...))...)},
		{Name: "no upgrade", Want: reports.Failed, Says: []string{"changes nothing when it is to upgrade"}, Guest: on(good(does("No upgrade available.\n", ask("upgrade")...))...)},
		{Name: "dropped", Want: reports.Failed, Says: []string{"does not list assay-friend as layered in the upgraded deployment"},
			Guest: on(good(states(changed(onNewer, func(d *host.Deployment) { d.Layered, d.Requested = nil, nil })))...)},
		{Name: "old base", Want: reports.Failed, Says: []string{"stands on base aaaaaaaaaaaa, and packages were layered on dddddddddddd"},
			Guest: on(good(states(changed(onNewer, func(d *host.Deployment) { d.BaseChecksum = baseSum })))...)},
		{Name: "does not run", Want: reports.Failed, Says: []string{"does not run"}, Guest: on(good(fails(127, "not found\n", "assay-friend"))...)},
		{Name: "no trees", Want: reports.Skipped, Says: []string{"no tree to upgrade to: too old"}, Guest: on(func(_ *guesttest.Fake, env *check.Env) { env.NoTrees = "too old" })},
		{Name: "follows an image", Want: reports.Skipped, Says: []string{"follows a container image"}, Guest: on(good(tells(t, all(booted(changed(base(), func(d *host.Deployment) {
			d.Image = &host.Image{Name: "q.test/os:1", Transport: "registry", Digest: "sha256:d"}
		})))))...)},
		noTool, noPackages,
	})
}

func TestUpgradeWithInstall(t *testing.T) {
	newer, older := hosttest.Sum('d'), hosttest.Sum('e')
	onNewer := changed(onBase("assay-hello"), func(d *host.Deployment) { d.BaseChecksum, d.Checksum = newer, otherSum })
	bare := changed(base(), func(d *host.Deployment) { d.Checksum, d.Version = older, "0" })
	states := func(next, back host.Deployment) plan {
		return tells(t, all(booted(base())), all(staged(next), booted(base())), all(booted(next), base()), all(staged(back), booted(next), base()))
	}
	trees := func(_ *guesttest.Fake, env *check.Env) {
		env.Trees = &check.Trees{URL: "http://gw:8000/repo", Ref: "os", Newer: check.Tree{Ref: "os", Commit: newer, Version: "2"},
			Older: []check.Tree{{Ref: "os", Commit: older, Version: "0"}}}
	}
	upgrade, deploy := ask("upgrade", "--install=assay-hello"), ask("deploy", "--uninstall=assay-hello", older)
	good := func(more ...plan) []plan {
		return append([]plan{states(onNewer, bare), trees, does("", "sh", "-c", guesttest.Containing("set-origin"), guesttest.Rest),
			does("", upgrade...), does("", deploy...), does("", q("assay-hello")...)}, more...)
	}
	suitetest.Run(t, "layering/upgrade-with-install", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "no older version", Guest: on(good(func(_ *guesttest.Fake, env *check.Env) { env.Trees.Older = nil })...)},
		{Name: "upgrade refused", Want: reports.Failed, Says: []string{"cannot upgrade with --install=assay-hello: error: no"}, Guest: on(good(fails(1, "error: no\n", upgrade...))...)},
		{Name: "package left out", Want: reports.Failed, Says: []string{"does not list assay-hello as layered in the upgraded deployment"},
			Guest: on(good(states(changed(onNewer, func(d *host.Deployment) { d.Layered, d.Requested = nil, nil }), bare))...)},
		{Name: "tree left out", Want: reports.Failed, Says: []string{"stands on base aaaaaaaaaaaa"}, Guest: on(good(states(onBase("assay-hello"), bare))...)},
		{Name: "deploy refused", Want: reports.Failed, Says: []string{"cannot deploy eeeeeeeeeeee with --uninstall=assay-hello"}, Guest: on(good(fails(1, "error: no\n", deploy...))...)},
		{Name: "package kept", Want: reports.Failed, Says: []string{`the pending deployment layers "assay-hello"`},
			Guest: on(good(states(onNewer, changed(onBase("assay-hello"), func(d *host.Deployment) { d.BaseChecksum = older })))...)},
		{Name: "another version", Want: reports.Failed, Says: []string{"not the base eeeeeeeeeeee again"}, Guest: on(good(states(onNewer, base()))...)},
		{Name: "no trees", Want: reports.Skipped, Says: []string{"no tree to upgrade to: too old"}, Guest: on(func(_ *guesttest.Fake, env *check.Env) { env.NoTrees = "too old" })},
		noTool, noPackages,
	})
}

func TestService(t *testing.T) {
	enable := []string{"systemctl", "enable", "--now", "assay-httpd.socket"}
	answers := func(body string) plan {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.OnDial(8099, func() (io.ReadWriteCloser, error) {
				if body == "" {
					return nil, errors.New("connection refused")
				}
				here, there := net.Pipe()
				go func() {
					defer there.Close()
					if _, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
						_, _ = io.WriteString(there, "HTTP/1.0 200 OK\r\n\r\n"+body) // the client may be gone
					}
				}()
				return here, nil
			})
		}
	}
	good := func(more ...plan) []plan {
		return append([]plan{boots(t, onBase("assay-httpd")), does("", ask("install", "assay-httpd")...), does("", q("assay-httpd")...), does("", enable...),
			does("", "sh", "-c", guesttest.Containing("firewall-cmd"), guesttest.Rest), answers("assay-httpd is here\n"), does("", "true"),
			func(g *guesttest.Fake, _ *check.Env) { g.Logs() }}, more...)
	}
	suitetest.Run(t, "layering/service", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "does not start", Want: reports.Failed, Says: []string{"the unit assay-httpd.socket of a layered package does not start: Unit not found"},
			Guest: on(good(fails(1, "Unit not found\n", enable...))...)},
		{Name: "does not answer", Want: reports.Failed, Says: []string{`does not answer "assay-httpd is here" on port 8099: connection refused`}, Guest: on(good(answers(""), impatient)...)},
		{Name: "other answer", Want: reports.Failed, Says: []string{"on port 8099: other"}, Guest: on(good(answers("other"), impatient)...)},
		{Name: "guest is gone", Want: reports.Errored, Fault: reports.FaultInfra, Guest: on(good(answers(""), impatient, lost("true"))...)},
		noTool, noPackages,
	})
}

func TestOverrideRemove(t *testing.T) {
	removed := changed(onBase(), func(d *host.Deployment) { d.Removed = []string{"strace"} })
	remove, reset := ask("override", "remove", "strace"), ask("override", "reset", "strace")
	states := func(now, back host.Deployment) plan { return boots(t, now, all(staged(back), booted(now))) }
	good := func(more ...plan) []plan {
		return append([]plan{does("strace\n", "sh", "-c", leafScript, guesttest.Rest), states(removed, base()), does("", remove...), does("", reset...), turns(q("strace"), 1)}, more...)
	}
	suitetest.Run(t, "layering/override-remove", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "refused", Want: reports.Failed, Says: []string{"cannot remove strace of the base"}, Guest: on(good(fails(1, "error: no\n", remove...))...)},
		{Name: "not told", Want: reports.Failed, Says: []string{"does not list strace as removed"}, Guest: on(good(states(onBase(), base()))...)},
		{Name: "still there", Want: reports.Failed, Says: []string{"after its removal from the base and a reboot rpm -q still finds"}, Guest: on(good(turns(q("strace"), 0))...)},
		{Name: "reset refused", Want: reports.Failed, Says: []string{"cannot reset the override"}, Guest: on(good(fails(1, "error: no\n", reset...))...)},
		{Name: "reset forgotten", Want: reports.Failed, Says: []string{"still has 1 removed and 0 replaced"}, Guest: on(good(states(removed, removed))...)},
		{Name: "not the base", Want: reports.Failed, Says: []string{"not the base aaaaaaaaaaaa again"}, Guest: on(good(states(removed, onBase()))...)},
		{Name: "nothing to miss", Want: reports.Skipped, Says: []string{"can be missed"}, Guest: on(does("", "sh", "-c", leafScript, guesttest.Rest))},
		noTool,
	})
}

func TestOverrideReplace(t *testing.T) {
	const name, path = "reference-greeting", "/var/tmp/assay/reference-greeting-2.0-1.noarch.rpm"
	replaced := changed(onBase(), func(d *host.Deployment) { d.Replaced = []host.Replacement{{Name: name, From: "1.0-1", To: "2.0-1"}} })
	replace, reset := ask("override", "replace", path), ask("override", "reset", "--all")
	states := func(now, back host.Deployment) plan { return boots(t, now, all(staged(back), booted(now))) }
	good := func(more ...plan) []plan {
		return append([]plan{states(replaced, base()), does("", "sh", "-c", fetchScript, guesttest.Rest), does("", replace...), does("", reset...),
			func(g *guesttest.Fake, _ *check.Env) {
				g.On(q(name)...).Prints(name + "-1.0-1.noarch\n").Then().Prints(name + "-2.0-1.noarch\n")
			}}, more...)
	}
	suitetest.Run(t, "layering/override-replace", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "refused", Want: reports.Failed, Says: []string{"cannot replace reference-greeting of the base"}, Guest: on(good(fails(1, "error: no\n", replace...))...)},
		{Name: "not told", Want: reports.Failed, Says: []string{"does not list reference-greeting as replaced; it lists 0"}, Guest: on(good(states(onBase(), base()))...)},
		{Name: "old one stays", Want: reports.Failed, Says: []string{`rpm -q says "reference-greeting-1.0-1.noarch"`}, Guest: on(good(does(name+"-1.0-1.noarch\n", q(name)...))...)},
		{Name: "reset forgotten", Want: reports.Failed, Says: []string{"still has 0 removed and 1 replaced"}, Guest: on(good(states(replaced, replaced))...)},
		{Name: "cannot fetch", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"cannot bring package"}, Guest: on(good(fails(7, "curl: refused\n", "sh", "-c", fetchScript, guesttest.Rest))...)},
		{Name: "nothing to fetch with", Want: reports.Skipped, Guest: on(good(fails(127, "", "sh", "-c", fetchScript, guesttest.Rest))...)},
		{Name: "another base", Want: reports.Skipped, Says: []string{"the base has no package reference-greeting"}, Guest: on(good(fails(1, "not installed\n", q(name)...))...)},
		noTool, noPackages,
	})
}

func TestInitramfs(t *testing.T) {
	own := changed(onBase(), func(d *host.Deployment) { d.RegenerateInitramfs, d.InitramfsArgs = true, initramfsArgs })
	enable, disable := ask("initramfs", "--enable", "--arg=-I", "--arg=/usr/bin/env"), ask("initramfs", "--disable")
	states := func(now, back host.Deployment) plan { return boots(t, now, all(staged(back), booted(now))) }
	good := func(more ...plan) []plan {
		return append([]plan{states(own, base()), does("", enable...), does("", disable...), does("", "sh", "-c", contentScript, guesttest.Rest),
			func(g *guesttest.Fake, _ *check.Env) {
				g.On("sh", "-c", bootScript, "sh").Prints("aa\n").Then().Prints("bb\n")
			}}, more...)
	}
	suitetest.Run(t, "layering/initramfs", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "no lsinitrd", Guest: on(good(fails(127, "", "sh", "-c", contentScript, guesttest.Rest))...)},
		{Name: "refused", Want: reports.Failed, Says: []string{"cannot make its own initramfs: error: dracut"}, Guest: on(good(fails(1, "error: dracut\n", enable...))...)},
		{Name: "too old", Want: reports.Skipped, Guest: on(good(fails(1, "error: Unknown command 'initramfs'\n", enable...))...)},
		{Name: "not told", Want: reports.Failed, Says: []string{"regenerate-initramfs false"}, Guest: on(good(states(onBase(), base()))...)},
		{Name: "same initramfs", Want: reports.Failed, Says: []string{"still boots the image's own (boot checksum aa)"}, Guest: on(good(does("aa\n", "sh", "-c", bootScript, "sh"))...)},
		{Name: "file is missing", Want: reports.Failed, Says: []string{"lacks /usr/bin/env"}, Guest: on(good(fails(1, "", "sh", "-c", contentScript, guesttest.Rest))...)},
		{Name: "cannot give it up", Want: reports.Failed, Says: []string{"cannot give its own initramfs up"}, Guest: on(good(fails(1, "error: no\n", disable...))...)},
		{Name: "still regenerates", Want: reports.Failed, Says: []string{"still regenerates it"}, Guest: on(good(states(own, own))...)},
		{Name: "the image does so", Want: reports.Skipped, Guest: on(good(tells(t, all(booted(own))))...)},
		noTool,
	})
}

func TestUnlockRPM(t *testing.T) {
	install := []string{"rpm", "-i", "--nosignature", "/var/tmp/assay/assay-hello-1.0-1.noarch.rpm"}
	good := func(more ...plan) []plan {
		return append([]plan{does("bash\n", "sh", "-c", inBaseScript, "sh"), does("", "sh", "-c", fetchScript, guesttest.Rest), turns(install, 1, 0), turns([]string{"touch", deployments.UsrFile}, 1, 0),
			does("Development mode enabled.\n", "ostree", "admin", "unlock"), does("overlay\n", "sh", "-c", deployments.UsrScript, "sh"), does("", q("assay-hello")...), does("hello 1.0\n", "assay-hello")}, more...)
	}
	suitetest.Run(t, "layering/unlock-rpm", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "works when locked", Want: reports.Failed, Says: []string{"rpm -i works although nobody unlocked /usr"}, Guest: on(good(turns(install, 0), does("", "sh", "-c", guesttest.Containing("prepare-root.conf")))...)},
		{Name: "never locked on purpose", Want: reports.Skipped, Says: []string{"root.transient"},
			Guest: on(good(turns(install, 0), does("conf [root]\nconf transient=1\n", "sh", "-c", guesttest.Containing("prepare-root.conf")))...)},
		{Name: "fails when unlocked", Want: reports.Failed, Says: []string{"/usr is unlocked, and rpm -i fails: no space"}, Guest: on(good(fails(1, "no space\n", install...))...)},
		{Name: "unlock fails", Want: reports.Failed, Guest: on(good(fails(1, "error: no\n", "ostree", "admin", "unlock"))...)},
		{Name: "does not run", Want: reports.Failed, Says: []string{"its program does not run"}, Guest: on(good(fails(127, "not found\n", "assay-hello"))...)},
		noTool,
		{Name: "not an rpm host", Want: reports.Skipped, Guest: on(does("\n", "sh", "-c", inBaseScript, "sh"))},
		noPackages,
	})
}
