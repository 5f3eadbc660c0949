package deploy

import (
	"testing"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	dt "assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

func noOlder(h *dt.Host, _ *check.Env) { h.Trees.Older, h.Trees.OlderImages = nil, nil }

func TestOnFresh(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": dt.Fedora, "atomic-host": dt.Fedora, "ostree": dt.Plain, "bootc": dt.Images} {
		suitetest.Run(t, reports.CaseID("deploy/"+id), []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, tools)},
			{Name: "no older", Want: reports.Skipped, Guest: dt.Fresh(t, tools, noOlder)},
			{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, tools, dt.NoTrees)},
			{Name: "refused", Want: reports.Failed, Says: []string{"error: too old"}, Guest: dt.Fresh(t, tools, dt.Refuse(dt.Deploy, "too old"))},
			{Name: "nothing pending", Want: reports.Failed, Says: []string{"no deployment is pending"}, Guest: dt.Fresh(t, tools, dt.Answers(dt.Deploy, dt.Said("done")))},
			{Name: "stays", Want: reports.Failed, Says: []string{"the system booted 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, tools, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "other version", Want: reports.Failed, Guest: dt.Fresh(t, tools, dt.Then(dt.Deploy, func(h *dt.Host) { h.Deployments[0].Version, h.Deployments[0].Checksum = "5", hosttest.Sum('5') }))},
			{Name: "no way back", Want: reports.Failed, Says: []string{"error: stuck"}, Guest: dt.Fresh(t, tools, dt.Refuse(dt.Rollback, "stuck"))},
			{Name: "back to nothing", Want: reports.Failed, Says: []string{"no deployment is pending"}, Guest: dt.Fresh(t, tools, dt.Answers(dt.Rollback, dt.Said("done")))},
		})
	}
	suitetest.Run(t, "deploy/rpm-ostree", []suitetest.Case{
		{Name: "changes nothing", Want: reports.Failed, Says: []string{"was asked to deploy 1.1 (aaaaaaaaaaaa) and changes nothing"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Deploy, dt.Said("No change.")))},
		{Name: "other origin", Want: reports.Failed, Says: []string{`follows "other:x"`}, Guest: dt.Fresh(t, dt.Fedora, dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments[0].Origin = "other:x" }))},
	})
}

func TestByVersion(t *testing.T) {
	for _, id := range []reports.CaseID{"deploy/by-version-rpm-ostree", "deploy/by-version-atomic-host"} {
		suitetest.Run(t, id, []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, dt.Fedora)},
			{Name: "no version", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, func(h *dt.Host, _ *check.Env) { h.Trees.Older[0].Version = "" })},
			{Name: "not found", Want: reports.Failed, Says: []string{"Version 1.1 not found"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Deploy, "Version 1.1 not found in ref"))},
			{Name: "another", Want: reports.Failed, Says: []string{"want 1.1"}, Guest: dt.Fresh(t, dt.Fedora, dt.Then(dt.Deploy, func(h *dt.Host) { h.Deployments[0] = h.Of(h.Trees.Newer, false) }))},
		})
	}
}

func TestFromUpgraded(t *testing.T) {
	suitetest.Run(t, "deploy/from-upgraded", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "plain", Guest: dt.Lived(t, dt.Plain)},
		{Name: "images", Guest: dt.Lived(t, dt.Images)},
		{Name: "no older", Want: reports.Skipped, Guest: dt.Lived(t, dt.Fedora, noOlder)},
		{Name: "does not come back", Want: reports.Failed, Says: []string{"error: not again"}, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			h.Answer = func(op dt.Op, arg string) *guest.Result {
				if op != dt.Deploy || arg != h.Trees.Newer.Commit {
					return nil
				}
				r := dt.Said("error: not again")
				return &r
			}
		})},
	})
}

func TestUnknown(t *testing.T) {
	for _, id := range []reports.CaseID{"deploy/unknown-version", "deploy/unknown-checksum"} {
		suitetest.Run(t, id, []suitetest.Case{
			{Name: "refused", Guest: dt.Fresh(t, dt.Fedora)},
			{Name: "images", Want: reports.Skipped, Guest: dt.Fresh(t, []host.Tool{host.Bootc})},
			{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to deploy"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Deploy, dt.Said("done")))},
			{Name: "unreachable", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Deploy, "Connection refused"))},
			{Name: "changes something", Want: reports.Failed, Says: []string{"1 deployments after a deploy of what does not exist by rpm-ostree"}, Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Deploy, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
		})
	}
}

func TestCleanup(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": dt.Fedora, "ostree": dt.Plain} {
		op := map[string]dt.Op{"rpm-ostree": dt.Cleanup, "ostree": dt.Undeploy}[id]
		stays := map[string]string{"rpm-ostree": "3 deployments after a cleanup of the pending deployment", "ostree": "2 deployments after a cleanup of the pending deployment"}[id]
		suitetest.Run(t, reports.CaseID("deploy/cleanup-pending-"+id), []suitetest.Case{
			{Name: "healthy", Guest: dt.Lived(t, tools)},
			{Name: "stays", Want: reports.Failed, Says: []string{stays}, Guest: dt.Lived(t, tools, dt.Answers(op, dt.Said("done")))},
			{Name: "takes another", Want: reports.Failed, Guest: dt.Lived(t, tools, dt.Then(op, func(h *dt.Host) {
				h.Deployments = append([]host.Deployment{h.Of(h.Trees.Older[0], false)}, h.Deployments[1:]...)
				h.Deployments[0].Booted = true
			}))},
			{Name: "refused", Want: reports.Failed, Guest: dt.Lived(t, tools, dt.Refuse(op, "no"))},
			{Name: "no older", Want: reports.Skipped, Guest: dt.Lived(t, tools, noOlder)},
		})
	}
	suitetest.Run(t, "deploy/cleanup-pending-rpm-ostree", []suitetest.Case{
		{Name: "takes too much", Want: reports.Failed, Says: []string{"1 deployments after"}, Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Cleanup, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
	})
	suitetest.Run(t, "deploy/cleanup-rollback-ostree", []suitetest.Case{
		{Name: "no rollback left", Want: reports.Skipped, Says: []string{"keeps no rollback beside a pending deployment"}, Guest: dt.Lived(t, dt.Plain)},
		{Name: "one that keeps it", Guest: dt.Lived(t, dt.Plain, dt.Then(dt.Deploy, func(h *dt.Host) { h.Deployments = append(h.Deployments, h.Of(h.Trees.Booted, false)) }))},
	})
	suitetest.Run(t, "deploy/cleanup-rollback-rpm-ostree", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "stays", Want: reports.Failed, Says: []string{"leaves 3 deployments of 3"}, Guest: dt.Lived(t, dt.Fedora, dt.Answers(dt.Cleanup, dt.Said("done")))},
		{Name: "takes the pending one", Want: reports.Failed, Says: []string{"want all but the rollback"}, Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Cleanup, func(h *dt.Host) { h.Deployments = h.Deployments[len(h.Deployments)-1:]; h.Deployments[0].Booted = true }))},
	})
	suitetest.Run(t, "deploy/cleanup-rollback-rpm-ostree", []suitetest.Case{
		{Name: "pending stays", Want: reports.Failed, Says: []string{"leaves 2 deployments, want the booted one"}, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			h.Answer = func(op dt.Op, arg string) *guest.Result {
				if op != dt.Cleanup || arg == "-r" {
					return nil
				}
				r := dt.Said("done")
				return &r
			}
		})},
	})
}

func TestPin(t *testing.T) {
	suitetest.Run(t, "deploy/pin", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "images alone", Want: reports.Skipped, Guest: dt.Lived(t, []host.Tool{host.Bootc})},
		{Name: "fresh", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Plain)},
		{Name: "not pinned", Want: reports.Failed, Says: []string{"does not tell that it is pinned"}, Guest: dt.Lived(t, dt.Plain, dt.Answers(dt.Pin, dt.Said("done")))},
		{Name: "stays pinned", Want: reports.Failed, Says: []string{"Pinned: true, other: false"}, Guest: dt.Lived(t, dt.Plain, dt.Then(dt.Pin, func(h *dt.Host) { h.Deployments[1].Pinned = true }))},
	})
	suitetest.Run(t, "deploy/undeploy", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "stays", Want: reports.Failed, Says: []string{"2 deployments after undeploying the rollback"}, Guest: dt.Lived(t, dt.Plain, dt.Answers(dt.Undeploy, dt.Said("done")))},
		{Name: "refused", Want: reports.Failed, Says: []string{"error: no"}, Guest: dt.Lived(t, dt.Plain, dt.Refuse(dt.Undeploy, "no"))},
	})
}
