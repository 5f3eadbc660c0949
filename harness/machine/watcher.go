package machine

import (
	"context"
	"log/slog"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// watcher listens to lifecycle events on a connection of its own.
//
// Ending a subscription of go-libvirt can dead-lock its connection (issue 191
// there), so none is ever cancelled: the connection is closed instead.
type watcher struct {
	stop context.CancelFunc
	done chan struct{}
}

// startWatcher returns once events are being listened to. stopped and resync
// are called from one goroutine and must not block.
func startWatcher(ctx context.Context, at endpoint, stopped func(libvirt.UUID, libvirt.DomainEventStoppedDetailType), resync func(), log *slog.Logger) (*watcher, error) {
	c, events, err := subscribe(ctx, at)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &watcher{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			drain(run, c, events, stopped)
			if run.Err() != nil {
				return
			}
			log.Warn("lost the connection to libvirt; connecting again")
			if c, events = resubscribe(run, at); c == nil {
				return
			}
			resync()
		}
	}()
	return w, nil
}

func (w *watcher) close() {
	w.stop()
	<-w.done
}

// drain passes events on until the connection is lost or ctx ends; it leaves
// the connection closed.
func drain(ctx context.Context, c *connection, events <-chan libvirt.DomainEventLifecycleMsg, stopped func(libvirt.UUID, libvirt.DomainEventStoppedDetailType)) {
	unhook := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer unhook()
	for e := range events {
		if libvirt.DomainEventType(e.Event) == libvirt.DomainEventStopped {
			stopped(e.Dom.UUID, libvirt.DomainEventStoppedDetailType(e.Detail))
		}
	}
	c.close()
}

func subscribe(ctx context.Context, at endpoint) (*connection, <-chan libvirt.DomainEventLifecycleMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	c, err := connectOnce(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	unhook := context.AfterFunc(ctx, func() { c.raw.Close() })
	events, err := c.libvirt.LifecycleEvents(context.WithoutCancel(ctx))
	if !unhook() || err != nil {
		c.close()
		if events != nil {
			for range events {
			}
		}
		if ctx.Err() != nil {
			err = &DeadlineError{Call: "ConnectDomainEventCallbackRegisterAny", Limit: connectLimit}
		}
		return nil, nil, err
	}
	return c, events, nil
}

// resubscribe tries until it succeeds or ctx ends (then the connection is nil).
func resubscribe(ctx context.Context, at endpoint) (*connection, <-chan libvirt.DomainEventLifecycleMsg) {
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if c, events, err := subscribe(ctx, at); err == nil {
			return c, events
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(wait):
		}
	}
}
