package powercut

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/harness/livedin"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/deployments"
	dt "assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

var errLost = &guest.TransportError{Op: "run", Err: errors.New("connection lost")}

// well draws every moment within microseconds, and plans a system that is up
// and a repository that is sound.
func well(h *dt.Host, env *check.Env) {
	h.SetScale(1e-6)
	h.On("sh", "-c", deployments.SystemScript, "sh").Prints("running\n")
	h.On("sh", "-c", deployments.PartialScript, guesttest.Rest)
	h.On("ostree", "fsck", guesttest.Rest).Prints("object fsck of 2 commits completed successfully - no errors found.\n")
	h.On("systemctl", "--no-block", "reboot").Fails(errLost)
	h.On("sh", "-c", uptimeScript, "sh").Prints("0.00 0.00\n")
	env.Packages = &check.Packages{UnsignedURL: "http://192.168.127.1:8001/unsigned/", Names: map[string]string{hello: "assay-hello"}}
	h.On("sh", "-c", deployments.LockScript, "sh")
	hosttest.PlanPackages(h.Fake)
}

// changes are the commands that checks cut the power in.
var changes = [][]string{{"rpm-ostree", "upgrade"}, {"rpm-ostree", "deploy"}, {"rpm-ostree", "install"}, {"rpm-ostree", "uninstall"},
	{"ostree", "admin", "upgrade"}, {"bootc", "upgrade"}, {"bootc", "switch"}}

// underWay has a change run until the power is cut, in every round. The first
// change, when its length is measured, and the last come to their end.
func underWay(id reports.CaseID) dt.Change {
	return func(h *dt.Host, _ *check.Env) {
		if id == "powercut/shutdown" {
			return // its change is before the cut
		}
		asked, cuts, whole := 0, 0, 1
		if id == "powercut/download" {
			whole = 0
		}
		begun, cut := make(chan struct{}), make(chan struct{})
		h.OnPowerCut(func() error {
			if cuts++; cuts <= whole || cuts > whole+rounds {
				h.CutPower()
				return nil
			}
			<-begun
			h.CutPower()
			cut <- struct{}{}
			return nil
		})
		for _, words := range changes {
			h.On(append(words, guesttest.Rest)...).Does(func(c guesttest.Call) (guest.Result, error) {
				if asked++; asked <= whole || asked > whole+rounds {
					return h.Perform(c), nil
				}
				begun <- struct{}{}
				<-cut
				return guest.Result{}, errLost
			})
		}
	}
}

// cutThen does something with each power cut.
func cutThen(do func(h *dt.Host)) dt.Change {
	return func(h *dt.Host, _ *check.Env) {
		h.After = func(op dt.Op) {
			if op == dt.PowerCut {
				do(h)
			}
		}
	}
}

func TestCuts(t *testing.T) {
	for _, id := range []reports.CaseID{"powercut/upgrade", "powercut/download", "powercut/deploy", "powercut/shutdown", "powercut/layering"} {
		during := underWay(id)
		cases := []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora, well, during)},
			{Name: "other commit", Want: reports.Failed, Says: []string{"which is neither the old nor the new tree"}, Guest: dt.Fresh(t, dt.Fedora, well, during, cutThen(func(h *dt.Host) {
				h.Booted().Checksum, h.Booted().BaseChecksum = hosttest.Sum('f'), hosttest.Sum('f')
			}))},
			{Name: "degraded", Want: reports.Failed, Says: []string{`the system is "degraded", and was "running" before`}, Shows: []string{"boot-efi.mount"}, Guest: dt.Fresh(t, dt.Fedora, well, during, func(h *dt.Host, _ *check.Env) {
				h.On("sh", "-c", deployments.SystemScript, "sh").Prints("running\n").Then().Prints("degraded\nboot-efi.mount loaded failed failed /boot/efi\n")
			})},
			{Name: "degraded before", Guest: dt.Fresh(t, dt.Fedora, well, during, func(h *dt.Host, _ *check.Env) {
				h.On("sh", "-c", deployments.SystemScript, "sh").Prints("degraded\nx.service\n")
			})},
			{Name: "other unit failed before", Want: reports.Failed, Says: []string{`the system is "degraded", and was "degraded" before: boot-efi.mount failed`}, Guest: dt.Fresh(t, dt.Fedora, well, during, func(h *dt.Host, _ *check.Env) {
				h.On("sh", "-c", deployments.SystemScript, "sh").Prints("degraded\nx.service loaded failed failed X\n").Then().
					Prints("degraded\nx.service loaded failed failed X\nboot-efi.mount loaded failed failed /boot/efi\n")
			})},
			{Name: "does not come up", Want: reports.Failed, Says: []string{`the system is "starting", and was "degraded" before`}, Guest: dt.Fresh(t, dt.Fedora, well, during, func(h *dt.Host, _ *check.Env) {
				h.On("sh", "-c", deployments.SystemScript, "sh").Prints("degraded\nx.service\n").Then().Prints("starting\n")
			})},
			{Name: "data lost", Want: reports.Failed, Says: []string{"what users did before is gone: var-data"}, Guest: dt.Fresh(t, dt.Fedora, well, during, cutThen(func(h *dt.Host) {
				h.Marks = slices.DeleteFunc(h.Marks, func(m livedin.Mark) bool { return m == livedin.Data })
			}))},
			{Name: "damaged", Want: reports.Failed, Says: []string{"ostree fsck finds the repository damaged", "Corrupted file object"}, Guest: dt.Fresh(t, dt.Fedora, well, during, func(h *dt.Host, _ *check.Env) {
				h.On("ostree", "fsck", guesttest.Rest).Exits(1).Says("error: Corrupted file object")
			})},
			{Name: "a repository that cannot be judged", Guest: dt.Fresh(t, dt.Fedora, well, during, func(h *dt.Host, _ *check.Env) {
				h.On("ostree", "fsck", guesttest.Rest).Exits(1).Says("error: fsck content object " + strings.Repeat("e", 64) + ": Corrupted file object")
				h.On("sh", "-c", deployments.ImportedScript, "sh").Prints("imported\n")
				h.On("sh", "-c", deployments.PackagedScript, guesttest.Rest)
			})},
			{Name: "does not come back", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.OnPowerCut(func() error { return &guest.NotReadyError{Guest: "fake"} })
			})},
			{Name: "no power", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.OnPowerCut(func() error { return &guest.TransportError{Op: "cut the power", Err: guest.ErrNoPower} })
			})},
			{Name: "not again", Want: reports.Failed, Says: []string{"done again after power cuts boots 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, dt.Fedora, well, during, dt.Then(dt.Reboot, func(h *dt.Host) {
				h.Deployments = []host.Deployment{h.Of(h.Trees.Booted, false)}
				h.Deployments[0].Booted = true
			}))},
			{Name: "other tool", Want: reports.Skipped, Guest: dt.Fresh(t, nil, well)},
		}
		suitetest.Run(t, id, cases)
	}
}

func TestTrees(t *testing.T) {
	for _, id := range []reports.CaseID{"powercut/upgrade", "powercut/download", "powercut/shutdown", "powercut/deploy"} {
		images, plain := reports.Passed, reports.Passed
		if id == "powercut/shutdown" { // which does nothing about an update that is not staged
			plain = reports.Skipped
		}
		if id == "powercut/download" { // is of what serves slowly, which is a repository
			images = reports.Skipped
		}
		suitetest.Run(t, id, []suitetest.Case{
			{Name: "plain", Want: plain, Guest: dt.Fresh(t, dt.Plain, well, underWay(id))},
			{Name: "images", Want: images, Guest: dt.Fresh(t, dt.Images, well, underWay(id))},
			{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, dt.NoTrees)},
		})
	}
	suitetest.Run(t, "powercut/deploy", []suitetest.Case{
		{Name: "no older", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) { h.Trees.Older = nil })},
	})
	suitetest.Run(t, "powercut/shutdown", []suitetest.Case{
		{Name: "always too late", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"the power was cut 5 times, and never while the shutdown after an upgrade was under way"},
			Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.OnPowerCut(func() error {
					h.Deployments = h.Deployments[:1]
					h.Deployments[0].Staged, h.Deployments[0].Booted = false, true
					return nil
				})
			})},
		{Name: "no uptime", Want: reports.Errored, Fault: reports.FaultTest, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", uptimeScript, "sh").Prints("long\n")
		})},
		{Name: "refused", Want: reports.Failed, Says: []string{"error: no"}, Guest: dt.Fresh(t, dt.Fedora, well, dt.Refuse(dt.Upgrade, "no"))},
	})
}

func TestLayering(t *testing.T) {
	suitetest.Run(t, "powercut/layering", []suitetest.Case{
		{Name: "no packages", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, func(_ *dt.Host, env *check.Env) { env.Packages = nil })},
		{Name: "forbidden by the configuration", Want: reports.Skipped, Says: []string{"forbids layering (LockLayering)"}, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", deployments.LockScript, "sh").Prints("true\n")
		})},
		{Name: "layered already", Guest: dt.Fresh(t, dt.Fedora, well, underWay("powercut/layering"), func(h *dt.Host, _ *check.Env) {
			h.Booted().Requested = []string{"assay-hello"}
			h.Answer = dt.Refuses(dt.Install, `Package/capability 'assay-hello' is already requested`)
		})},
		{Name: "a cut that comes too late", Guest: dt.Fresh(t, dt.Fedora, well, underWay("powercut/layering"), func(h *dt.Host, _ *check.Env) {
			h.After = func(op dt.Op) {
				if op == dt.Install {
					h.Deployments[0].Staged = false // the cut boots it
				}
			}
		})},
		{Name: "cannot be dropped", Want: reports.Failed, Says: []string{"error: no"}, Guest: dt.Fresh(t, dt.Fedora, well, dt.Refuse(dt.Uninstall, "no"), func(h *dt.Host, _ *check.Env) {
			h.Booted().Requested = []string{"assay-hello"}
		})},
	})
}

func TestScriptsParse(t *testing.T) {
	for _, s := range []string{deployments.SystemScript, uptimeScript} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, s)
		}
	}
}
