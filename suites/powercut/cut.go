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
	"assay/suites/probe"
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
	// falls; 0 is the length of the operation, as length or a first, whole do
	// tells. Where the operation turns out to be shorter, cuts fall earlier.
	span   time.Duration
	length func(ctx context.Context) (time.Duration, error)
	// unseen is set when do ends at once and the operation goes on: a cut in it is
	// one that boots the old tree.
	unseen bool
}

// rounds is how often the power is cut in an operation that is under way,
// attempts how often it is tried.
const (
	rounds   = 2
	attempts = 5
)

// state is what must be true of the guest whatever is cut.
type state struct {
	system string   // what is-system-running said
	failed []string // units
	marks  []livedin.Mark
}

// survives cuts the power in the operation, several times, and then has it
// done to its end.
func survives(ctx context.Context, t *check.T, h deployments.Host, op operation) error {
	marks, err := livedin.Prepare(ctx, t)
	if err != nil {
		return err
	}
	system, failed, err := deployments.System(ctx, t)
	if err != nil {
		return err
	}
	want := state{system, units(failed), marks}
	span := t.Scaled(op.span)
	if span == 0 {
		if span, err = measure(ctx, t, h, op, want); err != nil {
			return err
		}
		t.Log("%s takes %s", op.name, span.Round(time.Millisecond))
	}
	seed := uint64(time.Now().UnixNano())
	t.Log("the moments are drawn with seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	underWay := 0
	for round := 1; round <= attempts && underWay < rounds; round++ {
		_, was, err := h.Booted(ctx)
		if err != nil {
			return err
		}
		if err := op.ready(ctx, was); err != nil {
			return err
		}
		moment := time.Duration(rng.Float64() * float64(span))
		took, ended, err := cut(ctx, t, op, moment)
		if err != nil {
			return err
		}
		booted, err := whole(ctx, t, h, op, was, want)
		if err != nil {
			return err
		}
		if op.unseen {
			took, ended = moment, !deployments.Same(booted, was)
		}
		if ended {
			t.Log("cut %d: %s after the start of %s, which had ended", round, moment.Round(time.Millisecond), op.name)
			span = min(span, took)
			continue
		}
		t.Log("cut %d: %s after the start of %s, which was under way", round, moment.Round(time.Millisecond), op.name)
		underWay++
	}
	if underWay == 0 {
		return check.Infraf("the power was cut %d times, and never while %s was under way", attempts, op.name)
	}
	return again(ctx, t, h, op, want)
}

// measure is the length of the operation. It ends in a power cut, too: right
// after the operation's end.
func measure(ctx context.Context, t *check.T, h deployments.Host, op operation, want state) (time.Duration, error) {
	if op.length != nil {
		return op.length(ctx)
	}
	_, was, err := h.Booted(ctx)
	if err != nil {
		return 0, err
	}
	if err := op.ready(ctx, was); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := op.do(ctx); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	if err := powerCut(ctx, t); err != nil {
		return 0, err
	}
	_, err = whole(ctx, t, h, op, was, want)
	return took, err
}

// cut starts the operation and cuts the power at the moment. It tells whether
// the operation had ended by then, and after what time.
func cut(ctx context.Context, t *check.T, op operation, moment time.Duration) (took time.Duration, ended bool, err error) {
	doing, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	begun := time.Now()
	go func() { done <- op.do(doing) }()
	timer := time.NewTimer(moment)
	defer timer.Stop()
	for waiting := true; waiting; {
		select {
		case err := <-done:
			if err != nil {
				return 0, false, err
			}
			took, ended, done = time.Since(begun), true, nil
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			stop()
			if done != nil {
				<-done
			}
			return 0, false, context.Cause(ctx)
		}
	}
	err = powerCut(ctx, t)
	stop()
	if done != nil {
		// It lost its guest: whatever it says now is no news.
		<-done
	}
	return took, ended, err
}

func powerCut(ctx context.Context, t *check.T) error {
	err := t.PowerCut(ctx)
	if errors.Is(err, guest.ErrNoPower) {
		return check.Skipf("the guest's power cannot be cut")
	}
	return err
}

// units are the names in a list of failed units.
func units(list string) (names []string) {
	for _, l := range probe.Lines(list) {
		names = append(names, strings.Fields(l)[0])
	}
	return names
}

// whole wants the guest to be as a host is that lost its power in op: up, in
// the old tree or the new one, with what its users did.
func whole(ctx context.Context, t *check.T, h deployments.Host, op operation, was host.Deployment, want state) (booted host.Deployment, err error) {
	system, list, err := deployments.System(ctx, t)
	if err != nil {
		return booted, err
	}
	failed := slices.DeleteFunc(units(list), func(u string) bool { return slices.Contains(want.failed, u) })
	switch {
	case len(failed) > 0:
		return booted, check.FailWith(list, "after a power cut in %s the system is %q, and was %q before: %s failed", op.name, system, want.system, probe.Some(failed))
	case system != "running" && system != want.system:
		return booted, check.FailWith(list, "after a power cut in %s the system is %q, and was %q before", op.name, system, want.system)
	}
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return booted, err
	}
	if !deployments.Same(booted, was) && !op.done(booted) {
		return booted, check.FailWith(deployments.List(s), "after a power cut in %s the system booted %s, which is neither the old nor the new tree", op.name, deployments.Describe(booted))
	}
	marks, err := livedin.Left(ctx, t)
	if err != nil {
		return booted, err
	}
	var lost []string
	for _, m := range want.marks {
		if !slices.Contains(marks, m) {
			lost = append(lost, string(m))
		}
	}
	if len(lost) > 0 {
		return booted, check.Failf("after a power cut in %s what users did before is gone: %s", op.name, strings.Join(lost, ", "))
	}
	return booted, nil
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
	if _, err := whole(ctx, t, h, op, was, want); err != nil {
		return err
	}
	return sound(ctx, t)
}

// sound verifies the host's ostree repository, where there is one that can be judged.
func sound(ctx context.Context, t *check.T) error {
	err := deployments.Sound(ctx, t)
	if check.Skips(err) {
		t.Log("the repository was not verified: %v", err)
		return nil
	}
	return err
}
