package powercut

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/harness/livedin"
	"assay/suites/check"
	"assay/suites/deployments"
)

// operation is what the power is cut in.
type operation struct {
	// name is what it is called in a message: "an upgrade".
	name string
	// ready prepares it, before each cut; was is the booted deployment.
	ready func(ctx context.Context, was host.Deployment) error
	// do is the operation. It may end before the cut.
	do func(ctx context.Context) error
	// done reports whether the booted deployment is what the operation leads to.
	done func(booted host.Deployment) bool
	// mend, when set, comes between ready and the do that is not cut.
	mend func(ctx context.Context) error
	// finish, when set, completes the do that is not cut; else a reboot does.
	finish func(ctx context.Context) error
	// span is the time, from the start of do and on a KVM host, in which the cut
	// falls.
	span time.Duration
}

// rounds is how often the power is cut in one check.
const rounds = 2

// state is what must be true of the guest whatever is cut.
type state struct {
	system string // what is-system-running said
	marks  []livedin.Mark
}

// survives cuts the power in the operation, several times, and then has it
// done to its end.
func survives(ctx context.Context, t *check.T, h deployments.Host, op operation) error {
	marks, err := livedin.Prepare(ctx, t)
	if err != nil {
		return err
	}
	system, _, err := deployments.System(ctx, t)
	if err != nil {
		return err
	}
	want := state{system, marks}
	seed := uint64(time.Now().UnixNano())
	t.Log("the moments are drawn with seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := 1; round <= rounds; round++ {
		_, was, err := h.Booted(ctx)
		if err != nil {
			return err
		}
		if err := op.ready(ctx, was); err != nil {
			return err
		}
		moment := time.Duration(rng.Float64() * float64(op.span) * t.Scale())
		ended, err := cut(ctx, t, op, moment)
		if err != nil {
			return err
		}
		t.Log("cut %d: %s after the start of %s, which %s", round, moment.Round(time.Millisecond), op.name, ended)
		if err := whole(ctx, t, h, op, was, want); err != nil {
			return err
		}
	}
	return again(ctx, t, h, op, want)
}

// cut starts the operation and cuts the power at the moment. It tells whether
// the operation had ended by then.
func cut(ctx context.Context, t *check.T, op operation, moment time.Duration) (ended string, err error) {
	doing, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- op.do(doing) }()
	timer := time.NewTimer(moment)
	defer timer.Stop()
	ended = "was under way"
	for waiting := true; waiting; {
		select {
		case err := <-done:
			if err != nil {
				return "", err
			}
			ended, done = "had ended", nil
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			stop()
			if done != nil {
				<-done
			}
			return "", context.Cause(ctx)
		}
	}
	err = t.PowerCut(ctx)
	stop()
	if done != nil {
		// It lost its guest: whatever it says now is no news.
		<-done
	}
	if errors.Is(err, guest.ErrNoPower) {
		return "", check.Skipf("the guest's power cannot be cut")
	}
	return ended, err
}

// whole wants the guest to be as a host is that lost its power in op: up, in
// the old tree or the new one, with what its users did.
func whole(ctx context.Context, t *check.T, h deployments.Host, op operation, was host.Deployment, want state) error {
	system, units, err := deployments.System(ctx, t)
	if err != nil {
		return err
	}
	if system != "running" && system != want.system {
		return check.FailWith(units, "after a power cut in %s the system is %q, and was %q before", op.name, system, want.system)
	}
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if !deployments.Same(booted, was) && !op.done(booted) {
		return check.FailWith(deployments.List(s), "after a power cut in %s the system booted %s, which is neither the old nor the new tree", op.name, deployments.Describe(booted))
	}
	marks, err := livedin.Left(ctx, t)
	if err != nil {
		return err
	}
	var lost []string
	for _, m := range want.marks {
		if !slices.Contains(marks, m) {
			lost = append(lost, string(m))
		}
	}
	if len(lost) > 0 {
		return check.Failf("after a power cut in %s what users did before is gone: %s", op.name, strings.Join(lost, ", "))
	}
	return nil
}

// again wants the operation to work after all cuts, and the repository to be sound.
func again(ctx context.Context, t *check.T, h deployments.Host, op operation, want state) error {
	_, was, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if err := op.ready(ctx, was); err != nil {
		return err
	}
	if op.mend != nil {
		if err := op.mend(ctx); err != nil {
			return err
		}
	}
	if err := op.do(ctx); err != nil {
		return err
	}
	if op.finish != nil {
		if err := op.finish(ctx); err != nil {
			return err
		}
	} else if err := h.Reboot(ctx); err != nil {
		return err
	}
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	if !op.done(booted) {
		return check.FailWith(deployments.List(s), "%s that is done again after power cuts boots %s, which is not the new tree", op.name, deployments.Describe(booted))
	}
	if err := whole(ctx, t, h, op, was, want); err != nil {
		return err
	}
	return sound(ctx, t)
}

// sound verifies the host's ostree repository, where there is one.
func sound(ctx context.Context, t *check.T) error {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return err
	}
	if _, ok := found.Driver(host.OSTree); !ok {
		t.Log("the host has no ostree to verify its repository with")
		return nil
	}
	err = host.Fsck(ctx, t)
	var refused *host.RefusedError
	if errors.As(err, &refused) {
		return check.FailWith(deployments.Said(refused), "ostree fsck finds the repository damaged after power cuts: %s", refused.Said())
	}
	return err
}
