package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/harness/livedin"
	"assay/harness/machine"
	"assay/suites/check"
)

// snapshot is a guest saved in a state, from which others are forked. Its
// overlay backs theirs and is never written again.
type snapshot struct {
	state   check.State
	saved   *machine.Saved
	scratch string
	overlay string
	seed    *seed
	env     check.Env
	bootID  string
}

// states are the saved guests of a run, each made at most once.
type states struct {
	s *session
	// first is what identifies the first boot.
	first *guest.Identity

	mu   sync.Mutex
	made map[check.State]*derived
}

// derived is one state. A try that the infrastructure spoiled is made again,
// as often as anything is retried; any other error stays, and so does every one
// of state Layered, which nobody depends on.
type derived struct {
	mu    sync.Mutex
	snap  *snapshot
	err   error
	tries int
}

func newStates(s *session) *states {
	return &states{s: s, made: map[check.State]*derived{}}
}

func (st *states) slot(state check.State) *derived {
	st.mu.Lock()
	defer st.mu.Unlock()
	d, ok := st.made[state]
	if !ok {
		d = &derived{}
		st.made[state] = d
	}
	return d
}

// keep saves the first boot's guest as state Booted. A guest that cannot be
// saved is no error of the run: jobs boot guests of their own then.
func (st *states) keep(ctx context.Context, i *instance, g *guest.SSH) error {
	d := st.slot(check.Booted)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.snap, d.err = st.save(ctx, i, g, check.Booted)
	if d.err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		st.s.note("every group of checks boots its own guest: %v", d.err)
	}
	return nil
}

// save turns a running guest into a snapshot.
func (st *states) save(ctx context.Context, i *instance, g *guest.SSH, state check.State) (_ *snapshot, err error) {
	end := st.s.span("save", string(state), i.name, "saving "+i.name)
	defer func() { end(err == nil) }()
	g.Close()
	i.relay.close()
	i.relay = nil
	saved, err := i.machine.Save(ctx, filepath.Join(i.scratch, "state"))
	if err != nil {
		return nil, errors.Join(err, i.close())
	}
	snap := &snapshot{state: state, saved: saved, scratch: i.scratch, overlay: i.overlay, seed: i.seed, env: i.env, bootID: g.BootID()}
	i.machine = nil // it is in the file now
	return snap, errors.Join(i.file.Close(), i.lease.Release())
}

// get returns the snapshot of a state, deriving it when it is the first to ask.
func (st *states) get(ctx context.Context, state check.State) (*snapshot, error) {
	d := st.slot(state)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.snap != nil || d.err != nil:
		return d.snap, d.err
	case state == check.Layered: // once: whoever asks can do without
		if d.snap, d.err = st.derive(ctx, check.Layered, "layer", st.s.layerGuest); d.err != nil && !isDefinite(d.err) && ctx.Err() == nil {
			st.s.note("every check that wants layered packages layers them itself: %v", d.err)
		}
		return d.snap, d.err
	case state != check.Upgraded:
		return nil, machine.ErrForkUnavailable
	case d.tries > st.s.opt.Retries:
		return nil, fmt.Errorf("no guest could be brought into state %q in %d tries", state, d.tries)
	}
	d.tries++
	snap, err := st.upgrade(ctx)
	if isDefinite(err) {
		d.err = err
	}
	d.snap = snap
	return snap, err
}

// isDefinite reports an error that another guest of the image would not be
// spared: it has no such state, or there is nothing to upgrade to.
func isDefinite(err error) bool {
	var never *noStateError
	var none *noTreesError
	return errors.As(err, &never) || errors.As(err, &none)
}

// upgrade derives state Upgraded: a fork of Booted that was lived in, upgraded
// and rebooted.
func (st *states) upgrade(ctx context.Context) (*snapshot, error) {
	if _, err := st.s.trees.get(ctx); err != nil {
		return nil, err
	}
	return st.derive(ctx, check.Upgraded, "upgrade", st.s.upgradeGuest)
}

// derive saves a fork of Booted that was brought into a state. Guests on the way
// there are named after kind.
func (st *states) derive(ctx context.Context, state check.State, kind string, bring func(context.Context, *instance, *guest.SSH) error) (*snapshot, error) {
	from, err := st.get(ctx, check.Booted)
	if err != nil {
		return nil, err
	}
	i, g, err := st.s.enterFork(ctx, from, st.s.guestName(kind))
	if err != nil {
		return nil, err
	}
	if err := bring(ctx, i, g); err != nil {
		g.Close()
		return nil, errors.Join(err, i.close())
	}
	return st.save(ctx, i, g, state)
}

// noStateError means that a guest cannot be brought into a state, by its own
// doing: a fresh one will not do better.
type noStateError struct {
	state check.State
	err   error
}

func (e *noStateError) Error() string {
	return fmt.Sprintf("no guest can be brought into state %q: %v", e.state, e.err)
}
func (e *noStateError) Unwrap() error { return e.err }

// upgradeGuest lives in a guest, upgrades it with the tool that it prefers and
// reboots it. What the guest itself refuses or does wrong is a *noStateError.
func (s *session) upgradeGuest(ctx context.Context, i *instance, g *guest.SSH) (err error) {
	end := s.span("boot", "upgrade", i.name, "upgrading "+i.name)
	defer func() { end(err == nil) }()
	t, err := s.trees.get(ctx)
	if err != nil {
		return err
	}
	if i.env.Lived, err = livedin.Prepare(ctx, g); err != nil {
		return err
	}
	d, before, err := s.upgrader(ctx, g, t)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.upgrade(ctx, g, d, before, t); err != nil {
		if lack := s.services.lacks.since(i.name, began); lack != "" {
			return &noTreesError{errors.New(lack)}
		}
		return ofUpgrade(err)
	}
	if err := s.rebootWatched(ctx, i, g); err != nil {
		var died *guestDied
		if errors.As(err, &died) && died.isImage(s.accel) || errors.Is(err, guest.ErrRebootNotSeen) {
			return &noStateError{check.Upgraded, fmt.Errorf("the reboot into the update failed: %w", err)}
		}
		return fmt.Errorf("cannot reboot guest %s into the update: %w", i.name, err)
	}
	status, err := d.Status(ctx)
	if err != nil {
		return ofUpgrade(err)
	}
	now, err := status.Booted()
	if err != nil {
		return ofUpgrade(err)
	}
	if base := cmp.Or(now.BaseChecksum, now.Checksum); before.Image == nil && !host.SameChecksum(base, t.Newer.Commit) ||
		before.Image != nil && host.SameChecksum(now.Checksum, before.Checksum) {
		return &noStateError{check.Upgraded, fmt.Errorf("after an upgrade by %s and a reboot the booted tree is %s", d.Tool(), base)}
	}
	i.state = check.Upgraded
	return nil
}

// ofUpgrade tells the guest's own refusal of an upgrade from trouble with what
// serves it.
func ofUpgrade(err error) error {
	var refused *host.RefusedError
	var command *guest.CommandError
	switch {
	case errors.As(err, &refused) && (refused.Reason == host.Unreachable || refused.Reason == host.Busy):
		return err
	case errors.As(err, &refused), errors.As(err, &command), errors.Is(err, host.ErrNotBooted):
		return &noStateError{check.Upgraded, err}
	}
	return err
}

// upgrader is the tool that upgrades the guest, and the booted deployment as it
// tells it: bootc where that follows an image, else the first other one.
func (s *session) upgrader(ctx context.Context, g guest.Guest, t *check.Trees) (host.Driver, host.Deployment, error) {
	found, err := host.Detect(ctx, g)
	if err != nil {
		return nil, host.Deployment{}, err
	}
	if d, ok := found.Driver(host.Bootc); ok {
		booted, err := bootedOf(ctx, d)
		if err != nil {
			return nil, booted, err
		}
		switch {
		case booted.Image != nil && t.NewerImage == "":
			return nil, booted, &noTreesError{fmt.Errorf("the image follows a container image, and there is no newer one: %s", t.NoImages)}
		case booted.Image != nil:
			if why := host.WhyNoOther(*booted.Image); why != "" {
				return d, booted, &noTreesError{fmt.Errorf("the host cannot be given the update that is served: %s", why)}
			}
			return d, booted, nil
		}
	}
	for _, d := range found.Drivers {
		if d.Tool() != host.Bootc {
			booted, err := bootedOf(ctx, d)
			return d, booted, err
		}
	}
	return nil, host.Deployment{}, &noStateError{check.Upgraded, errors.New("it has no tool that can upgrade it")}
}

func bootedOf(ctx context.Context, d host.Driver) (host.Deployment, error) {
	status, err := d.Status(ctx)
	if err != nil {
		return host.Deployment{}, ofUpgrade(err)
	}
	booted, err := status.Booted()
	if err != nil {
		return booted, ofUpgrade(err)
	}
	return booted, nil
}

// upgrade makes the newer tree the next one to boot. A host that follows an
// image finds it at the harness's registry, with the newest version under its tag.
func (s *session) upgrade(ctx context.Context, g guest.Guest, d host.Driver, before host.Deployment, t *check.Trees) error {
	follow := func() error { return host.Follow(ctx, g, t.URL, t.Ref, false) }
	if before.Image != nil {
		name := withoutTag(before.Image.Name)
		follow = func() error {
			changed, err := host.AcceptUnsigned(ctx, g, *before.Image, before.Image.Name, t.FollowImage)
			for _, c := range changed {
				s.opt.Log.Info("so that the host takes what is served, "+c, "guest", g.Name())
			}
			if err != nil {
				return err
			}
			return host.FollowImage(ctx, g, name, t.FollowImage)
		}
	}
	if err := follow(); err != nil {
		return err
	}
	out, err := d.Upgrade(ctx, host.UpgradeOptions{})
	if err == nil && !out.Changed {
		err = &noStateError{check.Upgraded, fmt.Errorf("%s finds nothing to upgrade to: %.200s", d.Tool(), out.Output)}
	}
	return err
}

// rebootWatched reboots a guest of the parent's own. A guest that dies or hangs
// over it gives a *guestDied.
func (s *session) rebootWatched(ctx context.Context, i *instance, g *guest.SSH) error {
	ctx, died := context.WithCancelCause(ctx)
	defer died(nil)
	mark := i.console.Mark()
	reboots, watched := make(chan check.RebootPhase, 1), make(chan struct{})
	go func() {
		defer close(watched)
		if d := s.watch(ctx, answering{i.machine}, i.console, mark, reboots); d != nil {
			died(d)
		}
	}()
	reboots <- check.RebootBegins
	err := g.Reboot(ctx)
	var d *guestDied
	if err != nil && errors.As(context.Cause(ctx), &d) {
		err = d
	}
	died(nil)
	<-watched
	return err
}

// withoutTag is an image's name without its tag and digest.
func withoutTag(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		return name[:at]
	}
	return name
}

// enterFork forks a guest and opens a connection.
func (s *session) enterFork(ctx context.Context, from *snapshot, name string) (_ *instance, _ *guest.SSH, err error) {
	lease, err := s.room(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	end := s.span("fork", name, name, fmt.Sprintf("forking %s from %s", name, from.state))
	defer func() { end(err == nil) }()
	i, err := s.fork(ctx, from, name, lease)
	if err != nil {
		return nil, nil, err
	}
	wait, cancel := context.WithTimeout(ctx, time.Duration(connectLimit*s.scale))
	defer cancel()
	g, err := i.resume(wait)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot enter fork %s: %w", name, err), i.close())
	}
	return i, g, nil
}

// close removes every snapshot's files.
func (st *states) close() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	var errs []error
	for _, d := range st.made {
		if d.snap != nil {
			errs = append(errs, os.RemoveAll(d.snap.scratch))
		}
	}
	return errors.Join(errs...)
}
