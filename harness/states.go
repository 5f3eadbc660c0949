package harness

import (
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
}

// states are the saved guests of a run, each made at most once.
type states struct {
	s *session
	// first is what identifies the first boot.
	first *guest.Identity

	mu   sync.Mutex
	made map[check.State]*derived
}

type derived struct {
	once sync.Once
	snap *snapshot
	err  error
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
	d.once.Do(func() { d.snap, d.err = st.save(ctx, i, g, check.Booted) })
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
	snap := &snapshot{state: state, saved: saved, scratch: i.scratch, overlay: i.overlay, seed: i.seed, env: i.env}
	i.machine = nil // it is in the file now
	return snap, errors.Join(i.file.Close(), i.lease.Release())
}

// get returns the snapshot of a state, deriving it when it is the first to ask.
func (st *states) get(ctx context.Context, state check.State) (*snapshot, error) {
	d := st.slot(state)
	d.once.Do(func() {
		switch state {
		case check.Upgraded:
			d.snap, d.err = st.upgrade(ctx)
		default:
			d.err = machine.ErrForkUnavailable
		}
	})
	return d.snap, d.err
}

// upgrade derives state Upgraded: a fork of Booted that was lived in, upgraded
// and rebooted.
func (st *states) upgrade(ctx context.Context) (_ *snapshot, err error) {
	s := st.s
	if _, err := s.trees.get(ctx); err != nil {
		return nil, err
	}
	from, err := st.get(ctx, check.Booted)
	if err != nil {
		return nil, err
	}
	i, g, err := s.enterFork(ctx, from, s.guestName("upgrade"))
	if err != nil {
		return nil, err
	}
	if err := s.upgradeGuest(ctx, i, g); err != nil {
		g.Close()
		return nil, errors.Join(err, i.close())
	}
	return st.save(ctx, i, g, check.Upgraded)
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
// reboots it.
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
	tool, err := s.upgrade(ctx, g, t)
	var refused *host.RefusedError
	var command *guest.CommandError
	var never *noStateError
	switch {
	case errors.As(err, &never):
		return err
	case errors.As(err, &refused), errors.As(err, &command):
		return &noStateError{check.Upgraded, err}
	case err != nil:
		return fmt.Errorf("cannot upgrade guest %s: %w", i.name, err)
	}
	if err := g.Reboot(ctx); err != nil {
		return fmt.Errorf("cannot reboot guest %s into the update: %w", i.name, err)
	}
	f, err := guest.ReadFacts(ctx, g)
	if err != nil {
		return err
	}
	if t.NewerImage == "" && f.OSTreeCommit != t.Newer.Commit {
		return &noStateError{check.Upgraded, fmt.Errorf("after an upgrade by %s to %s and a reboot the booted tree is %s", tool, t.Newer.Commit, f.OSTreeCommit)}
	}
	i.state = check.Upgraded
	return nil
}

// upgrade makes the newer tree the next one to boot, with the tool that the
// guest prefers.
func (s *session) upgrade(ctx context.Context, g guest.Guest, t *check.Trees) (host.Tool, error) {
	found, err := host.Detect(ctx, g)
	if err != nil {
		return "", err
	}
	for _, d := range found.Drivers {
		if d.Tool() == host.Bootc {
			if t.NewerImage == "" {
				continue // it follows images, and there is none
			}
			return d.Tool(), s.upgradeImage(ctx, g, d, t)
		}
		if err := host.Follow(ctx, g, t.URL, t.Ref, false); err != nil {
			return d.Tool(), err
		}
		return d.Tool(), upgradeNow(ctx, d)
	}
	return "", &noStateError{check.Upgraded, errors.New("it has no tool that can upgrade it")}
}

// upgradeImage upgrades a host that follows an image: what it follows is found
// at the harness's registry, with the newest version under its tag.
func (s *session) upgradeImage(ctx context.Context, g guest.Guest, d host.Driver, t *check.Trees) error {
	status, err := d.Status(ctx)
	if err != nil {
		return err
	}
	booted, err := status.Booted()
	if err != nil || booted.Image == nil {
		return errors.Join(&noStateError{check.Upgraded, fmt.Errorf("%s does not tell which image it follows", d.Tool())}, err)
	}
	if err := host.FollowImage(ctx, g, withoutTag(booted.Image.Name), t.ImageName); err != nil {
		return err
	}
	return upgradeNow(ctx, d)
}

// withoutTag is an image's name without its tag and digest.
func withoutTag(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if at := strings.LastIndexByte(name, ':'); at > strings.LastIndexByte(name, '/') {
		return name[:at]
	}
	return name
}

func upgradeNow(ctx context.Context, d host.Driver) error {
	out, err := d.Upgrade(ctx, host.UpgradeOptions{})
	if err == nil && !out.Changed {
		err = &noStateError{check.Upgraded, fmt.Errorf("%s finds nothing to upgrade to: %.200s", d.Tool(), out.Output)}
	}
	return err
}

// enterFork forks a guest, opens a connection and sets its clock, which
// stopped while it was saved.
func (s *session) enterFork(ctx context.Context, from *snapshot, name string) (_ *instance, _ *guest.SSH, err error) {
	end := s.span("fork", name, name, fmt.Sprintf("forking %s from %s", name, from.state))
	defer func() { end(err == nil) }()
	i, err := s.fork(ctx, from, name)
	if err != nil {
		return nil, nil, err
	}
	wait, cancel := context.WithTimeout(ctx, time.Duration(connectLimit*s.scale))
	defer cancel()
	g, _, err := i.enter(wait, nil)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot enter fork %s: %w", name, err), i.close())
	}
	if err := guest.SetClock(ctx, g, time.Now()); err != nil {
		g.Close()
		return nil, nil, errors.Join(err, i.close())
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
