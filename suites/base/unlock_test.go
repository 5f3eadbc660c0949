package base

import (
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

// unlockable is a host of plain ostree: the exits of attempts to write, what is
// mounted on /usr, whether the file is there in the end, and its status by turns.
type unlockable struct {
	writes []int
	mount  string
	there  bool
	status [][]host.Deployment
	unlock func(p *guesttest.Plan)
	hotfix bool
	boot   string // what prepare-root is configured to do
}

func (u unlockable) plan(t *testing.T) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) {
		hosttest.PlanTools(g, host.OSTree)
		hosttest.PlanStatus(t, g, host.OSTree, u.status...)
		g.On("sh", "-c", guesttest.Containing("prepare-root.conf")).Prints(u.boot)
		w := g.On("touch", deployments.UsrFile)
		for i, exit := range u.writes {
			if i > 0 {
				w.Then()
			}
			w.Exits(exit)
		}
		g.On("sh", "-c", deployments.UsrScript, "sh").Prints(u.mount + "\n")
		exit := 1
		if u.there {
			exit = 0
		}
		g.On("sh", "-c", existsScript, "sh", deployments.UsrFile).Exits(exit)
		command := []string{"ostree", "admin", "unlock"}
		if u.hotfix {
			command = append(command, "--hotfix")
		}
		u.unlock(g.On(command...))
		g.OnReboot(nil)
	}
}

func deployment(change func(d *host.Deployment)) host.Deployment {
	d := host.Deployment{OSName: "os", Checksum: hosttest.Sum('a'), Version: "1", Origin: "local:os"}
	if change != nil {
		change(&d)
	}
	return d
}

var noUnlocker = suitetest.Case{Name: "no tool", Want: reports.Skipped, Says: []string{"neither ostree nor bootc"},
	Guest: func(g *guesttest.Fake, _ *check.Env) { hosttest.PlanTools(g, host.RPMOSTree) }}

func TestUnlock(t *testing.T) {
	locked := []host.Deployment{deployment(func(d *host.Deployment) { d.Booted = true })}
	open := []host.Deployment{deployment(func(d *host.Deployment) { d.Booted, d.Unlocked = true, "development" })}
	with := func(change func(u *unlockable)) func(*guesttest.Fake, *check.Env) {
		u := unlockable{writes: []int{1, 0, 1}, mount: "overlay", status: [][]host.Deployment{open, locked}, unlock: func(p *guesttest.Plan) {
			p.Prints("Development mode enabled.\n").Then().Exits(1).Says("error: Deployment is already in unlocked state: development\n")
		}}
		if change != nil {
			change(&u)
		}
		return u.plan(t)
	}
	suitetest.Run(t, "base/unlock", []suitetest.Case{
		{Name: "healthy", Guest: with(nil)},
		{Name: "open on purpose", Want: reports.Skipped, Says: []string{"root.transient"}, Guest: with(func(u *unlockable) { u.writes, u.boot = []int{0}, "conf [root]\nconf transient=true\n" })},
		{Name: "open before", Want: reports.Failed, Says: []string{"although nobody unlocked it"}, Guest: with(func(u *unlockable) { u.writes = []int{0} })},
		{Name: "refused", Want: reports.Failed, Says: []string{"ostree admin unlock", "error: no overlayfs"}, Guest: with(func(u *unlockable) {
			u.unlock = func(p *guesttest.Plan) { p.Exits(1).Says("error: no overlayfs\n") }
		})},
		{Name: "still closed", Want: reports.Failed, Says: []string{"still takes no file"}, Guest: with(func(u *unlockable) { u.writes = []int{1} })},
		{Name: "no overlay", Want: reports.Failed, Says: []string{`is "xfs", not an overlay`}, Guest: with(func(u *unlockable) { u.mount = "xfs" })},
		{Name: "not told", Want: reports.Failed, Says: []string{`unlocked "", want "development"`}, Guest: with(func(u *unlockable) { u.status = [][]host.Deployment{locked} })},
		{Name: "twice", Want: reports.Failed, Says: []string{"accepts to unlock a /usr that is unlocked already"}, Guest: with(func(u *unlockable) {
			u.unlock = func(*guesttest.Plan) {}
		})},
		{Name: "twice, no plain message", Want: reports.Failed, Says: []string{"does not say that this is why: error: mount failed"}, Guest: with(func(u *unlockable) {
			u.unlock = func(p *guesttest.Plan) { p.Then().Exits(1).Says("error: mount failed\n") }
		})},
		{Name: "file stays", Want: reports.Failed, Says: []string{"is still there after the reboot"}, Guest: with(func(u *unlockable) { u.there = true })},
		{Name: "stays open", Want: reports.Failed, Says: []string{"after the reboot it still takes files"}, Guest: with(func(u *unlockable) { u.writes = []int{1, 0, 0} })},
		{Name: "still told", Want: reports.Failed, Says: []string{`unlocked "development", want ""`}, Guest: with(func(u *unlockable) { u.status = [][]host.Deployment{open} })},
		{Name: "does not go down", Want: reports.Failed, Says: []string{"does not go down"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			with(nil)(g, e)
			g.OnReboot(func() error { return &guest.TransportError{Op: "reboot", Err: guest.ErrRebootNotSeen} })
		}},
		noUnlocker,
	})
}

func TestUnlockHotfix(t *testing.T) {
	before := []host.Deployment{deployment(func(d *host.Deployment) { d.Booted = true })}
	after := []host.Deployment{deployment(func(d *host.Deployment) { d.Booted, d.Unlocked = true, "hotfix" }), deployment(nil)}
	with := func(change func(u *unlockable)) func(*guesttest.Fake, *check.Env) {
		u := unlockable{writes: []int{1, 0}, mount: "overlay", there: true, hotfix: true, status: [][]host.Deployment{before, after},
			unlock: func(p *guesttest.Plan) { p.Prints("Hotfix mode enabled.\n") }}
		if change != nil {
			change(&u)
		}
		return u.plan(t)
	}
	suitetest.Run(t, "base/unlock-hotfix", []suitetest.Case{
		{Name: "healthy", Guest: with(nil)},
		{Name: "signed trees alone", Want: reports.Skipped, Says: []string{"composefs=signed"}, Guest: prepareRoot("conf [composefs]\nconf enabled = signed\n", with(nil))},
		{Name: "refused", Want: reports.Failed, Says: []string{"error: no"}, Guest: with(func(u *unlockable) {
			u.unlock = func(p *guesttest.Plan) { p.Exits(1).Says("error: no\n") }
		})},
		{Name: "gone", Want: reports.Failed, Says: []string{"is gone after the reboot"}, Guest: with(func(u *unlockable) { u.there = false })},
		{Name: "no way back", Want: reports.Failed, Says: []string{"leaves no deployment of 1 (aaaaaaaaaaaa) without it to roll back to"}, Guest: with(func(u *unlockable) { u.status = [][]host.Deployment{before, after[:1]} })},
		{Name: "not told", Want: reports.Failed, Says: []string{`unlocked "", want "hotfix"`}, Guest: with(func(u *unlockable) {
			u.status = [][]host.Deployment{before, {before[0], deployment(nil)}}
		})},
		noUnlocker,
	})
}
