package syscontainers

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

func TestUpgrade(t *testing.T) {
	for _, tool := range tools {
		// host is a simulated host whose deployments are simulated, too.
		by := func(manager host.Tool, change func(s *sim, h *deploymentstest.Host)) func(*guesttest.Fake, *check.Env) {
			return func(g *guesttest.Fake, env *check.Env) {
				h := deploymentstest.New(t, g, env, manager)
				on(tool, func(s *sim, _ *check.Env) {
					hosttest.PlanTools(g, tool, manager)
					g.OnReboot(func() error { // one of sim's own does nothing
						for i := range h.Deployments {
							h.Deployments[i].Booted, h.Deployments[i].Staged = i == 0, false
						}
						if h.After != nil {
							h.After(deploymentstest.Reboot)
						}
						return nil
					})
					if change != nil {
						change(s, h)
					}
				})(g, env)
			}
		}
		// The update's image is another release than the update's tree.
		images := by(host.Bootc, func(_ *sim, h *deploymentstest.Host) {
			h.Trees.NewerImage = h.Trees.ImageName + ":2"
			h.Trees.Images = []check.Tree{{Image: h.Trees.NewerImage, Version: "2", Digest: "sha256:" + h.Trees.Newer.Commit}}
			h.After = func(op deploymentstest.Op) {
				if op == deploymentstest.Upgrade {
					h.Deployments[0].Version = "2"
				}
			}
		})
		host := func(change func(s *sim, h *deploymentstest.Host)) func(*guesttest.Fake, *check.Env) {
			return by(host.OSTree, change)
		}
		suitetest.Run(t, reports.CaseID("system-containers/"+string(tool)+"-upgrade"), append([]suitetest.Case{
			{Name: "healthy", Guest: host(nil)},
			{Name: "images", Guest: images},
			{Name: "stays down", Want: reports.Failed, Says: []string{"after an upgrade", "does not answer"}, Guest: host(func(s *sim, h *deploymentstest.Host) {
				h.After = func(op deploymentstest.Op) {
					if op == deploymentstest.Reboot {
						mute(s, nil)
					}
				}
			})},
			{Name: "not upgraded", Want: reports.Failed, Says: []string{"the system booted"}, Guest: host(func(s *sim, h *deploymentstest.Host) {
				s.OnReboot(func() error { h.Deployments = h.Deployments[1:]; return nil })
			})},
			{Name: "upgrade refused", Want: reports.Failed, Says: []string{"GPG"}, Guest: host(func(_ *sim, h *deploymentstest.Host) {
				h.Answer = deploymentstest.Refuses(deploymentstest.Upgrade, "GPG verification failed")
			})},
			{Name: "no trees", Want: reports.Skipped, Says: []string{"no tree to upgrade to: too old"}, Guest: on(tool, func(_ *sim, env *check.Env) { env.NoTrees = "too old" })},
		}, common(tool)...))
	}
}
