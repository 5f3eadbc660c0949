package intake

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A queue that is the broker's owner's has no queues beside it: what is put off
// is held here, unacknowledged, while others go on.

// Bounds of what is held, and of what is remembered of it.
const (
	maxHeld    = 50
	maxFailing = 1000
)

// held is a message that goes back to its queue at a time.
type held struct {
	d     amqp.Delivery
	until time.Time
}

// atOnce is how many messages the broker gives us without an acknowledgement.
func (in *Intake) atOnce() int {
	if in.config.Given {
		return maxHeld
	}
	return 1
}

// fingerprint tells messages apart. The id alone does not: others choose it.
type fingerprint [sha256.Size]byte

func fingerprintOf(d amqp.Delivery) fingerprint {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %s", d.RoutingKey, d.MessageId, d.Body))
}

// settleGiven acknowledges a message, rejects it, or holds it for a while. How
// long it has failed is remembered for as long as the process lives.
func (in *Intake) settleGiven(d amqp.Delivery, err error, tell func(what, when string)) error {
	id, now := fingerprintOf(d), time.Now()
	switch {
	case err == nil:
		delete(in.failing, id)
		in.before()
		return d.Ack(false)
	case errors.Is(err, errRefused):
		tell("rejected", "")
		delete(in.failing, id)
		return d.Nack(false, false) // to where that queue sends it
	}
	since, known := in.failing[id]
	if !known {
		since = now
		in.remember(id, now)
	}
	if limit := time.Duration(in.patience) * in.later; now.Sub(since) >= limit {
		tell("rejected", fmt.Sprintf(" after %s", now.Sub(since).Round(time.Second)))
		delete(in.failing, id)
		return d.Nack(false, false)
	}
	tell("put off", "")
	in.held = append(in.held, held{d, now.Add(in.later)})
	return nil
}

// remember notes when a message failed first. Of those that others took
// meanwhile nothing is heard again: they make room, and so does the newest.
func (in *Intake) remember(id fingerprint, now time.Time) {
	if in.failing == nil {
		in.failing = map[fingerprint]time.Time{}
	}
	for other, since := range in.failing {
		if now.Sub(since) > 2*time.Duration(in.patience)*in.later {
			delete(in.failing, other)
		}
	}
	if len(in.failing) < maxFailing {
		in.failing[id] = now
	}
}
