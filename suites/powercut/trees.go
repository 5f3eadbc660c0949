package powercut

import (
	"context"
	"errors"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

var _ = check.Register(suite, check.Check{
	Name: "download", Title: "a power cut in the download of an update leaves a host that boots, is whole and can be upgraded",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: limit,
	Run: deployments.FromRepo(func(ctx context.Context, t *check.T, h deployments.Host) error {
		trees, err := deployments.Trees(t)
		if err != nil {
			return err
		}
		m := &move{h: h, first: h.Newer()}
		op := m.operation("an upgrade")
		op.ready = func(ctx context.Context, was host.Deployment) error {
			if err := m.aim(was); err != nil {
				return err
			}
			return h.FollowAt(ctx, trees.Slow+"repo", false)
		}
		op.mend = h.Follow
		return survives(ctx, t, h, op)
	}),
}, check.Check{
	Name: "upgrade", Title: "a power cut while an update is staged leaves a host that boots, is whole and can be upgraded",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: limit,
	Run: deployments.With(func(ctx context.Context, t *check.T, h deployments.Host) error {
		if _, err := deployments.Trees(t); err != nil {
			return err
		}
		m := &move{h: h, first: h.Newer()}
		return survives(ctx, t, h, m.operation("an upgrade"))
	}),
}, check.Check{
	Name: "shutdown", Title: "a power cut in the shutdown that makes an update the tree to boot leaves a host that boots, is whole and can be upgraded",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: limit,
	Run: deployments.With(shutdown),
}, check.Check{
	Name: "deploy", Title: "a power cut while another version is deployed leaves a host that boots, is whole and can deploy it",
	Isolated: true, NeedsTrees: true, Labels: []string{"reboot", "slow"}, Limit: limit,
	Run: deployments.With(func(ctx context.Context, t *check.T, h deployments.Host) error {
		older, err := h.Older(0)
		if err != nil {
			return err
		}
		m := &move{h: h, first: older}
		return survives(ctx, t, h, m.operation("a deployment of another version"))
	}),
})

// limit is for all rounds, their boots and the repository's check, on a KVM host.
const limit = 30 * time.Minute

// Spans in which cuts fall, on a KVM host. An upgrade from a server beside the
// guest took 17 s under emulation, ten times slower.
const (
	changeSpan   = 2 * time.Second
	shutdownSpan = 5 * time.Second
)

// move is the change to a tree that is not the booted one.
type move struct {
	h      deployments.Host
	first  check.Tree // the tree it is about
	target check.Tree
}

// aim takes the tree that the move is about, or where that is booted already,
// another.
func (m *move) aim(was host.Deployment) error {
	m.target = m.first
	if !deployments.Is(was, m.target) {
		return nil
	}
	m.target = m.h.Newer()
	if deployments.Is(was, m.target) {
		older, err := m.h.Older(0)
		if err != nil {
			return err
		}
		m.target = older
	}
	return nil
}

// do makes the tree the next to boot, as users do: the newest by an upgrade.
func (m *move) do(ctx context.Context) error {
	if m.target != m.h.Newer() {
		return m.h.SetTo(ctx, m.target)
	}
	return m.h.Advance(ctx)
}

func (m *move) operation(name string) operation {
	return operation{
		name: name,
		ready: func(ctx context.Context, was host.Deployment) error {
			if err := m.aim(was); err != nil {
				return err
			}
			return m.h.Follow(ctx)
		},
		do:   m.do,
		done: func(d host.Deployment) bool { return deployments.Is(d, m.target) },
		span: changeSpan,
	}
}

// shutdown makes a tree the next to boot and cuts the power in the reboot.
func shutdown(ctx context.Context, t *check.T, h deployments.Host) error {
	if _, err := deployments.Trees(t); err != nil {
		return err
	}
	m := &move{h: h, first: h.Newer()}
	op := m.operation("the shutdown after an upgrade")
	boot := ""
	ready := op.ready
	op.ready = func(ctx context.Context, was host.Deployment) error {
		if err := ready(ctx, was); err != nil {
			return err
		}
		boot = t.BootID()
		return m.do(ctx)
	}
	op.do = func(ctx context.Context) error {
		_, err := guest.Ask(ctx, t, "systemctl", "--no-block", "reboot")
		var lost *guest.TransportError
		if errors.As(err, &lost) && ctx.Err() == nil {
			return nil // the guest went down before it could answer
		}
		return err
	}
	op.finish = func(ctx context.Context) error { return t.AwaitReboot(ctx, boot) }
	op.span = shutdownSpan
	return survives(ctx, t, h, op)
}
