package rollback

import (
	"errors"
	"os/exec"
	"slices"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/harness/livedin"
	"assay/reports"
	"assay/suites/check"
	dt "assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

// notes plans the files made after the upgrade, as they are found at the end.
func notes(found string) dt.Change {
	return func(h *dt.Host, _ *check.Env) {
		h.On("sh", "-c", makeAfterScript, guesttest.Rest)
		h.On("sh", "-c", lookAfterScript, guesttest.Rest).Prints(found)
	}
}

var kept = notes("var=1\n")

func TestByTool(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": dt.Fedora, "atomic-host": dt.Fedora, "ostree": dt.Plain, "bootc": dt.Images} {
		suitetest.Run(t, reports.CaseID("rollback/"+id), []suitetest.Case{
			{Name: "healthy", Guest: dt.Lived(t, tools, kept)},
			{Name: "other tool", Want: reports.Skipped, Guest: dt.Lived(t, nil, kept)},
			{Name: "refused", Want: reports.Failed, Says: []string{"error: no way back"}, Guest: dt.Lived(t, tools, kept, dt.Refuse(dt.Rollback, "no way back"))},
			{Name: "says so only", Want: reports.Failed, Says: []string{"still the next to boot"}, Guest: dt.Lived(t, tools, kept, dt.Answers(dt.Rollback, dt.Said("done")))},
			{Name: "nothing to return to", Want: reports.Failed, Says: []string{"no deployment to roll back to"}, Guest: dt.Lived(t, tools, kept, func(h *dt.Host, _ *check.Env) {
				h.Deployments = h.Deployments[:1]
			})},
			{Name: "boots the newer", Want: reports.Failed, Says: []string{"is not the one of before: Checksum:"}, Guest: dt.Lived(t, tools, kept, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "boots a copy", Want: reports.Failed, Says: []string{"Serial: 1, other: 0"}, Guest: dt.Lived(t, tools, kept, dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments[0].Serial = 1 }))},
			{Name: "drops the newer", Want: reports.Failed, Says: []string{"is not kept"}, Guest: dt.Lived(t, tools, kept, dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
			{Name: "etc stays", Want: reports.Failed, Says: []string{"/etc/assay-after-upgrade, made after the upgrade, is there"}, Guest: dt.Lived(t, tools, notes("etc=1\nvar=1\n"))},
			{Name: "var lost", Want: reports.Failed, Says: []string{"/var/lib/assay-after-upgrade, made after the upgrade, is gone"}, Guest: dt.Lived(t, tools, notes(""))},
			{Name: "marks lost", Want: reports.Failed, Says: []string{"gone after a rollback: user, own-etc-file"}, Guest: dt.Lived(t, tools, kept, func(h *dt.Host, _ *check.Env) {
				h.Marks = slices.DeleteFunc(h.Marks, func(m livedin.Mark) bool { return m == livedin.User || m == livedin.OwnFile })
			})},
			{Name: "mark never made", Guest: dt.Lived(t, tools, kept, func(h *dt.Host, env *check.Env) { h.Marks, env.Lived = nil, nil })},
		})
	}
}

func TestTwice(t *testing.T) {
	suitetest.Run(t, "rollback/twice", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "images", Guest: dt.Lived(t, dt.Images)},
		{Name: "second does nothing", Want: reports.Failed, Says: []string{"changed by two rollbacks by ostree admin"}, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, _ *check.Env) {
			first := true
			h.After = func(op dt.Op) {
				if op == dt.Rollback && !first {
					slices.Reverse(h.Deployments)
				}
				first = false
			}
		})},
	})
}

func TestOfARollback(t *testing.T) {
	back := notes("etc=1\nvar=1\n")
	suitetest.Run(t, "rollback/of-a-rollback", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora, back)},
		{Name: "etc lost", Want: reports.Failed, Says: []string{"made in the newer deployment, is gone"}, Guest: dt.Lived(t, dt.Plain, kept)},
		{Name: "does not return", Want: reports.Failed, Says: []string{"is not the one of before"}, Guest: dt.Lived(t, dt.Plain, back, dt.Then(dt.Reboot, dt.Stays))},
	})
}

func TestWithStaged(t *testing.T) {
	suitetest.Run(t, "rollback/with-staged", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "images", Guest: dt.Lived(t, dt.Images)},
		{Name: "to the booted one", Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Rollback, func(h *dt.Host) { slices.Reverse(h.Deployments) }))},
		{Name: "no older", Want: reports.Skipped, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) { h.Trees.Older = nil })},
		{Name: "stays staged", Want: reports.Failed, Says: []string{"with 1.1 (aaaaaaaaaaaa) staged, 1.1 (aaaaaaaaaaaa) boots next"}, Guest: dt.Lived(t, dt.Fedora, dt.Answers(dt.Rollback, dt.Said("done")))},
		{Name: "boots it all the same", Want: reports.Failed, Says: []string{"another deployment booted than was announced"}, Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Reboot, func(h *dt.Host) {
			h.Deployments[0].Checksum = hosttest.Sum('a')
		}))},
	})
}

func TestWithoutAnother(t *testing.T) {
	suitetest.Run(t, "rollback/without-another", []suitetest.Case{
		{Name: "refused", Guest: dt.Fresh(t, dt.Fedora)},
		{Name: "two deployments", Want: reports.Skipped, Guest: dt.Lived(t, dt.Fedora)},
		{Name: "plain", Want: reports.Skipped, Says: []string{"no rollback of its own"}, Guest: dt.Fresh(t, dt.Plain)},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to roll back"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Rollback, dt.Said("done")))},
		{Name: "not plain", Want: reports.Failed, Says: []string{"does not say that this is why: error: assertion failed"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Rollback, "assertion failed"))},
	})
}

func TestUnhealthy(t *testing.T) {
	promise := func(who string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", promiseScript, "sh").Prints(who + "\n")
			h.On("mkdir", "-p", greenbootFolder)
			h.On("systemctl", "enable", countingUnit)
			h.On("systemctl", "--no-block", "reboot").Fails(&guest.TransportError{Op: "run", Err: errors.New("connection lost")})
			for _, f := range []string{greenbootCheck, countingCheck, "/etc/systemd/system/" + countingUnit} {
				h.TakesFile(f)
			}
		}
	}
	// the first boot is into the update, the third is back.
	falls := func(at int) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			n := 0
			h.After = func(op dt.Op) {
				if op == dt.Reboot {
					if n++; n == at {
						dt.Stays(h)
					}
				}
			}
		}
	}
	for _, who := range []string{"greenboot", "counting"} {
		suitetest.Run(t, "rollback/unhealthy", []suitetest.Case{
			{Name: who, Guest: dt.Fresh(t, dt.Fedora, promise(who), falls(3))},
			{Name: "never", Want: reports.Failed, Says: []string{"tried an update 8 times"}, Guest: dt.Fresh(t, dt.Fedora, promise(who))},
			{Name: "not tried", Want: reports.Failed, Says: []string{"never tried"}, Guest: dt.Fresh(t, dt.Fedora, promise(who), falls(1))},
			{Name: "stays", Want: reports.Failed, Says: []string{"stays in an update", "fall back to 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, dt.Fedora, promise(who), dt.Then(dt.Reboot, func(h *dt.Host) {
				h.OnReboot(func() error { return &guest.TransportError{Op: "await a reboot", Err: guest.ErrRebootNotSeen} })
			}))},
			{Name: "going down when asked", Guest: dt.Fresh(t, dt.Plain, promise(who), falls(3), func(h *dt.Host, _ *check.Env) {
				asked := 0
				h.On("sh", "-c", guesttest.Containing("ostree admin status")).Does(func(guesttest.Call) (guest.Result, error) {
					if asked++; asked == 5 {
						return guest.Result{}, &guest.TransportError{Op: "run", Err: errors.New("connection lost")}
					}
					return guest.Result{Stdout: hosttest.Output(t, host.OSTree, h.Deployments)}, nil
				})
			})},
		})
	}
	suitetest.Run(t, "rollback/unhealthy", []suitetest.Case{
		{Name: "no promise", Want: reports.Skipped, Says: []string{"neither greenboot nor counted boots"}, Guest: dt.Fresh(t, dt.Fedora, promise(""))},
		{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, promise("greenboot"), dt.NoTrees)},
	})
}

func TestScriptsParse(t *testing.T) {
	for _, s := range []string{makeAfterScript, lookAfterScript, promiseScript, healthScript} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, s)
		}
	}
}
