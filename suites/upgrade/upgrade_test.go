package upgrade

import (
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
	"assay/suites/engine"
	"assay/suites/suitetest"
)

type change func(h *dt.Host, env *check.Env)

type plan = func(*guesttest.Fake, *check.Env)

// fresh is a guest that was just installed, upgraded one that was upgraded.
func fresh(t *testing.T, tools []host.Tool, changes ...change) plan {
	return func(g *guesttest.Fake, env *check.Env) {
		h := dt.New(t, g, env, tools...)
		for _, c := range changes {
			c(h, env)
		}
	}
}

func upgraded(t *testing.T, tools []host.Tool, changes ...change) plan {
	return func(g *guesttest.Fake, env *check.Env) {
		h := dt.Upgraded(t, g, env, tools...)
		for _, c := range changes {
			c(h, env)
		}
	}
}

var (
	fedora = []host.Tool{host.RPMOSTree, host.AtomicHost, host.OSTree}
	plain  = []host.Tool{host.OSTree}
	bootc  = []host.Tool{host.Bootc, host.OSTree}
)

// refuses has the tool refuse an operation, after does something when one is done.
func refuses(op dt.Op, said string) change {
	return func(h *dt.Host, _ *check.Env) { h.Answer = dt.Refuses(op, said) }
}

func after(op dt.Op, do func(h *dt.Host)) change {
	return func(h *dt.Host, _ *check.Env) {
		h.After = func(done dt.Op) {
			if done == op {
				do(h)
			}
		}
	}
}

func answers(op dt.Op, r guest.Result) change {
	return func(h *dt.Host, _ *check.Env) {
		h.Answer = func(asked dt.Op, _ string) *guest.Result {
			if asked == op {
				return &r
			}
			return nil
		}
	}
}

func noTrees(_ *dt.Host, env *check.Env) { env.Trees, env.NoTrees = nil, "the image is no ostree host" }

func notDerived(_ *dt.Host, env *check.Env) { env.Trees.Derived = false }

func noImage(_ *dt.Host, env *check.Env) { env.Trees.NewerImage = "" }

// stays boots the old tree again.
func stays(h *dt.Host) {
	slices.Reverse(h.Deployments)
	for i := range h.Deployments {
		h.Deployments[i].Booted = i == 0
	}
}

func TestByTool(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": fedora, "atomic-host": fedora, "ostree": plain, "bootc": bootc} {
		cases := []suitetest.Case{
			{Name: "healthy", Guest: fresh(t, tools)},
			{Name: "stays in the old tree", Want: reports.Failed, Says: []string{"the system booted 1 (bbbbbbbbbbbb) after a reboot, want 1.2 (cccccccccccc)"}, Guest: fresh(t, tools, after(dt.Reboot, stays))},
			{Name: "wrong version", Want: reports.Failed, Guest: fresh(t, tools, after(dt.Upgrade, func(h *dt.Host) { h.Deployments[0].Version, h.Deployments[0].Checksum = "7", hosttest.Sum('e') }))},
			{Name: "no rollback", Want: reports.Failed, Says: []string{"no deployment to roll back to"}, Guest: fresh(t, tools, after(dt.Reboot, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
			{Name: "refused", Want: reports.Failed, Says: []string{"error: bad tree"}, Guest: fresh(t, tools, refuses(dt.Upgrade, "bad tree"))},
			{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: fresh(t, tools, refuses(dt.Upgrade, "Connection refused"))},
			{Name: "nothing pending", Want: reports.Failed, Says: []string{"no deployment is pending"}, Guest: fresh(t, tools, after(dt.Upgrade, func(h *dt.Host) { h.Deployments = h.Deployments[1:] }))},
			{Name: "no trees", Want: reports.Skipped, Guest: fresh(t, tools, noTrees)},
			{Name: "other tool", Want: reports.Skipped, Says: []string{"the image ships no "}, Guest: fresh(t, nil)},
			{Name: "does not go down", Want: reports.Failed, Says: []string{"does not go down"}, Guest: fresh(t, tools, func(h *dt.Host, _ *check.Env) {
				h.OnReboot(func() error { return &guest.TransportError{Op: "reboot", Err: guest.ErrRebootNotSeen} })
			})},
			{Name: "other origin", Want: reports.Failed, Says: []string{"follows "}, Guest: fresh(t, tools, after(dt.Reboot, func(h *dt.Host) {
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
			Guest: fresh(t, fedora, answers(dt.Upgrade, dt.Said("No upgrade available.")))},
		{Name: "two pending", Want: reports.Failed, Says: []string{"has 2 deployments before the booted one"}, Guest: fresh(t, fedora, after(dt.Upgrade, func(h *dt.Host) {
			d := h.Of(h.Trees.Newer, false)
			d.Serial = 1
			h.Deployments = append([]host.Deployment{d}, h.Deployments...)
		}))},
		{Name: "third deployment", Want: reports.Failed, Says: []string{"has 3 deployments"}, Guest: fresh(t, fedora, after(dt.Reboot, func(h *dt.Host) {
			h.Deployments = append(h.Deployments, h.Of(h.Trees.Older[0], false))
		}))},
	})
	suitetest.Run(t, "upgrade/bootc", []suitetest.Case{
		{Name: "no image", Want: reports.Skipped, Says: []string{"served as none"}, Guest: fresh(t, bootc, noImage)},
	})
}

func TestCheckOnly(t *testing.T) {
	suitetest.Run(t, "upgrade/check-only", []suitetest.Case{
		{Name: "healthy", Guest: fresh(t, fedora)},
		{Name: "old preview", Guest: fresh(t, []host.Tool{host.AtomicHost}, answers(dt.Check, dt.Said("done")))},
		{Name: "says none", Want: reports.Failed, Says: []string{"says that there is none"}, Guest: fresh(t, fedora, answers(dt.Check, guest.Result{Exit: 77, Stdout: "No upgrade available.\n"}))},
		{Name: "tells none", Want: reports.Failed, Says: []string{"tells of none"}, Guest: fresh(t, fedora, answers(dt.Check, dt.Said("done")))},
		{Name: "other version", Want: reports.Failed, Says: []string{"to version 9, want 1.2"}, Guest: fresh(t, fedora, answers(dt.Check, dt.Said("AvailableUpdate:\n        Version: 9 (2026-01-01T00:00:00Z)")))},
		{Name: "stages it", Want: reports.Failed, Says: []string{"2 deployments after a look for updates by rpm-ostree"}, Guest: fresh(t, fedora, after(dt.Check, func(h *dt.Host) {
			h.Deployments = append([]host.Deployment{h.Of(h.Trees.Newer, false)}, h.Deployments...)
		}))},
		{Name: "ostree cannot", Want: reports.Skipped, Says: []string{"ostree admin has no upgrade --preview"}, Guest: fresh(t, plain)},
	})
}

func TestDownloadOnly(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": fedora, "ostree": plain} {
		suitetest.Run(t, reports.CaseID("upgrade/download-only-"+id), []suitetest.Case{
			{Name: "healthy", Guest: fresh(t, tools)},
			{Name: "deploys", Want: reports.Failed, Says: []string{"was to download an update only"}, Guest: fresh(t, tools, after(dt.Download, func(h *dt.Host) {
				h.Deployments = append([]host.Deployment{h.Of(h.Trees.Newer, false)}, h.Deployments...)
			}))},
			{Name: "downloaded nothing", Want: reports.Failed, Says: []string{"finds nothing to deploy"}, Guest: fresh(t, tools, answers(dt.Upgrade, dt.Said("No update available.")))},
			{Name: "unknown option", Want: reports.Skipped, Guest: fresh(t, tools, refuses(dt.Download, "Unknown option "+map[string]string{"ostree": "--pull-only", "rpm-ostree": "--download-only"}[id]))},
		})
	}
}

func TestNoUpdate(t *testing.T) {
	suitetest.Run(t, "upgrade/no-update", []suitetest.Case{
		{Name: "healthy", Guest: upgraded(t, fedora)},
		{Name: "no origin", Want: reports.Skipped, Guest: upgraded(t, plain, func(h *dt.Host, _ *check.Env) { h.Booted().Origin = "" })},
		{Name: "says nothing", Want: reports.Failed, Says: []string{"does not say that there is no update"}, Guest: upgraded(t, fedora, answers(dt.Upgrade, dt.Said("done")))},
		{Name: "fails", Want: reports.Failed, Says: []string{"no such branch"}, Guest: upgraded(t, fedora, refuses(dt.Upgrade, "no such branch"))},
		{Name: "changes", Want: reports.Failed, Says: []string{"there are 1 deployments after"}, Guest: upgraded(t, fedora, after(dt.Upgrade, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
	})
}

func TestStatus(t *testing.T) {
	suitetest.Run(t, "upgrade/status-equal", []suitetest.Case{
		{Name: "healthy", Guest: upgraded(t, fedora)},
		{Name: "one tool", Want: reports.Skipped, Guest: upgraded(t, plain)},
		{Name: "fewer", Want: reports.Failed, Says: []string{"tells of 1 deployments, rpm-ostree of 2"}, Guest: upgraded(t, fedora, func(h *dt.Host, _ *check.Env) {
			hosttest.PlanStatus(t, h.Fake, host.AtomicHost, h.Deployments[:1])
		})},
		{Name: "other", Want: reports.Failed, Says: []string{"deployment 0: Version: 1, other: 1.2"}, Guest: upgraded(t, fedora, func(h *dt.Host, _ *check.Env) {
			all := slices.Clone(h.Deployments)
			all[0].Version = "1"
			hosttest.PlanStatus(t, h.Fake, host.AtomicHost, all)
		})},
		{Name: "fails", Want: reports.Failed, Guest: upgraded(t, fedora, func(h *dt.Host, _ *check.Env) { h.On("rpm-ostree", "status", guesttest.Rest).Exits(1).Says("error: daemon") })},
	})
	suitetest.Run(t, "upgrade/status-unprivileged", []suitetest.Case{
		{Name: "healthy", Guest: upgraded(t, fedora)},
		{Name: "bootc only", Want: reports.Skipped, Guest: upgraded(t, []host.Tool{host.Bootc})},
		{Name: "refused", Want: reports.Failed, Says: []string{"Permission denied"}, Guest: upgraded(t, plain, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", guesttest.Containing("ostree admin status")).As("nobody").Exits(1).Says("error: Permission denied")
		})},
		{Name: "sees less", Want: reports.Failed, Says: []string{"other deployments than root"}, Guest: upgraded(t, fedora, func(h *dt.Host, _ *check.Env) {
			hosttest.PlanStatus(t, h.Fake, host.RPMOSTree, h.Deployments[:1]).As("nobody")
		})},
	})
}

func TestKeeps(t *testing.T) {
	for id, mark := range map[string]livedin.Mark{"user": livedin.User, "etc-file": livedin.OwnFile, "etc-edit": livedin.Edit, "var": livedin.Data, "unit": livedin.Unit} {
		suitetest.Run(t, reports.CaseID("upgrade/keeps-"+id), []suitetest.Case{
			{Name: "kept", Guest: upgraded(t, plain)},
			{Name: "lost", Want: reports.Failed, Says: []string{"gone after an upgrade"}, Guest: upgraded(t, plain, func(h *dt.Host, _ *check.Env) {
				h.Marks = slices.DeleteFunc(h.Marks, func(m livedin.Mark) bool { return m == mark })
			})},
			{Name: "never made", Want: reports.Skipped, Guest: upgraded(t, plain, func(_ *dt.Host, env *check.Env) { env.Lived = nil })},
		})
	}
}

func TestEtcDefault(t *testing.T) {
	holds := func(text string) change { return func(h *dt.Host, _ *check.Env) { h.HasFile(check.DerivedEtc, text) } }
	suitetest.Run(t, "upgrade/etc-default", []suitetest.Case{
		{Name: "arrives", Guest: upgraded(t, plain, holds("1.2\nmore\n"))},
		{Name: "old", Want: reports.Failed, Says: []string{`holds "1.1" after an upgrade, want "1.2"`}, Guest: upgraded(t, plain, holds("1.1\n"))},
		{Name: "missing", Want: reports.Failed, Says: []string{"did not arrive"}, Guest: upgraded(t, plain, func(h *dt.Host, _ *check.Env) { h.LacksFile(check.DerivedEtc) })},
		{Name: "not derived", Want: reports.Skipped, Guest: upgraded(t, plain, notDerived)},
	})
}

func TestFromOlder(t *testing.T) {
	edit := func(h *dt.Host, _ *check.Env) { h.TakesFile(check.DerivedEtc) }
	suitetest.Run(t, "upgrade/from-previous", []suitetest.Case{
		{Name: "healthy", Guest: fresh(t, fedora, edit)},
		{Name: "plain", Guest: fresh(t, plain, edit)},
		{Name: "no older", Want: reports.Skipped, Guest: fresh(t, fedora, func(h *dt.Host, _ *check.Env) { h.Trees.Older = nil })},
		{Name: "bootc alone", Want: reports.Skipped, Guest: fresh(t, []host.Tool{host.Bootc})},
		{Name: "overwritten", Want: reports.Failed, Says: []string{`holds "1.2" after it`}, Guest: fresh(t, fedora, edit, after(dt.Reboot, func(h *dt.Host) { h.HasFile(check.DerivedEtc, "1.2\n") }))},
		{Name: "refused", Want: reports.Failed, Says: []string{"error: no"}, Guest: fresh(t, fedora, refuses(dt.Deploy, "no"))},
	})
	oldest := func(h *dt.Host, _ *check.Env) {
		h.Trees.Derived = false
		h.Trees.Older = append(h.Trees.Older, check.Tree{Commit: hosttest.Sum('9'), Version: "0.9"})
	}
	suitetest.Run(t, "upgrade/from-oldest", []suitetest.Case{
		{Name: "healthy", Guest: fresh(t, fedora, oldest)},
		{Name: "derived", Want: reports.Skipped, Guest: fresh(t, fedora)},
		{Name: "stays", Want: reports.Failed, Says: []string{"want 0.9"}, Guest: fresh(t, fedora, oldest, after(dt.Reboot, stays))},
	})
}

func TestEtcConflict(t *testing.T) {
	file := func(there string) change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", makeConflictScript, guesttest.Rest)
			h.On("sh", "-c", checkConflictScript, guesttest.Rest).Prints(there)
		}
	}
	kept := file(conflictText + "\n")
	suitetest.Run(t, "upgrade/etc-conflict", []suitetest.Case{
		{Name: "refused", Guest: fresh(t, plain, kept, refuses(dt.Upgrade, "Modified config file newly defaults to directory, cannot merge"))},
		{Name: "kept", Guest: fresh(t, plain, kept)},
		{Name: "stays in the old tree", Guest: fresh(t, plain, kept, after(dt.Reboot, stays))},
		{Name: "lost", Want: reports.Failed, Says: []string{"the administrator's file /etc/assay-update is lost"}, Guest: fresh(t, plain, file(""))},
		{Name: "refused and lost", Want: reports.Failed, Says: []string{"lost after an upgrade that was refused"}, Guest: fresh(t, plain, file(""), refuses(dt.Upgrade, "cannot merge"))},
		{Name: "elsewhere", Want: reports.Failed, Says: []string{"neither the old nor the new tree"}, Guest: fresh(t, plain, kept, after(dt.Reboot, func(h *dt.Host) { h.Deployments[0].Checksum = hosttest.Sum('f') }))},
		{Name: "not derived", Want: reports.Skipped, Guest: fresh(t, plain, notDerived)},
	})
}

func TestInterruptedDownload(t *testing.T) {
	suitetest.Run(t, "upgrade/interrupted-download", []suitetest.Case{
		{Name: "healthy", Guest: fresh(t, fedora)},
		{Name: "bootc host", Guest: fresh(t, bootc)},
		{Name: "believes it", Want: reports.Failed, Says: []string{"breaks every answer off"}, Guest: fresh(t, fedora, answers(dt.Upgrade, dt.Said("done")))},
		{Name: "never again", Want: reports.Failed, Says: []string{"object is corrupt"}, Guest: fresh(t, fedora, refuses(dt.Upgrade, "object is corrupt"))},
		{Name: "leaves something", Want: reports.Failed, Says: []string{"a download that broke off"}, Guest: fresh(t, fedora, after(dt.Upgrade, func(h *dt.Host) {
			h.Booted().Version = ""
		}))},
	})
}

func TestUnsigned(t *testing.T) {
	suitetest.Run(t, "upgrade/unsigned", []suitetest.Case{
		{Name: "refused", Guest: fresh(t, fedora)},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to upgrade to an unsigned tree"}, Guest: fresh(t, fedora, answers(dt.Upgrade, dt.Said("done")))},
		{Name: "for another reason", Want: reports.Failed, Says: []string{"does not say that this is why"}, Guest: fresh(t, fedora, refuses(dt.Upgrade, "something"))},
		{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: fresh(t, fedora, refuses(dt.Upgrade, "Connection refused"))},
		{Name: "not derived", Want: reports.Skipped, Guest: fresh(t, fedora, notDerived)},
		{Name: "staged all the same", Want: reports.Failed, Says: []string{"2 deployments after"}, Guest: fresh(t, fedora, after(dt.Upgrade, func(h *dt.Host) {
			h.Deployments = append([]host.Deployment{h.Of(h.Trees.Newer, false)}, h.Deployments...)
		}))},
	})
}

func TestUnlocked(t *testing.T) {
	looks := func(out string) change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", writeOverlay, guesttest.Rest)
			h.On("sh", "-c", lookOverlayScript, guesttest.Rest).Prints(out)
		}
	}
	suitetest.Run(t, "upgrade/unlocked", []suitetest.Case{
		{Name: "healthy", Guest: fresh(t, fedora, looks(""))},
		{Name: "plain", Guest: fresh(t, plain, looks(""))},
		{Name: "file stays", Want: reports.Failed, Says: []string{"/usr/share/assay-unlocked, made in an unlocked /usr, is there"}, Guest: fresh(t, fedora, looks("file=1\n"))},
		{Name: "overlay stays", Want: reports.Failed, Says: []string{"/usr is an overlay"}, Guest: fresh(t, fedora, looks("overlay=1\n"))},
		{Name: "tells unlocked", Want: reports.Failed, Says: []string{"is unlocked (development)"}, Guest: fresh(t, fedora, looks(""), after(dt.Reboot, func(h *dt.Host) { h.Booted().Unlocked = "development" }))},
		{Name: "cannot be unlocked", Want: reports.Skipped, Guest: fresh(t, fedora, refuses(dt.Unlock, "overlayfs is not there"))},
		{Name: "read-only all the same", Want: reports.Failed, Says: []string{"cannot be written: Read-only"}, Guest: fresh(t, fedora, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", writeOverlay, guesttest.Rest).Exits(1).Says("Read-only file system")
		})},
	})
}

func TestOlderRefused(t *testing.T) {
	ref := func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", olderRefScript, guesttest.Rest) }
	const older = "Upgrade target revision 'b' with timestamp 'x' is chronologically older than current revision 'c'"
	suitetest.Run(t, "upgrade/older-refused", []suitetest.Case{
		{Name: "refused", Guest: upgraded(t, fedora, ref, refuses(dt.Upgrade, older))},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to upgrade to a tree that is older"}, Guest: upgraded(t, fedora, ref, answers(dt.Upgrade, dt.Said("done")))},
		{Name: "no unshare", Want: reports.Skipped, Guest: upgraded(t, fedora, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", olderRefScript, guesttest.Rest).Exits(127) })},
		{Name: "bootc alone", Want: reports.Skipped, Guest: upgraded(t, []host.Tool{host.Bootc})},
	})
}

func TestNoSpace(t *testing.T) {
	fill := func(out string) change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", fillScript, guesttest.Rest).Prints(out)
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
	full := fill("/var/tmp/assay-full 4096\n")
	suitetest.Run(t, "upgrade/no-space", []suitetest.Case{
		{Name: "healthy", Guest: fresh(t, fedora, full)},
		{Name: "says something else", Want: reports.Failed, Says: []string{"does not say that this is why: error: oops"}, Guest: fresh(t, fedora, refuses(dt.Upgrade, "oops"), full)},
		{Name: "claims success", Want: reports.Failed, Says: []string{"accepts to upgrade on a full disk"}, Guest: fresh(t, fedora, answers(dt.Upgrade, dt.Said("done")), full)},
		{Name: "never again", Want: reports.Failed, Says: []string{"No space left"}, Guest: fresh(t, fedora, refuses(dt.Upgrade, "No space left on device"), full)},
		{Name: "not full", Want: reports.Errored, Fault: reports.FaultInfra, Guest: fresh(t, fedora, fill("/var/tmp/assay-full 99999999\n"))},
		{Name: "no folder", Want: reports.Skipped, Guest: fresh(t, fedora, full, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", fillScript, guesttest.Rest).Exits(1) })},
		{Name: "no fallocate", Want: reports.Skipped, Guest: fresh(t, fedora, full, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", fillScript, guesttest.Rest).Exits(127) })},
	})
}

func TestKeepsContainer(t *testing.T) {
	podman := func(started string) change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", engine.DetectScript, "sh").Prints("podman\n")
			h.On("podman", "image", "inspect", guesttest.Rest).Prints("sha256:x\n")
			h.On("podman", "run", guesttest.Rest).Prints("kept\n")
			h.On("podman", "start", "-a", keptContainer).Prints(started)
		}
	}
	suitetest.Run(t, "upgrade/keeps-container", []suitetest.Case{
		{Name: "kept", Guest: fresh(t, plain, podman("kept\nkept\n"))},
		{Name: "empty", Want: reports.Failed, Says: []string{"lost what it wrote before an upgrade"}, Guest: fresh(t, plain, podman("kept\n"))},
		{Name: "gone", Want: reports.Failed, Says: []string{"no such container"}, Guest: fresh(t, plain, podman(""), func(h *dt.Host, _ *check.Env) {
			h.On("podman", "start", guesttest.Rest).Exits(125).Says("Error: no such container")
		})},
		{Name: "no engine", Want: reports.Skipped, Guest: fresh(t, plain, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", engine.DetectScript, "sh") })},
	})
}
