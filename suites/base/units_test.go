package base

import (
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// says plans that the check's script prints out, with whatever arguments.
func says(script, out string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) {
		g.On("sh", "-c", script, guesttest.Rest).Prints(out)
	}
}

// asking is a degraded system with fwupd-refresh.service among what failed, and
// how that ended.
func asking(listing, result string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, env *check.Env) {
		says(runningScript, listing)(g, env)
		g.On("systemctl", "show", guesttest.Rest).Prints("Id=fwupd-refresh.service\nResult=" + result + "\n")
	}
}

// lacks is the case of an image without the program that the script needs.
func lacks(script string) suitetest.Case {
	return suitetest.Case{Name: "not shipped", Want: reports.Skipped, Says: []string{"ships no"},
		Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", script, guesttest.Rest).Exits(127) }}
}

func TestSystemRunning(t *testing.T) {
	suitetest.Run(t, "base/system-running", []suitetest.Case{
		{Name: "running", Guest: says(runningScript, "running\n")},
		{Name: "waits longer on a slow guest", Guest: func(g *guesttest.Fake, _ *check.Env) {
			g.SetScale(10)
			g.On("sh", "-c", runningScript, "sh", "900").Prints("running\n")
		}},
		{Name: "degraded", Want: reports.Failed, Says: []string{"degraded", "kdump.service, network.service"},
			Guest: says(runningScript, "degraded\nkdump.service loaded failed failed Crash\n● network.service loaded failed failed LSB\n")},
		{Name: "degraded by want of the internet", Guest: asking("degraded\nfwupd-refresh.service loaded failed failed Refresh fwupd metadata and update motd\n", "exit-code\nExecMainStatus=1")},
		{Name: "degraded by a program that is not there", Want: reports.Failed, Says: []string{"failed fwupd-refresh.service"},
			Guest: asking("degraded\nfwupd-refresh.service loaded failed failed Refresh fwupd metadata and update motd\n", "exit-code\nExecMainStatus=203")},
		{Name: "degraded by that and more", Want: reports.Failed, Says: []string{"failed kdump.service"},
			Guest: asking("degraded\nfwupd-refresh.service loaded failed failed Refresh\nkdump.service loaded failed failed Crash\n", "timeout\nExecMainStatus=0")},
		{Name: "degraded by nobody", Want: reports.Failed, Guest: says(runningScript, "degraded\n")},
		{Name: "never ends", Want: reports.Failed, Says: []string{"still waiting for foo.service, multi-user.target"},
			Guest: says(runningScript, "starting\n1 multi-user.target start waiting\n88 foo.service start running\n")},
		{Name: "maintenance", Want: reports.Failed, Says: []string{"maintenance"}, Guest: says(runningScript, "maintenance\n")},
		{Name: "silent", Want: reports.Failed, Says: []string{"does not answer"}, Guest: says(runningScript, "\n")},
		lacks(runningScript),
	})
}

func TestFailedUnits(t *testing.T) {
	with := func(list, show string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("systemctl", "list-units", guesttest.Rest).Prints(list)
			g.On("systemctl", "show", guesttest.Rest).Prints(show)
			g.Logs(guest.Entry{Unit: "foo.service", Ident: "foo", Message: "cannot open /x"})
		}
	}
	suitetest.Run(t, "base/failed-units", []suitetest.Case{
		{Name: "none", Guest: with("", "")},
		{Name: "exit status", Want: reports.Failed, Says: []string{"unit foo.service failed: exit status 3"}, Shows: []string{"cannot open /x"},
			Guest: with("foo.service loaded failed failed Foo\n", "Id=foo.service\nResult=exit-code\nExecMainStatus=3\n")},
		{Name: "asks the internet", Guest: with("rpm-ostree-countme.service loaded failed failed Weekly rpm-ostree Count Me reporting\n", "Id=rpm-ostree-countme.service\nResult=exit-code\nExecMainStatus=1\n")},
		{Name: "asks the internet, and crashes", Want: reports.Failed, Says: []string{"rpm-ostree-countme.service failed"},
			Guest: with("rpm-ostree-countme.service loaded failed failed Weekly rpm-ostree Count Me reporting\n", "Id=rpm-ostree-countme.service\nResult=core-dump\nExecMainStatus=11\n")},
		{Name: "asks the internet, and another", Want: reports.Failed, Says: []string{"unit foo.service failed: exit status 3"},
			Guest: with("fwupd-refresh.service loaded failed failed Refresh\nfoo.service loaded failed failed Foo\n", "Id=fwupd-refresh.service\nResult=exit-code\nExecMainStatus=1\n\nId=foo.service\nResult=exit-code\nExecMainStatus=3\n")},
		{Name: "two", Want: reports.Failed, Says: []string{"2 units failed", "a.mount (result resources)", "foo.service (crashed with signal 11)"},
			Guest: with("● foo.service loaded failed failed Foo\na.mount loaded failed failed A\n",
				"Id=foo.service\nResult=core-dump\nExecMainStatus=11\n\nId=a.mount\nResult=resources\n")},
		{Name: "no answer", Want: reports.Errored, Fault: reports.FaultTest, Guest: func(g *guesttest.Fake, _ *check.Env) {
			g.On("systemctl", guesttest.Rest).Exits(1).Says("Failed to connect to bus\n")
		}},
	})
}

func TestFlappingUnits(t *testing.T) {
	suitetest.Run(t, "base/flapping-units", []suitetest.Case{
		{Name: "quiet", Guest: says(flappingScript, "Id=a.service\nActiveState=active\nSubState=running\nNRestarts=2\n\nId=b.service\nActiveState=inactive\nSubState=dead\nNRestarts=0\n")},
		{Name: "waits for its next start", Want: reports.Failed, Says: []string{"unit a.service was restarted 2 times", "activating (auto-restart)"},
			Guest: func(g *guesttest.Fake, e *check.Env) {
				says(flappingScript, "Id=a.service\nActiveState=activating\nSubState=auto-restart\nNRestarts=2\n")(g, e)
				g.Logs()
			}},
		{Name: "up for now", Want: reports.Failed, Says: []string{"restarted 41 times"}, Shows: []string{"bye"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(flappingScript, "Id=a.service\nActiveState=active\nSubState=running\nNRestarts=41\n")(g, e)
			g.Logs(guest.Entry{Unit: "a.service", Message: "bye"})
		}},
		{Name: "old systemd", Want: reports.Failed, Says: []string{"unit a.service was restarted 3 times"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(flappingScript, "Id=a.service\nActiveState=active\nSubState=running\n")(g, e)
			m := guest.Entry{Unit: "a.service", Message: "a.service holdoff time over, scheduling restart."}
			g.Logs(m, m, m)
		}},
		{Name: "waits long and fails again", Want: reports.Failed, Says: []string{"unit a.service fails again", "result exit-code"},
			Guest: retrying("a", "0", "30s", "30", waits("a", "1"))},
		{Name: "waits long and is up then", Guest: retrying("a", "0", "30s", "30", "Id=a.service\nActiveState=active\nSubState=running\nNRestarts=1\nResult=success\n")},
		{Name: "up for the second time", Want: reports.Failed, Says: []string{"(2 so far)"},
			Guest: retrying("a", "1", "100ms", "1", "Id=a.service\nActiveState=active\nSubState=running\nNRestarts=2\nResult=success\n")},
		{Name: "started again and never up", Want: reports.Failed, Says: []string{"unit a.service fails again", "activating (start)"},
			Guest: retrying("a", "0", "100ms", "1", "Id=a.service\nActiveState=activating\nSubState=start\nNRestarts=1\nResult=success\n")},
		{Name: "gets more time on a slow guest", Guest: func(g *guesttest.Fake, e *check.Env) {
			g.SetScale(10)
			says(flappingScript, waits("a", "0")+"RestartUSec=30s\n")(g, e)
			g.On("sh", "-c", retryScript, "sh", "30", "50", "300", "a.service", "0").Prints("Id=a.service\nActiveState=active\nSubState=running\nNRestarts=1\nResult=success\n")
		}},
		{Name: "waits longer than we", Guest: retrying("a", "1", "5min", "55", waits("a", "1"))},
		{Name: "asks the internet", Guest: func(g *guesttest.Fake, e *check.Env) {
			says(flappingScript, waits("unbound-anchor", "0"))(g, e)
			g.On("systemctl", "show", guesttest.Rest).Prints("Id=unbound-anchor.service\nResult=exit-code\nExecMainStatus=1\n")
		}},
		lacks(flappingScript),
	})
}

// waits is a unit between a failure and its next start.
func waits(name, restarts string) string {
	return "Id=" + name + ".service\nActiveState=activating\nSubState=auto-restart\nNRestarts=" + restarts + "\nResult=exit-code\n"
}

// retrying is a guest with such a unit, how long it is waited for, and what the
// unit is then.
func retrying(name, restarts, pause, limit, then string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		says(flappingScript, waits(name, restarts)+"RestartUSec="+pause+"\n\nId=b.service\nActiveState=active\nSubState=running\nNRestarts=0\nResult=success\n")(g, e)
		g.On("sh", "-c", retryScript, "sh", limit, "5", "30", name+".service", restarts).Prints(then)
		g.Logs()
	}
}

// A restart that has happened ends the wait; one that has not is waited for, and so
// is a start that has no end yet. No awk is needed.
func TestRetryScript(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "awk", "exit 127\n")
	program(t, dir, "sleep", "echo \"slept $1\"\n[ $1 = 2 ] && echo 99.5 >"+dir+"/uptime\nexit 0\n")
	program(t, dir, "systemctl", `case "$*" in
*--property=NRestarts*a.service) cat `+dir+`/count ;;
*--property=NRestarts*) echo NRestarts=3 ;;
*--property=ActiveState*a.service) cut -d' ' -f1 `+dir+`/state ;;
*--property=ActiveState*) echo ActiveState=active ;;
*--property=SubState*) cut -d' ' -f2 `+dir+`/state ;;
*) echo the units ;;
esac
`)
	for _, c := range []struct{ count, state, want string }{
		{"0", "ActiveState=activating SubState=auto-restart", "slept 2\nslept 5\n"},
		{"1", "ActiveState=active SubState=running", "slept 5\n"},
		{"1", "ActiveState=activating SubState=auto-restart-queued", "slept 5\n"},
		{"1", "ActiveState=activating SubState=start", "slept 5\nslept 2\n"},
	} {
		put(t, dir, "count", "NRestarts="+c.count+"\n")
		put(t, dir, "state", c.state+"\n")
		script := "echo 10.5 >" + dir + "/uptime\n" + retryScript
		if out := shell(t, script, dir, []string{"/proc/uptime", dir + "/uptime"}, "30", "5", "30", "a.service", "0", "b.service", "2"); out != c.want+"the units\n" {
			t.Errorf("restarted %s times and %s: %q, want %q", c.count, c.state, out, c.want)
		}
	}
}

func TestBootTime(t *testing.T) {
	const script = "systemd-analyze time 2>&1 || exit 127"
	slow := "Startup finished in 2.5s (kernel) + 1min 58.5s (userspace) = 2min 1s \nmulti-user.target reached\n"
	suitetest.Run(t, "base/boot-time", []suitetest.Case{
		{Name: "fast", Guest: says(script, "Startup finished in 1.0s (kernel) + 20s (userspace) = 21.0s \n")},
		{Name: "slow guest", Guest: func(g *guesttest.Fake, e *check.Env) { g.SetScale(10); says(script, slow)(g, e) }},
		{Name: "slow", Want: reports.Failed, Says: []string{"took 2m1s", "1min 40s cloud-init.service"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(script, slow)(g, e)
			g.On("systemd-analyze", "blame", "--no-pager").Prints(" 1min 40s cloud-init.service\n   3s x.service\n")
		}},
		{Name: "unfinished", Want: reports.Skipped, Guest: says(script, "Bootup is not yet finished\n")},
		lacks(script),
	})
}

func TestUnitTimeouts(t *testing.T) {
	plan := func(out string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) { g.On("systemctl", "show", guesttest.Rest).Prints(out) }
	}
	suitetest.Run(t, "base/default-unit-timeouts", []suitetest.Case{
		{Name: "usual", Guest: plan("DefaultTimeoutStartUSec=1min 30s\nDefaultTimeoutStopUSec=45s\n")},
		{Name: "odd", Want: reports.Failed, Says: []string{"DefaultTimeoutStopSec is 5s"}, Guest: plan("DefaultTimeoutStartUSec=45s\nDefaultTimeoutStopUSec=5s\n")},
	})
}
