package guest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of a reboot on a KVM host. Going down may take the 90 s that systemd
// gives a unit to stop (DefaultTimeoutStopSec), whatever the host's speed.
const (
	goDownLimit = 30 * time.Second
	stopUnit    = 90 * time.Second
	comeUpLimit = 2 * time.Minute
)

// Reboot asks for an orderly reboot and waits for the next boot's end. A guest
// that stays in its boot gives ErrRebootNotSeen; one that goes down and does
// not come back gives a *NotReadyError; both wrapped in a TransportError.
func (s *SSH) Reboot(ctx context.Context) error {
	_, err := s.RebootReady(ctx, nil)
	return err
}

// RebootReady is Reboot that also tells how the new boot went.
func (s *SSH) RebootReady(ctx context.Context, obs Observer) (Readiness, error) {
	leave, err := s.enter()
	if err != nil {
		return Readiness{}, s.transport("reboot", err)
	}
	defer leave()
	was := s.BootID()
	l, err := s.connection(ctx)
	if err != nil {
		return Readiness{}, s.transport("reboot", err)
	}
	prefix, err := s.as(ctx, l, "")
	if err != nil {
		return Readiness{}, s.transport("reboot", err)
	}
	down, cancelDown := context.WithTimeoutCause(ctx, s.downLimit, ErrRebootNotSeen)
	defer cancelDown()
	if err := s.orderReboot(down, l, prefix); err != nil {
		return Readiness{}, s.transport("reboot", err)
	}
	if err := s.awaitDown(down, l); err != nil {
		return Readiness{}, s.transport("reboot", err)
	}
	up, cancelUp := context.WithTimeoutCause(ctx, s.upLimit,
		fmt.Errorf("the guest did not come back within %s", s.upLimit.Round(time.Second)))
	defer cancelUp()
	ready, err := s.rejoin(up, obs, was)
	if errors.Is(err, errOldBoot) {
		err = s.transport("reboot", fmt.Errorf("%w: boot id is still %s", ErrRebootNotSeen, was))
	}
	return ready, err
}

// AwaitReboot waits for another boot than was, or for any if that is empty. A
// guest that stays in that boot gives ErrRebootNotSeen, as Reboot does.
func (s *SSH) AwaitReboot(ctx context.Context, was string) error {
	limit := s.downLimit + s.upLimit
	wait, cancel := context.WithTimeoutCause(ctx, limit,
		fmt.Errorf("the guest did not come back within %s", limit.Round(time.Second)))
	defer cancel()
	_, err := s.rejoin(wait, nil, was)
	if errors.Is(err, errOldBoot) {
		err = s.transport("await a reboot", fmt.Errorf("%w: boot id is still %s", ErrRebootNotSeen, was))
	}
	return err
}

// PowerCut resets the machine and waits for the end of the next boot. Commands
// that run meanwhile end with a TransportError.
func (s *SSH) PowerCut(ctx context.Context) error {
	if s.cfg.PowerCut == nil {
		return s.transport("cut the power", ErrNoPower)
	}
	was := s.BootID()
	if err := s.cfg.PowerCut(ctx); err != nil {
		return s.transport("cut the power", err)
	}
	up, cancel := context.WithTimeoutCause(ctx, s.upLimit,
		fmt.Errorf("the guest did not come back within %s", s.upLimit.Round(time.Second)))
	defer cancel()
	_, err := s.rejoin(up, nil, was)
	return err
}

// orderReboot gives the order. Its answer may be lost: the connection may go first.
func (s *SSH) orderReboot(ctx context.Context, l *link, prefix []string) error {
	line := "systemctl reboot"
	if len(prefix) > 0 {
		line = "sudo -n -- systemctl reboot"
	}
	r, err := s.raw(ctx, l, line, s.scaled(DefaultLimit))
	if err == nil && r.Exit == 127 || err == nil && !r.OK() && s.noManager(ctx, l) {
		line = "reboot"
		if len(prefix) > 0 {
			line = "sudo -n -- reboot"
		}
		r, err = s.raw(ctx, l, line, s.scaled(DefaultLimit))
	}
	// A manager that kills everything at once kills the order's command too; a
	// shell in between makes 128 and more of the signal.
	killed := r.Signal != "" || r.Exit > 128
	switch {
	case err == nil && !r.OK() && !killed:
		select {
		case <-l.dead:
			return nil
		default:
			return fmt.Errorf("%q failed (exit %d): %s", line, r.Exit, r.Said())
		}
	case errors.Is(err, errNoSession), ctx.Err() != nil:
		return err
	}
	// Started and unanswered: whether it goes down is seen next.
	return nil
}

// noManager reports a guest that systemd does not run.
func (s *SSH) noManager(ctx context.Context, l *link) bool {
	r, err := s.raw(ctx, l, "[ ! -d /run/systemd/system ]", s.scaled(DefaultLimit))
	return err == nil && r.OK()
}

// awaitDown waits until the connection breaks or no SSH server answers any
// more. A guest that goes down at once says no goodbye: then its silence on the
// old connection shows late, new connections that fail show it soon. Whether
// the guest really left its boot is for the boot id to say.
func (s *SSH) awaitDown(ctx context.Context, l *link) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for failed := 0; failed < 2; {
		select {
		case <-l.dead:
			return nil
		case <-ctx.Done():
			if cause := context.Cause(ctx); errors.Is(cause, ErrRebootNotSeen) {
				return cause
			}
			return ended(ctx)
		case <-tick.C:
		}
		_, c, err := s.dialBanner(ctx)
		switch {
		case err == nil:
			_ = c.Close() // its banner was all
			failed = 0
		case !over(ctx):
			failed++
		}
	}
	return nil
}
