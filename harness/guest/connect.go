package guest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// RestartedError means that the guest booted again although nobody asked it to
// with Reboot: it crashed, or a command rebooted it. It stays until Reconnect.
type RestartedError struct {
	// Was and Is are boot ids.
	Was, Is string
}

func (e *RestartedError) Error() string {
	return fmt.Sprintf("the guest restarted by itself (boot id was %s, now %s)", e.Was, e.Is)
}

// connection is the guest's connection; one that broke is made again.
func (s *SSH) connection(ctx context.Context) (*link, error) {
	select {
	case s.connecting <- struct{}{}:
		defer func() { <-s.connecting }()
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	if s.base.Err() != nil {
		return nil, errClosed
	}
	s.mu.Lock()
	l, lost := s.link, s.lost
	s.mu.Unlock()
	if l != nil {
		select {
		case <-l.dead:
		default:
			return l, nil
		}
	}
	var again *RestartedError
	if errors.As(lost, &again) {
		return nil, lost
	}
	// sshd may be restarting, or the guest may be gone. Once it was found gone,
	// later commands do not wait for it again, only have a look.
	limit := 10*time.Second + s.scaled(3*time.Second)
	if lost != nil {
		limit = dialLimit
	}
	fresh, err := s.again(ctx, limit)
	if err == nil {
		return fresh, nil
	}
	if l != nil && lost == nil {
		err = fmt.Errorf("%w; before that: %w", err, l.why)
	}
	if ctx.Err() == nil {
		s.mu.Lock()
		s.lost = err
		s.mu.Unlock()
	}
	return nil, err
}

// again connects once more to the same boot, within limit.
func (s *SSH) again(ctx context.Context, limit time.Duration) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the guest did not come back within %s", limit.Round(time.Second)))
	defer cancel()
	w := &wait{s: s, start: time.Now(), last: map[Stage]error{}, stage: StageNoAnswer}
	l, err := w.connect(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.raw(ctx, l, "cat /proc/sys/kernel/random/boot_id", endless)
	if err != nil {
		l.close(err)
		return nil, err
	}
	if was := s.BootID(); bootIDOf(r) != was {
		err := &RestartedError{Was: was, Is: bootIDOf(r)}
		l.close(err)
		return nil, err
	}
	s.adopt(l, bootIDOf(r))
	return l, nil
}

// Reconnect waits for a guest that the harness reset, restored or cut from the
// network, as Await does, and takes over whatever boot it finds. ctx bounds it.
func (s *SSH) Reconnect(ctx context.Context, obs Observer) (Readiness, error) {
	return s.rejoin(ctx, obs, "")
}

// rejoin drops the connection and waits for a boot other than notBoot.
func (s *SSH) rejoin(ctx context.Context, obs Observer, notBoot string) (Readiness, error) {
	leave, err := s.enter()
	if err != nil {
		return Readiness{}, s.transport("reconnect", err)
	}
	defer leave()
	select {
	case s.connecting <- struct{}{}:
		defer func() { <-s.connecting }()
	case <-ctx.Done():
		return Readiness{}, s.transport("reconnect", ended(ctx))
	}
	s.mu.Lock()
	l := s.link
	s.link = nil
	s.mu.Unlock()
	if l != nil {
		l.close(errors.New("the connection was dropped to make a new one"))
	}
	w := &wait{s: s, obs: obs, notBoot: notBoot}
	if err := w.run(ctx); err != nil {
		return w.ready, s.transport("reconnect", err)
	}
	return w.ready, nil
}
