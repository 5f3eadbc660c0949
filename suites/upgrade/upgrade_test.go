package upgrade

import (
	"errors"
	"fmt"
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
	"assay/suites/engine"
	"assay/suites/suitetest"
)

func notDerived(_ *dt.Host, env *check.Env) { env.Trees.Derived = false }

func noImage(_ *dt.Host, env *check.Env) { env.Trees.NewerImage = "" }

func TestByTool(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": dt.Fedora, "atomic-host": dt.Fedora, "ostree": dt.Plain, "bootc": dt.Images} {
		cases := []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, tools)},
			{Name: "stays in the old tree", Want: reports.Failed, Says: []string{"the system booted 1 (bbbbbbbbbbbb) after a reboot, want 1.2"}, Guest: dt.Fresh(t, tools, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "wrong version", Want: reports.Failed, Guest: dt.Fresh(t, tools, dt.Then(dt.Upgrade, func(h *dt.Host) { h.Deployments[0].Version, h.Deployments[0].Checksum = "7", hosttest.Sum('e') }))},
			{Name: "no rollback", Want: reports.Failed, Says: []string{"no deployment to roll back to"}, Guest: dt.Fresh(t, tools, dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
			{Name: "refused", Want: reports.Failed, Says: []string{"error: bad tree"}, Guest: dt.Fresh(t, tools, dt.Refuse(dt.Upgrade, "bad tree"))},
			{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, tools, dt.Refuse(dt.Upgrade, "Connection refused"))},
			{Name: "nothing pending", Want: reports.Failed, Says: []string{"no deployment is pending"}, Guest: dt.Fresh(t, tools, dt.Then(dt.Upgrade, func(h *dt.Host) { h.Deployments = h.Deployments[1:] }))},
			{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, tools, dt.NoTrees)},
			{Name: "other tool", Want: reports.Skipped, Says: []string{"the image ships no "}, Guest: dt.Fresh(t, nil)},
			{Name: "does not go down", Want: reports.Failed, Says: []string{"does not go down"}, Guest: dt.Fresh(t, tools, func(h *dt.Host, _ *check.Env) {
				h.OnReboot(func() error { return &guest.TransportError{Op: "reboot", Err: guest.ErrRebootNotSeen} })
			})},
			{Name: "other origin", Want: reports.Failed, Says: []string{"follows "}, Guest: dt.Fresh(t, tools, dt.Then(dt.Reboot, func(h *dt.Host) {
				if i := h.Deployments[0].Image; i != nil {
					i.Name = "elsewhere/os:1"
				}
				h.Deployments[0].Origin = "other:os/stable"
			}))},
		}
		suitetest.Run(t, reports.CaseID("upgrade/"+id), cases)
	}
	suitetest.Run(t, "upgrade/rpm-ostree", []suitetest.Case{
		{Name: "finds nothing", Want: reports.Failed, Says: []string{"finds nothing to upgrade to, though 1.2 (cccccccccccc) is served"},
			Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Upgrade, dt.Said("No upgrade available.")))},
		{Name: "two pending", Want: reports.Failed, Says: []string{"has 2 deployments before the booted one"}, Guest: dt.Fresh(t, dt.Fedora, dt.Then(dt.Upgrade, func(h *dt.Host) {
			d := h.Of(h.Trees.Newer, false)
			d.Serial = 1
			h.Deployments = append([]host.Deployment{d}, h.Deployments...)
		}))},
		{Name: "third deployment", Want: reports.Failed, Says: []string{"has 3 deployments"}, Guest: dt.Fresh(t, dt.Fedora, dt.Then(dt.Reboot, func(h *dt.Host) {
			h.Deployments = append(h.Deployments, h.Of(h.Trees.Older[0], false))
		}))},
	})
	suitetest.Run(t, "upgrade/rpm-ostree", []suitetest.Case{
		{Name: "with bootc", Guest: dt.Fresh(t, dt.Mixed, dt.FollowsRepository)},
		{Name: "follows an image", Want: reports.Skipped, Says: []string{"follows a container image, which bootc upgrades and not rpm-ostree"}, Guest: dt.Fresh(t, dt.Mixed)},
		{Name: "bootc is silent", Guest: dt.Fresh(t, dt.Mixed, dt.FollowsRepository, func(h *dt.Host, _ *check.Env) {
			h.On("bootc", "status", guesttest.Rest).Exits(1).Says("error: no such host")
		})},
	})
	suitetest.Run(t, "upgrade/no-update", []suitetest.Case{
		{Name: "of two kinds", Guest: dt.Lived(t, dt.Mixed)},
	})
	suitetest.Run(t, "upgrade/bootc", []suitetest.Case{
		{Name: "with rpm-ostree", Guest: dt.Fresh(t, dt.Mixed)},
		{Name: "follows a repository", Want: reports.Skipped, Says: []string{"follows an ostree repository"}, Guest: dt.Fresh(t, dt.Mixed, dt.FollowsRepository)},
		{Name: "no image", Want: reports.Skipped, Says: []string{"served as none"}, Guest: dt.Fresh(t, dt.Images, noImage)},
		{Name: "no image and why", Want: reports.Skipped, Says: []string{"served as none: no layers"}, Guest: dt.Fresh(t, dt.Images, noImage, func(_ *dt.Host, env *check.Env) { env.Trees.NoImages = "no layers" })},
		{Name: "wants signatures", Guest: dt.Fresh(t, dt.Images, func(h *dt.Host, _ *check.Env) {
			h.TakesFile("/etc/containers/policy.json")
			h.HasFile("/etc/containers/policy.json", `{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"example.org":[{"type":"sigstoreSigned"}]}}}`)
		})},
		{Name: "from its own storage", Want: reports.Skipped, Says: []string{"not from a registry"}, Guest: dt.Fresh(t, dt.Images, func(h *dt.Host, _ *check.Env) { h.Booted().Image.Transport = "containers-storage" })},
		{Name: "one digest", Want: reports.Skipped, Says: []string{"one image for ever"}, Guest: dt.Fresh(t, dt.Images, func(h *dt.Host, _ *check.Env) { h.Booted().Image.Name = "example.org/os@sha256:00" })},
	})
	derived := func(_ *dt.Host, env *check.Env) { env.Trees.Derived, env.Trees.DerivedImages = false, true }
	suitetest.Run(t, "upgrade/version", []suitetest.Case{
		{Name: "derived image", Want: reports.Skipped, Says: []string{"image's own tree under another version"}, Guest: dt.Lived(t, dt.Images, derived)},
		{Name: "given repository, derived image", Want: reports.Skipped, Says: []string{"another version"}, Guest: dt.Lived(t, dt.Plain, func(_ *dt.Host, env *check.Env) { env.Trees.Derived, env.Trees.DerivedImages = true, false })},
	})
}

func TestRebootOption(t *testing.T) {
	for _, tools := range [][]host.Tool{dt.Fedora, dt.Plain, dt.Images} {
		suitetest.Run(t, "upgrade/reboot-option", []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, tools)},
			{Name: "nothing", Want: reports.Failed, Says: []string{"finds nothing to upgrade to"}, Guest: dt.Fresh(t, tools, dt.Answers(dt.Upgrade, dt.Said("No upgrade available.\nNo update available.\nNo changes in: example.org/os")))},
			{Name: "stays up", Want: reports.Failed, Says: []string{"the system stays up"}, Guest: dt.Fresh(t, tools, func(h *dt.Host, _ *check.Env) {
				h.OnReboot(func() error { return &guest.TransportError{Op: "await a reboot", Err: guest.ErrRebootNotSeen} })
			})},
			{Name: "old tree", Want: reports.Failed, Says: []string{"the system booted 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, tools, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "refused", Want: reports.Failed, Guest: dt.Fresh(t, tools, dt.Refuse(dt.Upgrade, "no"))},
		})
	}
}

func TestSoftReboot(t *testing.T) {
	const offered = "bootc=1\nostree=1\n"
	// offers is a host that offers soft reboots, and does what is asked.
	offers := func(does func(h *dt.Host)) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.SetScale(1e-6)
			count := h.On("sh", "-c", softRebootScript, "sh").Prints("count=0\n" + offered)
			h.On("ostree", "admin", "prepare-soft-reboot", "0")
			h.On("systemctl", "soft-reboot").Does(func(guesttest.Call) (guest.Result, error) {
				if does != nil {
					does(h)
					count.Prints("count=1\n" + offered)
				}
				return guest.Result{}, &guest.TransportError{Op: "run", Err: errors.New("EOF")}
			})
		}
	}
	good := offers((*dt.Host).SoftReboot)
	says := func(out string, exit int) dt.Change {
		return func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", softRebootScript, "sh").Prints(out).Exits(exit) }
	}
	// ending has the script ended by SIGTERM when it is asked again.
	ending := func(h *dt.Host) *guesttest.Plan {
		return h.On("sh", "-c", softRebootScript, "sh").Prints("count=0\n" + offered).Then().Exits(143)
	}
	for _, tools := range [][]host.Tool{dt.Fedora, dt.Plain, dt.Images} {
		suitetest.Run(t, "upgrade/soft-reboot", []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, tools, good)},
			{Name: "old tree", Want: reports.Failed, Says: []string{"the system booted 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, tools, good, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "stays up", Want: reports.Failed, Says: []string{"told to reboot softly, and stays up"}, Guest: dt.Fresh(t, tools, offers(nil))},
			{Name: "whole reboot", Want: reports.Failed, Says: []string{"rebooted the whole machine"}, Guest: dt.Fresh(t, tools, offers(func(h *dt.Host) { _ = h.Reboot(t.Context()) }))},
			{Name: "refused", Want: reports.Failed, Says: []string{"systemctl soft-reboot fails: denied"}, Guest: dt.Fresh(t, tools, good, func(h *dt.Host, _ *check.Env) {
				h.On("systemctl", "soft-reboot").Exits(1).Says("denied\n")
			})},
			{Name: "ends the session's processes first", Guest: dt.Fresh(t, tools, good, func(h *dt.Host, _ *check.Env) {
				h.SetScale(1e-2)
				ending(h).Then().Prints("count=1\n" + offered)
			})},
			{Name: "never counts again", Want: reports.Errored, Fault: reports.FaultTest, Guest: dt.Fresh(t, tools, good, func(h *dt.Host, _ *check.Env) { ending(h) })},
			{Name: "nothing", Want: reports.Failed, Says: []string{"finds nothing to upgrade to"}, Guest: dt.Fresh(t, tools, good, dt.Answers(dt.Upgrade, dt.Said("No upgrade available.\nNo update available.")))},
			{Name: "upgrade refused", Want: reports.Failed, Guest: dt.Fresh(t, tools, good, dt.Refuse(dt.Upgrade, "no"))},
			{Name: "old systemd", Want: reports.Skipped, Says: []string{"ships no systemd that reboots softly"}, Guest: dt.Fresh(t, tools, says("", 127))},
			{Name: "not counted", Want: reports.Skipped, Says: []string{"does not count soft reboots"}, Guest: dt.Fresh(t, tools, says("count=\n"+offered, 0))},
			{Name: "not offered", Want: reports.Skipped, Says: []string{"soft-reboot"}, Guest: dt.Fresh(t, tools, says("count=0\n", 0))},
		})
	}
	suitetest.Run(t, "upgrade/soft-reboot", []suitetest.Case{
		{Name: "built without", Want: reports.Skipped, Says: []string{"ostree admin has no prepare-soft-reboot"}, Guest: dt.Fresh(t, dt.Plain, good, func(h *dt.Host, _ *check.Env) {
			h.On("ostree", "admin", "prepare-soft-reboot", "0").Exits(1).Says("error: soft reboot not supported\n")
		})},
		{Name: "another kernel", Want: reports.Skipped, Says: []string{"the update wants a whole reboot: error: Cannot soft-reboot"}, Guest: dt.Fresh(t, dt.Plain, good, func(h *dt.Host, _ *check.Env) {
			h.On("ostree", "admin", "prepare-soft-reboot", "0").Exits(1).Says("error: Cannot soft-reboot to deployment with different kernel state\n")
		})},
		{Name: "another kernel, bootc", Want: reports.Skipped, Says: []string{"wants a whole reboot"},
			Guest: dt.Fresh(t, dt.Images, good, dt.Refuse(dt.Upgrade, "Soft reboot was required but staged deployment is not soft-reboot capable"))},
	})
}

func TestCheckOnly(t *testing.T) {
	suitetest.Run(t, "upgrade/check-only", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora)},
		{Name: "old preview", Guest: dt.Fresh(t, []host.Tool{host.AtomicHost}, dt.Answers(dt.Check, dt.Said("done")))},
		{Name: "says none", Want: reports.Failed, Says: []string{"says that there is none"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Check, guest.Result{Exit: 77, Stdout: "No upgrade available.\n"}))},
		{Name: "counts packages alone", Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Check, guest.Result{Exit: 77}))}, // rpm-ostree before 2018.2, over a derived tree
		{Name: "counts packages alone, over a tree with others", Want: reports.Failed, Says: []string{"says that there is none"},
			Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Check, guest.Result{Exit: 77}), func(h *dt.Host, e *check.Env) { e.Trees.Derived = false })},
		{Name: "tells none", Want: reports.Failed, Says: []string{"tells of none"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Check, dt.Said("done")))},
		{Name: "other version", Want: reports.Failed, Says: []string{"to version 9, want 1.2"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Check, dt.Said("AvailableUpdate:\n        Version: 9 (2026-01-01T00:00:00Z)")))},
		{Name: "stages it", Want: reports.Failed, Says: []string{"2 deployments after a look for updates by rpm-ostree"}, Guest: dt.Fresh(t, dt.Fedora, dt.Then(dt.Check, func(h *dt.Host) {
			h.Deployments = append([]host.Deployment{h.Of(h.Trees.Newer, false)}, h.Deployments...)
		}))},
		{Name: "ostree cannot", Want: reports.Skipped, Says: []string{"ostree admin has no upgrade --preview"}, Guest: dt.Fresh(t, dt.Plain)},
	})
}

func TestDownloadOnly(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": dt.Fedora, "ostree": dt.Plain, "bootc": dt.Images} {
		suitetest.Run(t, reports.CaseID("upgrade/download-only-"+id), []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, tools)},
			{Name: "deploys", Want: reports.Failed, Says: []string{"was to download an update only"}, Guest: dt.Fresh(t, tools, dt.Then(dt.Download, func(h *dt.Host) {
				h.Deployments = append([]host.Deployment{h.Of(h.Trees.Newer, false)}, h.Deployments...)
			}))},
			{Name: "boots it", Want: reports.Failed, Says: []string{"a reboot boots 1.2"}, Guest: dt.Fresh(t, tools, dt.Then(dt.Reboot, func(h *dt.Host) {
				was := *h.Booted()
				now := h.Of(h.Trees.Newer, was.Image != nil)
				now.Booted, was.Booted, was.Rollback = true, false, true
				h.Deployments = []host.Deployment{now, was}
			}))},
			{Name: "downloaded nothing", Want: reports.Failed, Says: []string{"finds nothing to deploy"}, Guest: dt.Fresh(t, tools, dt.Answers(dt.Upgrade, dt.Said("No update available.")))},
			{Name: "unknown option", Want: reports.Skipped, Guest: dt.Fresh(t, tools, dt.Refuse(dt.Download, map[string]string{"ostree": "Unknown option --pull-only", "rpm-ostree": "Unknown option --download-only",
				"bootc": "error: unexpected argument '--download-only' found"}[id]))},
		})
	}
}

func TestNoUpdate(t *testing.T) {
	suitetest.Run(t, "upgrade/no-update", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "no origin", Want: reports.Skipped, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, _ *check.Env) { h.Booted().Origin = "" })},
		{Name: "says nothing", Want: reports.Failed, Says: []string{"does not say that there is no update"}, Guest: dt.Lived(t, dt.Fedora, dt.Answers(dt.Upgrade, dt.Said("done")))},
		{Name: "fails", Want: reports.Failed, Says: []string{"no such branch"}, Guest: dt.Lived(t, dt.Fedora, dt.Refuse(dt.Upgrade, "no such branch"))},
		{Name: "changes", Want: reports.Failed, Says: []string{"there are 1 deployments after"}, Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Upgrade, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
	})
}

func TestStatus(t *testing.T) {
	suitetest.Run(t, "upgrade/status-equal", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "one tool", Want: reports.Skipped, Guest: dt.Lived(t, dt.Plain)},
		{Name: "fewer", Want: reports.Failed, Says: []string{"tells of 1 deployments, rpm-ostree of 2"}, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			hosttest.PlanStatus(t, h.Fake, host.AtomicHost, h.Deployments[:1])
		})},
		{Name: "other", Want: reports.Failed, Says: []string{"deployment 0: Version: 1, other: 1.2"}, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			all := slices.Clone(h.Deployments)
			all[0].Version = "1"
			hosttest.PlanStatus(t, h.Fake, host.AtomicHost, all)
		})},
		{Name: "fails", Want: reports.Failed, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			h.On("rpm-ostree", "status", guesttest.Rest).Exits(1).Says("error: daemon")
		})},
	})
	suitetest.Run(t, "upgrade/status-unprivileged", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "bootc only", Want: reports.Skipped, Guest: dt.Lived(t, []host.Tool{host.Bootc})},
		{Name: "refused", Want: reports.Failed, Says: []string{"Permission denied"}, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", guesttest.Containing("ostree admin status")).As("nobody").Exits(1).Says("error: Permission denied")
		})},
		{Name: "sees less", Want: reports.Failed, Says: []string{"other deployments than root"}, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			hosttest.PlanStatus(t, h.Fake, host.RPMOSTree, h.Deployments[:1]).As("nobody")
		})},
	})
}

func TestSystem(t *testing.T) {
	says := func(script, out string, exit int) dt.Change {
		return func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", script, "sh").Prints(out).Exits(exit) }
	}
	suitetest.Run(t, "upgrade/system-running", []suitetest.Case{
		{Name: "running", Guest: dt.Lived(t, dt.Plain, says(deployments.SystemScript, "running\n", 0))},
		{Name: "degraded by want of the internet", Guest: dt.Lived(t, dt.Plain, says(deployments.SystemScript, "degraded\nfwupd-refresh.service loaded failed failed Refresh\n", 0),
			func(h *dt.Host, _ *check.Env) {
				h.On("systemctl", "show", guesttest.Rest).Prints("Id=fwupd-refresh.service\nResult=exit-code\nExecMainStatus=1\n")
			})},
		{Name: "degraded by nobody", Want: reports.Failed, Guest: dt.Lived(t, dt.Plain, says(deployments.SystemScript, "degraded\n", 0))},
		{Name: "degraded", Want: reports.Failed, Says: []string{`the system is "degraded" after an upgrade, with these units failed: a.service, b.mount`},
			Guest: dt.Lived(t, dt.Plain, says(deployments.SystemScript, "degraded\na.service loaded failed failed A\nb.mount loaded failed failed B\n", 0))},
	})
	suitetest.Run(t, "upgrade/version", []suitetest.Case{
		{Name: "as announced", Guest: dt.Lived(t, dt.Plain, notDerived, says(deployments.ReleaseScript, "1.2\n", 0))},
		{Name: "another", Want: reports.Failed, Says: []string{"is version 1.2, and the tree in it says OSTREE_VERSION=1.1"}, Guest: dt.Lived(t, dt.Plain, notDerived, says(deployments.ReleaseScript, "1.1\n", 0))},
		{Name: "derived", Want: reports.Skipped, Says: []string{"the image's own tree"}, Guest: dt.Lived(t, dt.Plain)},
		{Name: "no trees", Want: reports.Skipped, Guest: dt.Lived(t, dt.Plain, dt.NoTrees)},
	})
	suitetest.Run(t, "upgrade/boot-loader", []suitetest.Case{
		{Name: "known", Guest: dt.Lived(t, dt.Plain, says(bootLoaderScript, "Component EFI\n", 0))},
		{Name: "no bootupd", Want: reports.Skipped, Guest: dt.Lived(t, dt.Plain, says(bootLoaderScript, "", 127))},
		{Name: "fails", Want: reports.Failed, Says: []string{"fails after an upgrade: error: no ESP"}, Guest: dt.Lived(t, dt.Plain, says(bootLoaderScript, "error: no ESP\n", 1))},
	})
}

func TestKeeps(t *testing.T) {
	for id, mark := range map[string]livedin.Mark{"user": livedin.User, "etc-file": livedin.OwnFile, "etc-edit": livedin.Edit, "var": livedin.Data, "unit": livedin.Unit} {
		suitetest.Run(t, reports.CaseID("upgrade/keeps-"+id), []suitetest.Case{
			{Name: "kept", Guest: dt.Lived(t, dt.Plain)},
			{Name: "lost", Want: reports.Failed, Says: []string{"gone after an upgrade"}, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, _ *check.Env) {
				h.Marks = slices.DeleteFunc(h.Marks, func(m livedin.Mark) bool { return m == mark })
			})},
			{Name: "never made", Want: reports.Skipped, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, env *check.Env) { env.Lived = nil; boot("")(h, env) })},
			{Name: "thrown away", Want: reports.Skipped, Says: []string{map[bool]string{true: "could not get it", false: "throws /etc away"}[mark == livedin.Data]}, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, env *check.Env) {
				env.Lived = nil
				boot("conf [etc]\nconf transient=true\n")(h, env)
			})},
		})
	}
}

// boot plans what ostree's prepare-root is configured to do.
func boot(conf string) dt.Change {
	return func(h *dt.Host, _ *check.Env) {
		h.On("sh", "-c", guesttest.Containing("prepare-root.conf")).Prints(conf)
	}
}

func TestEtcDefault(t *testing.T) {
	holds := func(text string) dt.Change {
		return func(h *dt.Host, _ *check.Env) { h.HasFile(check.DerivedEtc, text) }
	}
	suitetest.Run(t, "upgrade/etc-default", []suitetest.Case{
		{Name: "arrives", Guest: dt.Lived(t, dt.Plain, holds("1.2\nmore\n"))},
		{Name: "old", Want: reports.Failed, Says: []string{`holds "1.1" after an upgrade, want "1.2"`}, Guest: dt.Lived(t, dt.Plain, holds("1.1\n"))},
		{Name: "missing", Want: reports.Failed, Says: []string{"did not arrive"}, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, _ *check.Env) { h.LacksFile(check.DerivedEtc) })},
		{Name: "not derived", Want: reports.Skipped, Guest: dt.Lived(t, dt.Plain, notDerived)},
	})
}

func TestFromOlder(t *testing.T) {
	edit := func(h *dt.Host, _ *check.Env) { h.TakesFile(check.DerivedEtc) }
	suitetest.Run(t, "upgrade/from-previous", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora, edit)},
		{Name: "plain", Guest: dt.Fresh(t, dt.Plain, edit)},
		{Name: "no older", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, func(h *dt.Host, _ *check.Env) { h.Trees.Older = nil })},
		{Name: "images", Guest: dt.Fresh(t, []host.Tool{host.Bootc})},
		{Name: "thrown away", Want: reports.Skipped, Says: []string{"throws /etc away"}, Guest: dt.Fresh(t, dt.Fedora, edit, boot("conf [etc]\nconf transient=true\n"), dt.Then(dt.Reboot, func(h *dt.Host) { h.HasFile(check.DerivedEtc, "1.2\n") }))},
		{Name: "overwritten", Want: reports.Failed, Says: []string{`holds "1.2" after it`}, Guest: dt.Fresh(t, dt.Fedora, edit, boot(""), dt.Then(dt.Reboot, func(h *dt.Host) { h.HasFile(check.DerivedEtc, "1.2\n") }))},
		{Name: "refused", Want: reports.Failed, Says: []string{"error: no"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Deploy, "no"))},
	})
	oldest := func(h *dt.Host, _ *check.Env) {
		h.Trees.Derived = false
		h.Trees.Older = append(h.Trees.Older, check.Tree{Commit: hosttest.Sum('9'), Version: "0.9"})
	}
	suitetest.Run(t, "upgrade/from-oldest", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora, oldest)},
		{Name: "derived", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora)},
		{Name: "stays", Want: reports.Failed, Says: []string{"want 0.9"}, Guest: dt.Fresh(t, dt.Fedora, oldest, dt.Then(dt.Reboot, dt.Stays))},
	})
}

func TestWalk(t *testing.T) {
	releases := func(h *dt.Host, _ *check.Env) {
		h.Trees.Derived = false
		h.Trees.Older = append(h.Trees.Older, check.Tree{Commit: hosttest.Sum('9'), Version: "0.9"})
		h.On("sh", "-c", deployments.SystemScript, "sh").Prints("running\n")
	}
	booted := []string{}
	suitetest.Run(t, "upgrade/walk", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora, releases, dt.Then(dt.Reboot, func(h *dt.Host) { booted = append(booted, h.Booted().Version) }))},
		{Name: "plain", Guest: dt.Fresh(t, dt.Plain, releases)},
		{Name: "derived", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora)},
		{Name: "one older release", Want: reports.Skipped, Says: []string{"1 older releases"}, Guest: dt.Fresh(t, dt.Fedora, notDerived)},
		{Name: "stays", Want: reports.Failed, Says: []string{"want 0.9"}, Guest: dt.Fresh(t, dt.Fedora, releases, dt.Then(dt.Reboot, dt.Stays))},
		{Name: "degraded in the end", Want: reports.Failed, Says: []string{`"degraded" in the new tree after a walk through 2 releases`}, Guest: dt.Fresh(t, dt.Fedora, releases, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", deployments.SystemScript, "sh").Prints("running\n").Then().Prints("running\n").Then().Prints("degraded\na.service loaded failed failed A\n")
		})},
	})
	if want := []string{"0.9", "1.1", "1.2"}; !slices.Equal(booted, want) {
		t.Errorf("booted %q, want %q", booted, want)
	}
}

func TestRebase(t *testing.T) {
	remote := func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", remoteScript, "sh", otherRemote, h.Trees.URL) }
	for id, tools := range map[string][]host.Tool{"rpm-ostree": dt.Fedora, "atomic-host": dt.Fedora, "ostree": dt.Plain} {
		suitetest.Run(t, reports.CaseID("upgrade/rebase-"+id), []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, tools, remote)},
			{Name: "refused", Want: reports.Failed, Says: []string{"error: no such branch"}, Guest: dt.Fresh(t, tools, remote, dt.Refuse(dt.Rebase, "no such branch"))},
			{Name: "stays in the old tree", Want: reports.Failed, Says: []string{"want 1.2"}, Guest: dt.Fresh(t, tools, remote, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "follows the old branch", Want: reports.Failed, Says: []string{`follows "assay:os/stable", want "assay-other:os/stable"`}, Guest: dt.Fresh(t, tools, remote, dt.Then(dt.Reboot, func(h *dt.Host) {
				h.Deployments[0].Origin = "assay:os/stable"
			}))},
			{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, tools, dt.NoTrees)},
		})
	}
}

func TestRebaseImage(t *testing.T) {
	served := dt.Trees().NewerImage
	follows := func(i *host.Image, origin string) dt.Change {
		return dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments[0].Image, h.Deployments[0].Origin = i, origin })
	}
	folder := func(exit int, said string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", folderScript, "sh", served, imageFolder, folderTag).Exits(exit).Says(said)
		}
	}
	for id, to := range map[reports.CaseID]host.Image{
		"upgrade/rebase-bootc":        {Name: served, Transport: "registry"},
		"upgrade/rebase-folder-bootc": {Name: imageFolder + ":" + folderTag, Transport: "oci"},
	} {
		whole := folder(0, "")
		suitetest.Run(t, id, []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, dt.Images, whole, func(h *dt.Host, _ *check.Env) {
				h.After = func(op dt.Op) {
					if op == dt.Deploy && (h.Deployments[0].Image.Name != to.Name || !h.Deployments[0].Staged) {
						t.Errorf("%s: staged %+v", id, h.Deployments[0].Image)
					}
				}
			})},
			{Name: "refused", Want: reports.Failed, Says: []string{"error: no such manifest"}, Guest: dt.Fresh(t, dt.Images, whole, dt.Refuse(dt.Deploy, "no such manifest"))},
			{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Images, whole, dt.Refuse(dt.Deploy, "Connection refused"))},
			{Name: "nothing", Want: reports.Failed, Says: []string{"was asked to switch to " + to.Name + " and changes nothing"},
				Guest: dt.Fresh(t, dt.Images, whole, dt.Answers(dt.Deploy, dt.Said("Image specification is unchanged.")))},
			{Name: "stays up", Want: reports.Failed, Says: []string{"the system stays up"}, Guest: dt.Fresh(t, dt.Images, whole, func(h *dt.Host, _ *check.Env) {
				h.OnReboot(func() error { return &guest.TransportError{Op: "await a reboot", Err: guest.ErrRebootNotSeen} })
			})},
			{Name: "stays in the old tree", Want: reports.Failed, Says: []string{"want 1.2"}, Guest: dt.Fresh(t, dt.Images, whole, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "follows the old image", Want: reports.Failed, Says: []string{"follows example.org/os:stable by registry, want " + to.Name + " by " + to.Transport},
				Guest: dt.Fresh(t, dt.Images, whole, follows(&host.Image{Name: "example.org/os:stable", Transport: "registry"}, ""))},
			{Name: "follows another transport", Want: reports.Failed, Says: []string{"by dir, want "}, Guest: dt.Fresh(t, dt.Images, whole, follows(&host.Image{Name: to.Name, Transport: "dir"}, ""))},
			{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Images, dt.NoTrees)},
			{Name: "no bootc", Want: reports.Skipped, Says: []string{"ships no bootc"}, Guest: dt.Fresh(t, dt.Plain)},
			{Name: "follows a repository", Want: reports.Skipped, Says: []string{"follows an ostree repository"}, Guest: dt.Fresh(t, dt.Mixed, dt.FollowsRepository)},
		})
	}
	suitetest.Run(t, "upgrade/rebase-folder-bootc", []suitetest.Case{
		{Name: "derived", Want: reports.Skipped, Says: []string{"without the layers that the host has"}, Guest: dt.Fresh(t, dt.Images, func(_ *dt.Host, env *check.Env) { env.Trees.DerivedImages = true })},
		{Name: "no skopeo", Want: reports.Skipped, Says: []string{"ships no skopeo"}, Guest: dt.Fresh(t, dt.Images, folder(127, ""))},
		{Name: "no room", Want: reports.Skipped, Says: []string{"No space left"}, Guest: dt.Fresh(t, dt.Images, folder(1, "write: No space left on device\n"))},
		{Name: "no room for both", Want: reports.Skipped, Says: []string{"no room for the update beside"},
			Guest: dt.Fresh(t, dt.Images, folder(0, ""), dt.Refuse(dt.Deploy, "Importing: fallocate: No space left on device"))},
		{Name: "policy for the copy", Want: reports.Skipped, Says: []string{"Source image rejected"},
			Guest: dt.Fresh(t, dt.Images, folder(1, "FATA[0001] Source image rejected: A signature was required, but no signature exists\n"))},
		{Name: "registry", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"own registry"},
			Guest: dt.Fresh(t, dt.Images, folder(1, "FATA[0000] pinging container registry 192.168.127.1:5001: dial tcp 192.168.127.1:5001: connect: connection refused\n"))},
		{Name: "broken skopeo", Want: reports.Failed, Says: []string{"libgpgme.so.11"},
			Guest: dt.Fresh(t, dt.Images, folder(1, "skopeo: error while loading shared libraries: libgpgme.so.11: cannot open shared object file\n"))},
		{Name: "policy", Want: reports.Skipped, Says: []string{"policy.json takes no unsigned image from a folder"},
			Guest: dt.Fresh(t, dt.Images, folder(0, ""), dt.Refuse(dt.Deploy, "Source image rejected: Running image rejected by policy"))},
	})
}

func TestEtcConflict(t *testing.T) {
	file := func(there string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", makeConflictScript, guesttest.Rest)
			h.On("sh", "-c", checkConflictScript, guesttest.Rest).Prints(there)
		}
	}
	kept := file(conflictText + "\n")
	suitetest.Run(t, "upgrade/etc-conflict", []suitetest.Case{
		{Name: "refused", Guest: dt.Fresh(t, dt.Plain, kept, dt.Refuse(dt.Upgrade, "Modified config file newly defaults to directory, cannot merge"))},
		{Name: "names the path", Guest: dt.Fresh(t, dt.Plain, kept, dt.Refuse(dt.Upgrade, "cannot replace etc/assay-update: Is a directory"))},
		{Name: "another reason", Want: reports.Failed, Says: []string{"No space left on device"}, Guest: dt.Fresh(t, dt.Plain, kept, dt.Refuse(dt.Upgrade, "assay-update: No space left on device"))},
		{Name: "no reason", Want: reports.Failed, Says: []string{"error: oops"}, Guest: dt.Fresh(t, dt.Plain, kept, dt.Refuse(dt.Upgrade, "oops"))},
		{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Plain, kept, dt.Refuse(dt.Upgrade, "Connection refused"))},
		{Name: "kept", Guest: dt.Fresh(t, dt.Plain, kept)},
		{Name: "stays in the old tree", Guest: dt.Fresh(t, dt.Plain, kept, dt.Then(dt.Reboot, dt.Stays))},
		{Name: "lost", Want: reports.Failed, Says: []string{"the administrator's file /etc/assay-update is lost"}, Guest: dt.Fresh(t, dt.Plain, file(""))},
		{Name: "refused and lost", Want: reports.Failed, Says: []string{"lost after an upgrade that was refused"}, Guest: dt.Fresh(t, dt.Plain, file(""), dt.Refuse(dt.Upgrade, "cannot merge"))},
		{Name: "elsewhere", Want: reports.Failed, Says: []string{"neither the old nor the new tree"}, Guest: dt.Fresh(t, dt.Plain, kept, dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments[0].Checksum = hosttest.Sum('f') }))},
		{Name: "not derived", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Plain, notDerived)},
	})
}

func TestInterruptedDownload(t *testing.T) {
	suitetest.Run(t, "upgrade/interrupted-download", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora)},
		{Name: "follows images", Want: reports.Skipped, Says: []string{"upgrades from an ostree repository"}, Guest: dt.Fresh(t, dt.Images)},
		{Name: "has bootc, too", Guest: dt.Fresh(t, dt.Mixed, dt.FollowsRepository)},
		{Name: "believes it", Want: reports.Failed, Says: []string{"breaks every answer off"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Upgrade, dt.Said("done")))},
		{Name: "never again", Want: reports.Failed, Says: []string{"object is corrupt"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Upgrade, "object is corrupt"))},
		{Name: "leaves something", Want: reports.Failed, Says: []string{"a download that broke off"}, Guest: dt.Fresh(t, dt.Fedora, dt.Then(dt.Upgrade, func(h *dt.Host) {
			h.Booted().Version = ""
		}))},
	})
}

func TestUnsigned(t *testing.T) {
	suitetest.Run(t, "upgrade/unsigned", []suitetest.Case{
		{Name: "refused", Guest: dt.Fresh(t, dt.Fedora)},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to upgrade to an unsigned tree"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Upgrade, dt.Said("done")))},
		{Name: "for another reason", Want: reports.Failed, Says: []string{"does not say that this is why"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Upgrade, "something"))},
		{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Upgrade, "Connection refused"))},
		{Name: "without GPG", Want: reports.Skipped, Says: []string{"built without GPG"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Upgrade, "'pull': GPG feature is disabled at build time"))},
		{Name: "signed", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, func(_ *dt.Host, env *check.Env) { env.Trees.Signed = true })},
		{Name: "staged all the same", Want: reports.Failed, Says: []string{"2 deployments after"}, Guest: dt.Fresh(t, dt.Fedora, dt.Then(dt.Upgrade, func(h *dt.Host) {
			h.Deployments = append([]host.Deployment{h.Of(h.Trees.Newer, false)}, h.Deployments...)
		}))},
	})
}

func TestUnlocked(t *testing.T) {
	looks := func(out string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", writeOverlay, guesttest.Rest)
			h.On("sh", "-c", lookOverlayScript, guesttest.Rest).Prints(out)
		}
	}
	suitetest.Run(t, "upgrade/unlocked", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora, looks(""))},
		{Name: "plain", Guest: dt.Fresh(t, dt.Plain, looks(""))},
		{Name: "file stays", Want: reports.Failed, Says: []string{"/usr/share/assay-unlocked, made in an unlocked /usr, is there"}, Guest: dt.Fresh(t, dt.Fedora, looks("file=1\n"))},
		{Name: "overlay stays", Want: reports.Failed, Says: []string{"/usr is an overlay"}, Guest: dt.Fresh(t, dt.Fedora, looks("overlay=1\n"))},
		{Name: "tells unlocked", Want: reports.Failed, Says: []string{"is unlocked (development)"}, Guest: dt.Fresh(t, dt.Fedora, looks(""), dt.Then(dt.Reboot, func(h *dt.Host) { h.Booted().Unlocked = "development" }))},
		{Name: "cannot be unlocked", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Unlock, "overlayfs is not there"))},
		{Name: "read-only all the same", Want: reports.Failed, Says: []string{"cannot be written: Read-only"}, Guest: dt.Fresh(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", writeOverlay, guesttest.Rest).Exits(1).Says("Read-only file system")
		})},
	})
}

func TestOlderRefused(t *testing.T) {
	ref := func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", setBackScript, guesttest.Rest) }
	const older = "Upgrade target revision 'b' with timestamp 'x' is chronologically older than current revision 'c'"
	suitetest.Run(t, "upgrade/older-refused", []suitetest.Case{
		{Name: "refused", Guest: dt.Lived(t, dt.Fedora, ref, dt.Refuse(dt.Upgrade, older))},
		{Name: "of another branch", Guest: dt.Lived(t, dt.Fedora, dt.Refuse(dt.Upgrade, older), func(h *dt.Host, _ *check.Env) {
			h.Trees.Booted.Ref = "origin:os/previous"
			h.On("sh", "-c", setBackScript, "sh", setBackRepo, hostRepo, "os/previous", h.Trees.Booted.Commit)
			h.On("sh", "-c", guesttest.Containing("ostree admin set-origin"), "follow", "assay", "file://"+setBackRepo, "os/previous", guesttest.Rest)
			hosttest.PlanStatus(t, h.Fake, host.RPMOSTree, h.Deployments)
			h.On("sh", "-c", guesttest.Containing("ostree admin set-origin"), "follow", "assay", "file://"+setBackRepo, "os/stable", guesttest.Rest).Exits(1)
		})},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to upgrade to a tree that is older"}, Guest: dt.Lived(t, dt.Fedora, ref, dt.Answers(dt.Upgrade, dt.Said("done")))},
		{Name: "no ostree", Want: reports.Skipped, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", setBackScript, guesttest.Rest).Exits(127) })},
		{Name: "bootc alone", Want: reports.Skipped, Guest: dt.Lived(t, []host.Tool{host.Bootc})},
	})
}

func TestNoSpace(t *testing.T) {
	fill := func(out string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", fillScript, guesttest.Rest).Prints(out)
			h.On("sh", "-c", reserveScript, "sh", hostRepo).Prints("size=\npercent=\ntotal=12884901888\n")
			full := true
			h.On("sh", "-c", guesttest.Containing("rm -f"), guesttest.Rest).Does(func(guesttest.Call) (guest.Result, error) { full = false; return guest.Result{}, nil })
			old := h.Answer
			h.Answer = func(op dt.Op, arg string) *guest.Result {
				if r := old; r != nil {
					return r(op, arg)
				}
				if op == dt.Upgrade && full {
					return &guest.Result{Exit: 1, Stderr: "error: No space left on device\n"}
				}
				return nil
			}
		}
	}
	full := fill("/var/tmp/assay-full 4096 ext2/ext3\n")
	keeps := func(setting string) dt.Change {
		return func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", reserveScript, "sh", hostRepo).Prints(setting) }
	}
	megabytes := fill("/var/tmp/assay-full 16777216 ext2/ext3\n")
	given := func(_ *dt.Host, env *check.Env) { env.Trees.Derived = false }
	suitetest.Run(t, "upgrade/no-space", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora, full)},
		{Name: "the default reserve", Guest: dt.Fresh(t, dt.Fedora, megabytes)},
		{Name: "no reserve", Want: reports.Skipped, Says: []string{"16777216 bytes are left on a full disk", "keeps 0"}, Guest: dt.Fresh(t, dt.Fedora, megabytes, keeps("size=\npercent=0\ntotal=12884901888\n"))},
		{Name: "no reserve and nothing left", Guest: dt.Fresh(t, dt.Fedora, full, keeps("size=\npercent=0\ntotal=12884901888\n"))},
		{Name: "says something else", Want: reports.Failed, Says: []string{"does not say that this is why: error: oops"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Upgrade, "oops"), full)},
		{Name: "claims success", Want: reports.Failed, Says: []string{"accepts to upgrade on a full disk"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Upgrade, dt.Said("done")), full)},
		{Name: "never again", Want: reports.Failed, Says: []string{"No space left"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Upgrade, "No space left on device"), full)},
		{Name: "not full", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Fedora, fill("/var/tmp/assay-full 99999999 ext2/ext3\n"))},
		{Name: "btrfs", Want: reports.Failed, Says: []string{"accepts to upgrade on a full disk"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Upgrade, dt.Said("done")), fill("/var/tmp/assay-full 0 btrfs\n"), given)},
		{Name: "btrfs that does not fill", Want: reports.Skipped, Says: []string{"could not be filled"}, Guest: dt.Fresh(t, dt.Fedora, fill("/var/tmp/assay-full 99999999 btrfs\n"), given)},
		{Name: "btrfs and a small update", Want: reports.Skipped, Says: []string{"beside the metadata"}, Guest: dt.Fresh(t, dt.Fedora, fill("/var/tmp/assay-full 0 btrfs\n"))},
		{Name: "no folder", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, full, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", fillScript, guesttest.Rest).Exits(1) })},
		{Name: "no fallocate", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, full, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", fillScript, guesttest.Rest).Exits(127) })},
	})
}

func TestKeepsContainer(t *testing.T) {
	podman := func(started string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", engine.DetectScript, "sh").Prints("podman\n")
			h.On("podman", "image", "inspect", guesttest.Rest).Prints("sha256:x\n")
			h.On("podman", "run", guesttest.Rest).Prints("kept\n")
			h.On("podman", "start", "-a", keptContainer).Prints(started)
		}
	}
	suitetest.Run(t, "upgrade/keeps-container", []suitetest.Case{
		{Name: "kept", Guest: dt.Fresh(t, dt.Plain, podman("kept\nkept\n"))},
		{Name: "empty", Want: reports.Failed, Says: []string{"lost what it wrote before an upgrade"}, Guest: dt.Fresh(t, dt.Plain, podman("kept\n"))},
		{Name: "gone", Want: reports.Failed, Says: []string{"no such container"}, Guest: dt.Fresh(t, dt.Plain, podman(""), func(h *dt.Host, _ *check.Env) {
			h.On("podman", "start", guesttest.Rest).Exits(125).Says("Error: no such container")
		})},
		{Name: "no engine", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Plain, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", engine.DetectScript, "sh") })},
	})
}

func TestReserve(t *testing.T) {
	for want, p := range map[int64]map[string]string{
		360 << 20: {"total": fmt.Sprint(12000 << 20)},
		240 << 20: {"percent": "2", "total": fmt.Sprint(12000 << 20)},
		500 << 20: {"size": "500MB", "total": "1000"},
		2 << 30:   {"size": "2GB"},
		1 << 40:   {"size": "1TB"},
		0:         {"percent": "all", "total": "1000"},
	} {
		if got := readReserve(p); got != want {
			t.Errorf("%v: %d, want %d", p, got, want)
		}
	}
}

// TestTagsThatAreNoVersions: a tag is only a name, and versions of an image may
// have one label all; then the digest tells them apart.
func TestTagsThatAreNoVersions(t *testing.T) {
	labelled := func(h *dt.Host, env *check.Env) {
		trees := h.Trees
		trees.NewerImage, trees.OlderImages = trees.ImageName+":v2", []string{trees.ImageName + ":v0"}
		trees.Images[0].Image, trees.Images[1].Image = trees.NewerImage, trees.OlderImages[0]
		for _, of := range []*check.Tree{&trees.Booted, &trees.Newer, &trees.Older[0], &trees.Images[0], &trees.Images[1]} {
			of.Version = "9"
		}
		h.Deployments[0].Version = "9"
	}
	suitetest.Run(t, "upgrade/bootc", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Images, labelled)},
		{Name: "stays in the old tree", Want: reports.Failed, Says: []string{"want 9 (192.168.127.1:5001/os:v2)"}, Guest: dt.Fresh(t, dt.Images, labelled, dt.Then(dt.Reboot, dt.Stays))},
	})
	suitetest.Run(t, "upgrade/from-previous", []suitetest.Case{
		{Name: "healthy", Guest: dt.Fresh(t, dt.Images, labelled, func(_ *dt.Host, env *check.Env) { env.Trees.Derived, env.Trees.DerivedImages = false, false })},
	})
}
