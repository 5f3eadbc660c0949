package layering

import (
	"testing"

	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/deployments"
	"assay/suites/suitetest"
)

// changed is d with something else about it.
func changed(d host.Deployment, change func(d *host.Deployment)) host.Deployment {
	change(&d)
	return d
}

func TestInstall(t *testing.T) {
	layered := onBase("assay-hello")
	states := tells(t, all(booted(base())), all(staged(layered), booted(base())), all(booted(layered), base()))
	good := func(more ...plan) []plan {
		return append([]plan{states, does("", "rpm-ostree", "install", "assay-hello"), turns(q("assay-hello"), 1, 0), does("hello 1.0\n", "assay-hello")}, more...)
	}
	then := func(next, now host.Deployment) plan {
		return tells(t, all(booted(base())), all(staged(next), booted(base())), all(booted(now), base()))
	}
	fresh := []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "refused", Want: reports.Failed, Says: []string{"rpm-ostree cannot layer assay-hello: error: Packages not found: assay-hello"},
			Guest: on(good(fails(1, "error: Packages not found: assay-hello\n", "rpm-ostree", "install", "assay-hello"))...)},
		{Name: "our server", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"the harness's server does not answer"},
			Guest: on(good(fails(1, "error: Updating rpm-md repo 'assay': cannot download repodata/repomd.xml: Curl error (7): Couldn't connect to server\n", "rpm-ostree", "install", "assay-hello"))...)},
		{Name: "busy", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"busy with something else all the time"},
			Guest: on(good(impatient, fails(1, "error: Transaction in progress: upgrade\n", "rpm-ostree", "install", "assay-hello"))...)},
		{Name: "lost guest", Want: reports.Errored, Fault: reports.FaultInfra, Guest: on(good(lost("rpm-ostree", "install", "assay-hello"))...)},
		{Name: "no change", Want: reports.Failed, Says: []string{"changes nothing when it is to layer assay-hello"},
			Guest: on(good(does("No change.\n", "rpm-ostree", "install", "assay-hello"))...)},
		{Name: "nothing staged", Want: reports.Failed, Says: []string{"no deployment for the next boot"}, Guest: on(good(tells(t, all(booted(base()))))...)},
		{Name: "no booted one", Want: reports.Failed, Says: []string{"marks none of 1 deployments"}, Guest: on(good(tells(t, all(base())))...)},
		{Name: "same checksum", Want: reports.Failed, Says: []string{"the pending deployment is the bare base"},
			Guest: on(good(then(changed(base(), func(d *host.Deployment) { d.Requested = []string{"assay-hello"} }), layered))...)},
		{Name: "other base", Want: reports.Failed, Says: []string{"stands on base cccccccccccc, and packages were layered on aaaaaaaaaaaa"},
			Guest: on(good(then(changed(layered, func(d *host.Deployment) { d.BaseChecksum = otherSum }), layered))...)},
		{Name: "not listed", Want: reports.Failed, Says: []string{"does not list assay-hello as layered"}, Guest: on(good(then(onBase("x"), layered))...)},
		{Name: "at once", Want: reports.Failed, Says: []string{"before the reboot rpm -q still finds"}, Guest: on(good(turns(q("assay-hello"), 0))...)},
		{Name: "another is booted", Want: reports.Failed, Says: []string{"after the reboot aaaaaaaaaaaa is booted"}, Guest: on(good(then(layered, base()))...)},
		{Name: "rpm does not know it", Want: reports.Failed, Says: []string{"rpm -q does not know it in the running system"}, Guest: on(good(turns(q("assay-hello"), 1))...)},
		{Name: "does not run", Want: reports.Failed, Says: []string{"its program does not run: not found"}, Guest: on(good(fails(127, "not found\n", "assay-hello"))...)},
		{Name: "another program", Want: reports.Failed, Says: []string{`prints "bye"`}, Guest: on(good(does("bye\n", "assay-hello"))...)},
		{Name: "forbidden by the configuration", Want: reports.Skipped, Says: []string{"forbids layering (LockLayering)"},
			Guest: on(good(does("true\n", "sh", "-c", deployments.LockScript, "sh"))...)},
		noTool, noPackages,
	}
	suitetest.Run(t, "layering/rpm-ostree-install", fresh)
	suitetest.Run(t, "layering/rpm-ostree-install-upgraded", fresh)
}

func TestInstallByAtomicHost(t *testing.T) {
	layered := onBase("assay-hello")
	cases := []suitetest.Case{
		{Name: "healthy", Guest: with(host.AtomicHost,
			toolTells(t, host.AtomicHost, all(booted(base())), all(staged(layered), booted(base())), all(booted(layered), base())),
			does("", "atomic", "host", "install", "assay-hello"), turns(q("assay-hello"), 1, 0), does("hello 1.0\n", "assay-hello"))},
		{Name: "refused", Want: reports.Failed, Says: []string{"atomic host cannot layer assay-hello"}, Guest: with(host.AtomicHost,
			toolTells(t, host.AtomicHost, all(booted(base()))), fails(1, "error: no\n", "atomic", "host", "install", "assay-hello"))},
		{Name: "rpm-ostree alone", Want: reports.Skipped, Says: []string{"no atomic host"}, Guest: on()},
	}
	suitetest.Run(t, "layering/atomic-host-install", cases)
	suitetest.Run(t, "layering/atomic-host-install-upgraded", cases)
}

func TestUninstall(t *testing.T) {
	both, one := onBase("assay-friend", "assay-settings"), changed(onBase("assay-friend"), func(d *host.Deployment) { d.Checksum = otherSum })
	states := func(one, none host.Deployment, after ...host.Deployment) plan {
		return tells(t, all(booted(base())), all(staged(both), booted(base())), all(booted(both), base()),
			all(staged(one), booted(both)), all(staged(none), booted(both)), all(append([]host.Deployment{booted(none)}, after...)...))
	}
	exists := func(path string, exits ...int) plan {
		return turns([]string{"sh", "-c", `[ -e "$1" ]`, "sh", path}, exits...)
	}
	good := func(more ...plan) []plan {
		return append([]plan{states(one, base(), both), does("", "rpm-ostree", "install", "assay-friend", "assay-settings"),
			does("", "rpm-ostree", "uninstall", "assay-settings"), does("", "rpm-ostree", "uninstall", "assay-friend"),
			turns(q("assay-friend"), 0, 1), turns(q("assay-hello"), 0, 1), turns(q("assay-settings"), 0, 1), does("hello 1.0\n", "assay-friend"),
			exists(settingsFile, 0, 1), exists(settingsTrace, 0)}, more...)
	}
	suitetest.Run(t, "layering/rpm-ostree-uninstall", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "needed one is missing", Want: reports.Failed, Says: []string{"rpm -q does not know it in the running system"}, Guest: on(good(turns(q("assay-hello"), 1))...)},
		{Name: "script did not run", Want: reports.Failed, Says: []string{"what its script writes (" + settingsTrace + ") is not there"}, Guest: on(good(exists(settingsTrace, 1))...)},
		{Name: "uninstall refused", Want: reports.Failed, Says: []string{"rpm-ostree cannot uninstall assay-settings: error: no"},
			Guest: on(good(fails(1, "error: no\n", "rpm-ostree", "uninstall", "assay-settings"))...)},
		{Name: "too much is gone", Want: reports.Failed, Says: []string{"is the bare base aaaaaaaaaaaa, with nothing on top"}, Guest: on(good(states(base(), base(), both))...)},
		{Name: "still requested", Want: reports.Failed, Says: []string{"still lists it as requested"}, Guest: on(good(states(both, base(), both))...)},
		{Name: "not the base", Want: reports.Failed, Says: []string{"the pending deployment is commit cccccccccccc", "not the base aaaaaaaaaaaa again"},
			Guest: on(good(states(one, changed(base(), func(d *host.Deployment) { d.Checksum = hosttest.Sum('c') }), both))...)},
		{Name: "requested by name", Want: reports.Failed, Says: []string{`still lists "x" as requested`},
			Guest: on(good(states(one, changed(base(), func(d *host.Deployment) { d.Requested = []string{"x"} }), both))...)},
		{Name: "still installed", Want: reports.Failed, Says: []string{"after the uninstall and a reboot rpm -q still finds"}, Guest: on(good(turns(q("assay-hello"), 0))...)},
		{Name: "configuration stays", Want: reports.Failed, Says: []string{settingsFile + ", which nobody changed, stays"}, Guest: on(good(exists(settingsFile, 0))...)},
		noTool, noPackages,
	})
}
