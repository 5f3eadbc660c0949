package deploymentstest

import (
	"slices"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/suites/check"
)

// Tools of the hosts that tests play.
var (
	Fedora = []host.Tool{host.RPMOSTree, host.AtomicHost, host.OSTree}
	Plain  = []host.Tool{host.OSTree}
	Images = []host.Tool{host.Bootc, host.OSTree}
	// Mixed follows an image unless FollowsRepository changes it.
	Mixed = []host.Tool{host.RPMOSTree, host.Bootc, host.OSTree}
)

// Change makes a healthy host another.
type Change func(h *Host, env *check.Env)

// Guest is the plan of a suitetest.Case.
type Guest = func(*guesttest.Fake, *check.Env)

// Fresh plans a host that was just installed, with changes.
func Fresh(t *testing.T, tools []host.Tool, changes ...Change) Guest {
	return plan(t, New, tools, changes)
}

// Lived is Fresh for a host that was lived in and upgraded.
func Lived(t *testing.T, tools []host.Tool, changes ...Change) Guest {
	return plan(t, Upgraded, tools, changes)
}

func plan(t *testing.T, host func(testing.TB, *guesttest.Fake, *check.Env, ...host.Tool) *Host, tools []host.Tool, changes []Change) Guest {
	return func(g *guesttest.Fake, env *check.Env) {
		h := host(t, g, env, tools...)
		for _, c := range changes {
			c(h, env)
		}
	}
}

// Refuse has the tool refuse an operation.
func Refuse(op Op, said string) Change {
	return func(h *Host, _ *check.Env) { h.Answer = Refuses(op, said) }
}

// Answers has the tool answer an operation and do nothing.
func Answers(op Op, r guest.Result) Change {
	return func(h *Host, _ *check.Env) {
		h.Answer = func(asked Op, _ string) *guest.Result {
			if asked == op {
				return &r
			}
			return nil
		}
	}
}

// Then does something each time an operation is done.
func Then(op Op, do func(h *Host)) Change {
	return func(h *Host, _ *check.Env) {
		h.After = func(done Op) {
			if done == op {
				do(h)
			}
		}
	}
}

// FollowsRepository makes the deployments of a host with bootc those of a repository.
func FollowsRepository(h *Host, _ *check.Env) {
	for i, d := range h.Deployments {
		h.Deployments[i].Image, h.Deployments[i].Origin = nil, "assay:"+h.Trees.Ref
		h.Deployments[i].BaseChecksum = d.Checksum
	}
}

// NoTrees serves none.
func NoTrees(_ *Host, env *check.Env) { env.Trees, env.NoTrees = nil, "the image is no ostree host" }

// Stays boots the deployment again that is second now.
func Stays(h *Host) {
	slices.Reverse(h.Deployments)
	for i := range h.Deployments {
		h.Deployments[i].Booted = i == 0
	}
}
