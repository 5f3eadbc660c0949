package rollback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/deployments"
)

// moreBoots is how many boots more than the promised tries are no failure:
// greenboot-rs tries once more than it is told, the last boot is of the tree of
// before, and either may be cut short and done again.
const moreBoots = 5

// tryTakes is how long a try may take on a KVM host.
const tryTakes = 2 * time.Minute

// unseenWaits is how many waits for a reboot in succession, each of them long
// enough for several boots, may end with nobody let in.
const unseenWaits = 2

// goOn is how long a system that has ended a bad boot may stay in it: the
// health check was part of that boot, and what follows from it is under way. A
// unit may take 90 seconds to stop, whatever the host's speed.
const (
	goOn     = time.Minute
	stopUnit = 90 * time.Second
)

// fallsBack waits until the system, by reboots of its own, is back in the tree
// that was booted, and wants it to have tried the other.
func fallsBack(ctx context.Context, t *check.T, h deployments.Host, from string, was host.Deployment, tries int) error {
	boot, ended := from, false // the boot to be left, and whether it has come to its end
	bad, unseen := false, 0
	seen := map[string]bool{} // boots
	for {
		last, known, short := len(seen) >= tries+moreBoots, len(seen), ended
		ended = false
		err := awaitReboot(ctx, t, boot, short)
		came, stays := err == nil, errors.Is(err, guest.ErrRebootNotSeen)
		if stays && boot == from {
			return check.Failf("the system does not go down when it is told to reboot into an update")
		}
		var notReady *guest.NotReadyError
		if errors.As(err, &notReady) {
			for _, id := range notReady.Boots {
				seen[id] = true
			}
		}
		if came {
			boot = t.BootID()
			seen[boot] = true
		}
		var s host.Status
		var booted host.Deployment
		if came || stays {
			s, booted, err = h.Booted(ctx)
		}
		tooMany := check.Failf("the system rebooted %d times by itself since it was told to boot an update that its own health check finds bad, and does not fall back to %s",
			len(seen), deployments.Describe(was))
		if err != nil {
			ended = isGoingDown(err)
			if ctx.Err() != nil || !ended && !isUnanswered(err) || ended && stays {
				return err
			}
			t.Log("in %d boots, cannot tell in which tree the system is: %v", len(seen), err)
			switch grown := len(seen) > known; {
			case grown && last:
				return tooMany
			case grown, came:
				unseen = 0
			case !short: // a short wait ends before the next boot, too
				if unseen++; unseen > unseenWaits {
					return err
				}
			}
			continue
		}
		t.Log("in %d boots: %s", len(seen), deployments.Describe(booted))
		switch {
		case deployments.Same(booted, was) && bad:
			return nil
		case deployments.Same(booted, was):
			return tried(ctx, t, s, from)
		case stays:
			return check.FailWith(deployments.List(s), "the system stays in an update that its own health check finds bad, and does not fall back to %s", deployments.Describe(was))
		case last:
			return tooMany
		}
		ended, bad, unseen = true, true, 0
	}
}

// isUnanswered reports that a system could not be reached in time, or no more.
func isUnanswered(err error) bool {
	var lost *guest.TransportError
	var notReady *guest.NotReadyError
	return errors.As(err, &lost) || errors.As(err, &notReady)
}

// isGoingDown reports an answer that a system may give as it goes down, where
// rpm-ostree's daemon cannot be started and commands are killed. One that stays
// up means it.
func isGoingDown(err error) bool {
	var refused *host.RefusedError
	var failed *guest.CommandError
	var slow *guest.TimeoutError
	return !isUnanswered(err) && (errors.As(err, &refused) || errors.As(err, &failed) || errors.As(err, &slow))
}

// awaitReboot is T.AwaitReboot. A boot that has come to its end is left soon or
// not at all: then the wait is short, and may end before the next boot has.
func awaitReboot(ctx context.Context, t *check.T, boot string, ended bool) error {
	if ended {
		limit := stopUnit + t.Scaled(goOn)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("the system did not reboot by itself within %s", limit))
		defer cancel()
	}
	return t.AwaitReboot(ctx, boot)
}
