package powercut

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/probe"
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
		op.span = downloadSpan
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

// Spans on a KVM host. A download from the slow server takes longer than this,
// and is never waited for; a shutdown that writes a deployment takes finishSpan
// longer than another.
const (
	downloadSpan = 2 * time.Second
	finishSpan   = 5 * time.Second
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
	}
}

// uptimeScript prints how long the kernel has been up.
const uptimeScript = `cat /proc/uptime`

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
		if err := m.do(ctx); err != nil {
			return err
		}
		s, err := h.Status(ctx)
		if err != nil {
			return err
		}
		if next, ok := s.Pending(); ok && !next.Staged {
			return check.Skipf("%s writes an update at once: the shutdown has no part in it", h.Tool())
		}
		boot = t.BootID()
		return nil
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
	op.unseen = true
	op.length = func(ctx context.Context) (time.Duration, error) {
		boot = t.BootID()
		begun := time.Now()
		if err := op.do(ctx); err != nil {
			return 0, err
		}
		if err := op.finish(ctx); err != nil {
			return 0, err
		}
		took := time.Since(begun)
		out, err := probe.Output(ctx, t, "cat", uptimeScript)
		if err != nil {
			return 0, err
		}
		seconds, _, _ := strings.Cut(out, " ")
		up, err := strconv.ParseFloat(seconds, 64)
		if err != nil {
			return 0, fmt.Errorf("cannot read the guest's uptime %q: %w", probe.OneLine(out), err)
		}
		down := max(0, took-time.Duration(up*float64(time.Second)))
		return down + time.Duration(float64(finishSpan)*t.Scale()), nil
	}
	return survives(ctx, t, h, op)
}
