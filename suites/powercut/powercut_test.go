package powercut

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
	h.On("ostree", "fsck", guesttest.Rest).Prints("object fsck of 2 commits completed successfully - no errors found.\n")
	h.On("systemctl", "--no-block", "reboot").Fails(errLost)
	env.Packages = &check.Packages{UnsignedURL: "http://192.168.127.1:8001/unsigned/", Names: map[string]string{hello: "assay-hello"}}
	h.On("sh", "-c", asideScript, "sh")
	h.TakesFile(repoFile)
}

// underWay has the operation run until the power is cut.
func underWay(args ...string) dt.Change {
	return func(h *dt.Host, _ *check.Env) {
		begun, cut := make(chan struct{}), make(chan struct{})
		h.OnPowerCut(func() error { <-begun; cut <- struct{}{}; return nil })
		h.On(append(args, guesttest.Rest)...).Times(rounds).Does(func(guesttest.Call) (guest.Result, error) {
			begun <- struct{}{}
			<-cut
			return guest.Result{}, errLost
		})
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
	command := map[reports.CaseID][]string{"powercut/upgrade": {"rpm-ostree", "upgrade"}, "powercut/download": {"rpm-ostree", "upgrade"},
		"powercut/deploy": {"rpm-ostree", "deploy"}, "powercut/shutdown": nil, "powercut/layering": {"rpm-ostree", "install"}}
	for id, args := range command {
		cases := []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora, well)},
			{Name: "other commit", Want: reports.Failed, Says: []string{"which is neither the old nor the new tree"}, Guest: dt.Fresh(t, dt.Fedora, well, cutThen(func(h *dt.Host) {
				h.Booted().Checksum, h.Booted().BaseChecksum = hosttest.Sum('f'), hosttest.Sum('f')
			}))},
			{Name: "degraded", Want: reports.Failed, Says: []string{`the system is "degraded", and was "running" before`}, Shows: []string{"boot-efi.mount"}, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.On("sh", "-c", deployments.SystemScript, "sh").Prints("running\n").Then().Prints("degraded\nboot-efi.mount loaded failed failed /boot/efi\n")
			})},
			{Name: "degraded before", Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.On("sh", "-c", deployments.SystemScript, "sh").Prints("degraded\nx.service\n")
			})},
			{Name: "data lost", Want: reports.Failed, Says: []string{"what users did before is gone: var-data"}, Guest: dt.Fresh(t, dt.Fedora, well, cutThen(func(h *dt.Host) {
				h.Marks = slices.DeleteFunc(h.Marks, func(m livedin.Mark) bool { return m == livedin.Data })
			}))},
			{Name: "damaged", Want: reports.Failed, Says: []string{"ostree fsck finds the repository damaged", "Corrupted file object"}, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.On("ostree", "fsck", guesttest.Rest).Exits(1).Says("error: Corrupted file object")
			})},
			{Name: "does not come back", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.OnPowerCut(func() error { return &guest.NotReadyError{Guest: "fake"} })
			})},
			{Name: "no power", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
				h.OnPowerCut(func() error { return &guest.TransportError{Op: "cut the power", Err: guest.ErrNoPower} })
			})},
			{Name: "not again", Want: reports.Failed, Says: []string{"done again after power cuts boots 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, dt.Fedora, well, dt.Then(dt.Reboot, func(h *dt.Host) {
				h.Deployments = []host.Deployment{h.Of(h.Trees.Booted, false)}
				h.Deployments[0].Booted = true
			}))},
			{Name: "other tool", Want: reports.Skipped, Guest: dt.Fresh(t, nil, well)},
		}
		if args != nil {
			cases = append(cases, suitetest.Case{Name: "under way", Guest: dt.Fresh(t, dt.Fedora, well, underWay(args...))})
		}
		suitetest.Run(t, id, cases)
	}
}

func TestTrees(t *testing.T) {
	written := func(h *dt.Host) { // by a tool that stages nothing
		if d := &h.Deployments[0]; d.Staged {
			d.Staged = false
		}
	}
	boots := func(h *dt.Host, _ *check.Env) {
		h.After = func(op dt.Op) {
			switch op {
			case dt.Upgrade, dt.Deploy:
				written(h)
			case dt.PowerCut:
				for i := range h.Deployments {
					h.Deployments[i].Booted = i == 0
				}
			}
		}
	}
	for _, id := range []reports.CaseID{"powercut/upgrade", "powercut/download", "powercut/shutdown", "powercut/deploy"} {
		images := reports.Passed
		if id == "powercut/download" { // is of what serves slowly, which is a repository
			images = reports.Skipped
		}
		suitetest.Run(t, id, []suitetest.Case{
			{Name: "plain", Guest: dt.Fresh(t, dt.Plain, well)},
			{Name: "without staging", Guest: dt.Fresh(t, dt.Plain, well, boots)},
			{Name: "images", Want: images, Guest: dt.Fresh(t, dt.Images, well)},
			{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, dt.NoTrees)},
		})
	}
	suitetest.Run(t, "powercut/deploy", []suitetest.Case{
		{Name: "no older", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) { h.Trees.Older = nil })},
	})
	suitetest.Run(t, "powercut/shutdown", []suitetest.Case{
		{Name: "refused", Want: reports.Failed, Says: []string{"error: no"}, Guest: dt.Fresh(t, dt.Fedora, well, dt.Refuse(dt.Upgrade, "no"))},
	})
}

func TestLayering(t *testing.T) {
	suitetest.Run(t, "powercut/layering", []suitetest.Case{
		{Name: "no packages", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, well, func(_ *dt.Host, env *check.Env) { env.Packages = nil })},
		{Name: "layered already", Guest: dt.Fresh(t, dt.Fedora, well, func(h *dt.Host, _ *check.Env) {
			h.Booted().Requested = []string{"assay-hello"}
			h.Answer = dt.Refuses(dt.Install, `Package/capability 'assay-hello' is already requested`)
		})},
	})
}

func TestScriptsParse(t *testing.T) {
	for _, s := range []string{deployments.SystemScript, asideScript} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, s)
		}
	}
}
