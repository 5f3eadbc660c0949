package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
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

// upgrade derives state Upgraded: a fork of Booted that was upgraded to the
// update tree and rebooted into it.
func (st *states) upgrade(ctx context.Context) (_ *snapshot, err error) {
	s := st.s
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

// upgradeGuest upgrades a guest to the update tree and reboots it.
func (s *session) upgradeGuest(ctx context.Context, i *instance, g *guest.SSH) (err error) {
	end := s.span("boot", "upgrade", i.name, "upgrading "+i.name)
	defer func() { end(err == nil) }()
	if s.opt.UpdateRepo == "" {
		return errors.New("cannot upgrade a guest: no update tree was given (--update-repo, --update-ref)")
	}
	if err := host.Upgrade(ctx, g, s.services.updatesURL(), s.opt.UpdateRef); err != nil {
		return fmt.Errorf("cannot upgrade guest %s: %w", i.name, err)
	}
	if err := g.Reboot(ctx); err != nil {
		return fmt.Errorf("cannot reboot guest %s into the update: %w", i.name, err)
	}
	f, err := guest.ReadFacts(ctx, g)
	if err != nil {
		return err
	}
	i.env.NewTree = &check.Tree{Ref: s.opt.UpdateRef, Commit: f.OSTreeCommit, Version: f.OSTreeVersion}
	i.state = check.Upgraded
	return nil
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
